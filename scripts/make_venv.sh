#!/usr/bin/env bash
# Makes (or brings up to date) a virtual environment from a hashed lock: make_venv.sh DIR LOCK
# Checks first what pip cannot install and names the one command that does.
set -euo pipefail
venv=$1 lock=$2

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }

python=""
for candidate in ${PYTHON:-} python3.12 python3.11 python3; do
  if command -v "$candidate" >/dev/null && fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "error: Python 3.11 or 3.12 is needed, and none is on the PATH." >&2
  echo "  Debian, Ubuntu: sudo apt-get install -y python3.11 python3.11-venv" >&2
  exit 2
fi

missing=()
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python3-venv")
if [ "$(uname)" = Linux ] && ! "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then
  missing+=("libgomp1")
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "error: missing system packages. Install them with one command, then run make again:" >&2
  echo "  sudo apt-get install -y ${missing[*]}" >&2
  exit 2
fi

if [ ! -x "$venv/bin/python" ] || ! fits "$venv/bin/python"; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
echo "installing $(grep -c '==' "$lock") pinned packages from $lock (about a minute the first time) …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" \
  2> >(grep -v '^WARNING: Location' >&2)
"$venv/bin/python" -m compileall -q -j 0 market broker mt5api ml trading backtest retrain settings >/dev/null
