#!/bin/sh
# What the tests use beyond Python packages: PHP signs as the platforms do. Where this machine's package manager serves
# it, it is installed; where not, the tests that need it are skipped and say so.
set -u
command -v php >/dev/null 2>&1 && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing PHP for the tests"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1
    apt-get install -y -qq --no-install-recommends php-cli >/dev/null 2>&1 || echo "PHP is not to be had here"
else
    echo "PHP is not here, and not installed without root and apt-get"
fi
exit 0
