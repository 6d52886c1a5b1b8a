#!/bin/sh
# make-venv.sh DIRECTORY REQUIREMENT: make the virtual environment if there is none, and install this tree into it.
# pip takes its index from its own configuration and environment; nothing is set here.
set -eu
venv=$1
requirement=$2

# An environment whose Python went away (an upgrade of the system, a moved tree) is made anew.
if ! "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(sh "$(dirname "$0")/find-python.sh")
    "$python" -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$requirement"
