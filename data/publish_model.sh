#!/usr/bin/env bash
# Copies what others need of a pre-training run: the model with its tokenizer, how it was made, how
# its loss fell, how well it answers, and checksums of all that. Called by `make base-models`. What
# was published there before is replaced in one go; anything else that is there is left alone.
#   data/publish_model.sh runs/base-olmoe data/models/olmoe
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 RUN_FOLDER MODEL_FOLDER" >&2; exit 2; }
run=$1 to=${2%/}
for file in run.json results.json metrics.jsonl model/model.safetensors test/results.json; do
  [ -f "$run/$file" ] || {
    echo "$run/$file is missing; \`make base-models\` makes it" >&2
    exit 1
  }
done
grep -q '"status": "finished"' "$run/run.json" || { echo "$run is not finished" >&2; exit 1; }

if [ -e "$to" ]; then
  # checksums.txt lists what was published but for itself; older ones leave out run.json too.
  published=$(cut -c67- "$to/checksums.txt" 2>/dev/null || true; echo run.json; echo checksums.txt)
  strange=$(find "$to" ! -type d | cut -c$((${#to} + 2))- | grep -vxF "$published" | head -n 3 || true)
  [ -z "$strange" ] || {
    echo "$to holds ${strange//$'\n'/, }, which was not published by this script;" \
      "move it away or publish into another folder" >&2
    exit 1
  }
fi

mkdir -p "$(dirname "$to")"
beside=$(mktemp -d "$(dirname "$to")/.publish-XXXXXX")
trap 'if [ -e "$beside/old" ] && [ ! -e "$to" ]; then mv "$beside/old" "$to"; fi && rm -rf "$beside"' EXIT
chmod 755 "$beside"
mkdir "$beside/new"
cp -r "$run/model" "$run/run.json" "$run/results.json" "$run/metrics.jsonl" "$beside/new"
cp "$run/test/results.json" "$beside/new/test.json"
checksum=(sha256sum)
command -v sha256sum >/dev/null || checksum=(shasum -a 256)  # macOS
(cd "$beside/new" && "${checksum[@]}" run.json results.json metrics.jsonl test.json model/* > checksums.txt)
if [ -e "$to" ]; then mv "$to" "$beside/old"; fi
mv "$beside/new" "$to"
echo "$to: $(du -sk "$to" | cut -f1) KiB"
