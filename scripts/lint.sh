#!/bin/sh
# lint.sh VENV: style and types, over everything that is ours.
set -eu
venv=$1

echo "== ruff check"
"$venv/bin/ruff" check .
echo "== mypy --strict"
"$venv/bin/mypy" --strict
