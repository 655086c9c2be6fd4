#!/bin/bash
# Copies what others need of a pre-training run: the model with its tokenizer, how it was made, how
# its loss fell, how well it answers, and checksums of all that. Called by `make base-models`.
#   data/publish_model.sh runs/base-olmoe data/models/olmoe
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 RUN_FOLDER MODEL_FOLDER" >&2; exit 2; }
run=$1 to=$2
for file in run.json results.json metrics.jsonl model/model.safetensors test/results.json; do
  [ -f "$run/$file" ] || {
    echo "$run/$file is missing; \`make base-models\` makes it" >&2
    exit 1
  }
done
grep -q '"status": "finished"' "$run/run.json" || { echo "$run is not finished" >&2; exit 1; }

beside=$to.tmp
rm -rf "$beside"
mkdir -p "$beside"
cp -r "$run/model" "$run/run.json" "$run/results.json" "$run/metrics.jsonl" "$beside"
cp "$run/test/results.json" "$beside/test.json"
(cd "$beside" && sha256sum run.json results.json metrics.jsonl test.json model/* > checksums.txt)
rm -rf "$to"
mv "$beside" "$to"
echo "$to: $(du -sk "$to" | cut -f1) KiB"
