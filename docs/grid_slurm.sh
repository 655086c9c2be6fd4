#!/usr/bin/env bash
# The grid as a Slurm array: every task of it does one shard, into one folder that all nodes see.
# Killed or at its time limit, a shard goes on where it was when the same line is given again.
#
#   export PLAN=data/grids/main.json RUN=runs/main
#   search=$(PART=search sbatch --parsable --export=ALL docs/grid_slurm.sh)
#   PART=main sbatch --dependency=afterok:$search --export=ALL docs/grid_slurm.sh
#   build/release/ramoe experiment $PLAN --run=$RUN --collect=docs/results
#
# The same with GNU parallel over ssh, 16 shards, one thread each, on hosts with the same path:
#
#   for part in search main; do
#     parallel -S host1,host2 --workdir . build/release/ramoe experiment $PLAN --run=$RUN \
#       --part=$part --threads=1 --shard={}/16 ::: {1..16}
#   done
#
# Nodes must have the same kernels (AVX-512 or not): results of others are refused.
#SBATCH --job-name=ramoe-grid
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --time=01:00:00
#SBATCH --output=%x-%A-%a.log
set -euo pipefail
: "${PLAN:?the plan, such as data/grids/main.json}" "${RUN:?the folder of the results}"
: "${PART:?search first, then main}"
: "${SLURM_ARRAY_TASK_ID:?this is a job script: see its first lines}"
# exec: a signal of Slurm's reaches the program, which then ends in order.
exec "${RAMOE:-build/release/ramoe}" experiment "$PLAN" --run="$RUN" --part="$PART" \
  --threads="${SLURM_CPUS_PER_TASK:-1}" --shard="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
