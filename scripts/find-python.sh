#!/bin/sh
# Prints the first Python that is new enough and can make virtual environments; else says in one
# sentence how to get one. Candidates are run, not merely looked up: version managers leave commands
# behind that only print "not found".
set -eu

is_recent='import sys; sys.exit(sys.version_info < (3, 11))'
makes_environments='import ensurepip, venv'
incomplete=

for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python3.14 python; do
    "$candidate" -c "$is_recent" >/dev/null 2>&1 || continue
    if "$candidate" -c "$makes_environments" >/dev/null 2>&1; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
    incomplete=${incomplete:-$candidate}
done

if [ -n "$incomplete" ]; then
    package=$("$incomplete" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    echo "gatewright: $incomplete is new enough but cannot make virtual environments: on Debian or Ubuntu, run 'sudo apt install python3-venv' (or '$package')." >&2
else
    echo "gatewright: Python 3.11 or newer is needed: run 'sudo apt install python3 python3-venv' on Debian 12 or Ubuntu 24.04 and newer, 'brew install python@3.13' on macOS, or name one with 'make PYTHON=/path/to/python3 ...'." >&2
fi
exit 1
