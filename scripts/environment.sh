#!/bin/sh
# Usage: environment.sh LOCK
# Puts the packages of LOCK, each checked against its hash, and this project into .venv.
set -eu

lock=$1
python=.venv/bin/python

if ! "$python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    found=$(sh scripts/find-python.sh)
    echo "Setting up .venv with $found; this is done once."
    "$found" -m venv --clear .venv
fi

pip() {
    "$python" -m pip --disable-pip-version-check --quiet "$@"
}

pip install --require-hashes --requirement "$lock"
pip install --no-index --no-deps --no-build-isolation --editable .
