#!/bin/sh
# test.sh VENV COMPILED: lint, every test, and those of the pure zone against the compiled build in COMPILED.
# Fails if any of them does, after all have run.
set -eu
venv=$1
compiled=$2
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
failed=0

sh "$(dirname "$0")/lint.sh" "$venv" || failed=1

echo "== pytest"
"$venv/bin/python" -m pytest || failed=1

echo "== pytest, compiled build"
sh "$(dirname "$0")/test-compiled.sh" "$venv" "$compiled" || failed=1

[ "$failed" -eq 0 ] || echo "make test: failed (see above)" >&2
exit "$failed"
