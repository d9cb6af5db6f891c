#!/usr/bin/env bash
# Runs a peer program in a virtual environment of its own:
#   run.sh [--threads N] PROGRAM FOLDER [--rounds N] [...]
# for example `run.sh --threads 1 grid_once /tmp/grid --rounds 3`. Only the program writes to stdout.
#
# The environment is thrown away afterwards. With FROSTLINE_PEERS_VENV=PATH it is made there if it isn't there yet, kept
# and used again. PYTHON names the interpreter to make it with (default python3).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  echo "run.sh: $1" >&2
  exit "${2:-1}"
}

threads=1
while [[ ${1:-} == --* ]]; do
  case $1 in
    --threads) threads=${2:-}; shift $(($# < 2 ? 1 : 2)) ;;
    --threads=*) threads=${1#*=}; shift ;;
    *) fail "unknown option $1" 2 ;;
  esac
done
[[ $threads =~ ^[1-9][0-9]*$ ]] || fail "--threads takes a number from 1, not '$threads'" 2
[[ $# -ge 1 ]] || fail "usage: run.sh [--threads N] PROGRAM FOLDER [--rounds N] [...]" 2
program=${1%.py}
shift
case $program in
  grid_once | grid_tutorial | grid_directions | dft | pair) ;;
  *) fail "no program '$program'; there are grid_once, grid_tutorial, grid_directions, dft, pair" 2 ;;
esac

if [[ -n ${FROSTLINE_PEERS_VENV:-} ]]; then
  venv=$FROSTLINE_PEERS_VENV
  if [[ -e $venv && ! -e $venv/pyvenv.cfg && -n $(ls -A "$venv" 2>&1) ]]; then
    fail "FROSTLINE_PEERS_VENV=$venv is there and is no virtual environment"
  fi
else
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/frostline-peers.XXXXXX")
  trap 'rm -rf -- "$scratch"' EXIT
  venv=$scratch/venv
fi

has_numpy() {
  local wanted
  wanted=$(sed -n 's/^numpy==//p' "$here/requirements.txt")
  [[ -x $venv/bin/python ]] &&
    "$venv/bin/python" -c "import sys, numpy; sys.exit(numpy.__version__ != '$wanted')" 2>/dev/null
}

if ! has_numpy; then
  [[ -x $venv/bin/pip ]] || "${PYTHON:-python3}" -m venv "$venv" >&2 || fail "could not make $venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2 ||
    fail "could not install requirements.txt into $venv"
fi

# Every BLAS that a NumPy may come with reads one of these, when it is loaded.
export OPENBLAS_NUM_THREADS=$threads OMP_NUM_THREADS=$threads MKL_NUM_THREADS=$threads
# No __pycache__ in the source tree, no packages from the user's home.
"$venv/bin/python" -B -s "$here/$program.py" "$@"
