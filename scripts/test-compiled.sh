#!/bin/sh
# test-compiled.sh VENV COMPILED: the tests of the pure zone once more, against the compiled build in COMPILED.
# Where it cannot be made, says so and succeeds; fails with CI=true and a C compiler, where it must be possible.
set -eu
venv=$1
compiled=$2
here=$(dirname "$0")

able=0
why=$(sh "$here/can-compile.sh" "$venv/bin/python" 2>&1) || able=$?
if [ "$able" -ne 0 ]; then
    echo "=============================================================================" >&2
    echo "The compiled build WILL NOT BE TESTED. $why" >&2
    echo "=============================================================================" >&2
    if [ "$able" -eq 2 ] && [ "${CI:-}" = true ]; then
        exit 1
    fi
    exit 0
fi
make --no-print-directory "VENV=$venv" "COMPILED=$compiled" compile

# The installed package before the root, where the sources of the same names are.
site=$("$compiled/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
paths=$("$compiled/bin/python" - <<'END'
from configparser import ConfigParser

settings = ConfigParser(interpolation=None)
settings.read("setup.cfg")
print(*settings["tool:pytest"]["pythonpath"].split())
END
)
tests="tests/test_compiled_build.py tests/proxy/test_flow.py tests/plugins tests/ladders"
for folder in sip transaction core repair; do
    tests="$tests tests/proxy/$folder"
done
[ ! -d tests/torture ] || tests="$tests tests/torture"

# shellcheck disable=SC2086 # a list of paths
SIPMEND_TESTED=compiled "$compiled/bin/python" -P -m pytest -o "pythonpath=$site $paths" -m "not pure_only" $tests
