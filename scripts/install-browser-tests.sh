#!/bin/sh
# Install the JavaScript packages of the browser tests, those of the lock file and no others, beside that file.
#
# Always ends with success: without them the browser tests skip and say so. Does nothing where they are up to date.
set -eu
folder=${BROWSER_TESTS:-$(dirname "$0")/../tests/interop/browser}
installed=$folder/node_modules/.package-lock.json

if [ -e "$installed" ] && [ ! "$folder/package-lock.json" -nt "$installed" ]; then
    exit 0
fi

say_missing() {
    echo "=============================================================================" >&2
    echo "The browser tests WILL BE SKIPPED. $1" >&2
    echo "=============================================================================" >&2
    exit 0
}

command -v npm >/dev/null 2>&1 || say_missing "There is no npm here: apt-get install nodejs npm"
echo "Installing the JavaScript packages of the browser tests"
cd "$folder"
npm ci --silent </dev/null || say_missing "npm ci failed (see above) in $folder"
