#!/bin/sh
# What the tests use beyond Python packages: PHP signs as the platforms do, Chromium shows our pages. Where this
# machine's package manager serves them, they are installed; where not, the tests that need them are skipped and say so.
set -u
updated=""

# need COMMAND PACKAGES WHAT: install the packages unless the command is there.
need() {
    command -v "$1" >/dev/null 2>&1 && return
    if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
        echo "$3 is not here, and not installed without root and apt-get"
        return
    fi
    echo "Installing $3 for the tests"
    [ -n "$updated" ] || apt-get update -qq >/dev/null 2>&1
    updated=yes
    # shellcheck disable=SC2086 - a list of packages
    apt-get install -y -qq --no-install-recommends $2 >/dev/null 2>&1 || echo "$3 is not to be had here"
}

export DEBIAN_FRONTEND=noninteractive
need php php-cli PHP
# The fonts are what Czech and Russian are measured with.
need chromium "chromium fonts-dejavu-core fonts-liberation" Chromium
exit 0
