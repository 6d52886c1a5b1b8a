#!/bin/sh
# make-compiled.sh DIRECTORY PYTHON: install the compiled build, and what tests it, into an environment of its own.
# Not an editable install: a compiled module beside its source would hide every later change of it.
set -eu
venv=$1
python=$2

sh "$(dirname "$0")/can-compile.sh" "$python"
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    "$python" -m venv --clear "$venv"
fi

# The compiled whole stays for the next build, which is quick if it is still right. The rest is made anew: a module that
# went away, or is compiled no longer, must not come along.
rm -rf build/lib.*/proxy build/lib.*/plugins

echo "Compiling; this takes a minute or two"
"$venv/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check sipmend 2>/dev/null || true
SIPMEND_COMPILE=1 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check '.[suite]'
