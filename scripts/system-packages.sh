#!/bin/sh
# Installs what the tests need from the system, when that is allowed without asking (root, or sudo
# that asks no password). Lists the packages first and starts no system service. Otherwise it names
# them and goes on: the tests that need one are skipped and say so.
set -eu

# command:package, one a line, for each test that needs more than Python:
#   strace    tests/server/test_durability.py sees the sync before the answer
#   bash, curl tests/documentation follows the how-tos as a reader does
#   chromium  tests/browser walks through the dashboard
#   go        tests/server/dashboard runs the quick start in Go
needed="strace:strace bash:bash curl:curl chromium:chromium go:golang-go"

missing=
for pair in $needed; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
if [ -z "$missing" ]; then
    exit 0
fi

as_root=
may=no
if [ "$(id -u)" = 0 ]; then
    may=yes
elif sudo -n true >/dev/null 2>&1; then
    may=yes
    as_root="sudo -n"
fi
if [ "$may" = no ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed:$missing. The tests that need them are skipped; to run them all: sudo apt install$missing"
    exit 0
fi

echo "Installing with apt-get:$missing"
# A package that wants to start a service asks policy-rc.d first; 101 means no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi
install() {
    $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@"
}
# shellcheck disable=SC2086 # $missing is a list
install $missing >/dev/null </dev/null ||
    echo "apt-get could not install$missing: the tests that need them are skipped." >&2
