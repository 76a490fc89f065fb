#!/usr/bin/env bash
# Training on one large GPU: is it right, how fast is it, and what would the paper's study take? At most 8 minutes.
# Run in an environment of envs/requirements.lock whose torch can use the card: bash benchmarks/gpu.sh
# bash benchmarks/gpu.sh --dry does the same on the processor, tiny: whether the script runs at all.
set -uo pipefail
cd "$(dirname "$0")/.."

dry=()
slack=1
if [ "${1:-}" = --dry ]; then
  dry=(--dry)
  slack=10 # a busy processor is no fault
elif [ $# -gt 0 ]; then
  echo "gpu.sh: unknown argument $1 (expected nothing or --dry)" >&2
  exit 2
fi
figure=$(mktemp)
trap 'rm -f "$figure"' EXIT
failed=0

part() { # part SECONDS COMMAND...: a part that fails or takes too long does not keep the others from running
  local limit=$(($1 * slack))
  shift
  timeout --kill-after=5 "$limit" "$@" || { echo "FAILED with status $?: $*"; failed=1; }
}

echo "bash benchmarks/gpu.sh ${dry[*]:-}, $(date -u '+%Y-%m-%d %H:%M') UTC"
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null || echo "no card"
part 90 python benchmarks/gpu.py correct "${dry[@]}"
part 150 python benchmarks/gpu.py speed "${dry[@]}" --output "$figure"
part 60 python benchmarks/gpu.py shared "${dry[@]}"
part 120 python benchmarks/gpu.py peers "${dry[@]}"
if [ -s "$figure" ]; then
  part 50 labeldropout plan --config config/paper.yaml --images-per-second "$(cat "$figure")"
fi
exit "$failed"
