#!/usr/bin/env bash
# Everything that needs a GPU, in one call of at most 9 minutes: tests marked `gpu`, benchmarks,
# quality of the random numbers. Usage: benchmarks/gpu.sh [FOLDER]; results as JSON in FOLDER.
# PYTHON chooses the interpreter, QUICK=1 small shapes (also runs without a GPU, on the CPU).
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-benchmarks/results}
python=${PYTHON:-.venv/bin/python}
quick=${QUICK:+--quick --no-memory}
export XLA_PYTHON_CLIENT_PREALLOCATE=false
status=0

"$python" -m tokenspace doctor
timeout 150 "$python" -m pytest tests -m gpu -p no:cacheprovider || status=1
timeout 330 "$python" -m tokenspace bench --out "$out" $quick || status=1
timeout 60 "$python" -m tokenspace_benchmarks.random_quality "${DRAWS:-1000000000}" "$out" || status=1
exit $status
