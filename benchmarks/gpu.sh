#!/usr/bin/env bash
# Everything that needs a GPU, in one call of less than 9 minutes: tests marked `gpu` first, then the
# benchmarks with all peers that are installed, then the quality of the random numbers.
# Usage: benchmarks/gpu.sh [FOLDER]; results as JSON in a sub-folder of FOLDER named by the device.
# A step that fails or runs out of time is named, the next ones go on, and the exit status is 1;
# benchmarks that were cut short leave unfinished.json.
# Peak memory is left to `tokenspace bench`: a process for each contestant takes far longer.
# PYTHON chooses the interpreter, DRAWS the numbers of the last step; QUICK=1 takes small shapes and
# also runs without a GPU, to try the script.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-benchmarks/results}
python=${PYTHON:-.venv/bin/python}
quick=${QUICK:+--quick}
total=530 # seconds; what is left when a step ends is what the next may take
failed=()
export XLA_PYTHON_CLIENT_PREALLOCATE=false

step() { # NAME SECONDS COMMAND ...
  local name=$1 limit=$2 started=$SECONDS status
  shift 2
  limit=$((limit < total - SECONDS ? limit : total - SECONDS))
  if ((limit < 1)); then
    echo "== FAILED: $name: no time was left"
    failed+=("$name")
    return
  fi
  echo "== $name (at most $limit s)"
  timeout --kill-after=5 "$limit" "$@"
  status=$?
  if ((status == 0)); then
    echo "== done: $name, $((SECONDS - started)) s"
    return
  elif ((status == 124 || status == 137)); then
    echo "== FAILED: $name: out of time, or killed, after $((SECONDS - started)) s"
  else
    echo "== FAILED: $name: exit status $status after $((SECONDS - started)) s"
  fi
  failed+=("$name")
}

if ! command -v "$python" >/dev/null; then
  echo "$python is not there: run \`make install\`, or set PYTHON to the interpreter to use" >&2
  exit 2
fi
if [ -z "$quick" ] && ! timeout 60 "$python" -c \
  "import jax, sys; sys.exit(jax.default_backend() == 'cpu')"; then
  echo "JAX sees no accelerator: nothing to measure (QUICK=1 tries this script without one)" >&2
  exit 2
fi
step doctor 60 "$python" -m tokenspace doctor
step tests 150 "$python" -m pytest tests/kernels -m gpu -p no:cacheprovider
step benchmarks 300 "$python" -m tokenspace bench --no-memory --out "$out" $quick
step "random numbers" 60 "$python" -m tokenspace_benchmarks.random_quality "${DRAWS:-1000000000}" "$out"
if ((${#failed[@]})); then
  (IFS=,; echo "== FAILED: ${failed[*]}; all in $SECONDS s")
  exit 1
fi
echo "== all done in $SECONDS s"
