#!/bin/sh
# What the tests use beyond Python packages: PHP signs as the platforms do, Chromium shows pages. Where this machine's
# package manager serves them they are installed; where not, the tests that need them are skipped and say so.
set -u
missing=""
command -v php >/dev/null 2>&1 || missing="$missing php-cli"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
[ -z "$missing" ] && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing for the tests:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || echo "Not to be had here:$missing"
else
    echo "Not here, and not installed without root and apt-get:$missing"
fi
exit 0
