#!/bin/sh
# Print the Python to use: $PYTHON if given, else the first of the usual names that is new enough and has venv.
set -eu

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

has_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

seen_without_venv=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    new_enough "$candidate" || continue
    if ! has_venv "$candidate"; then
        seen_without_venv=$candidate
        continue
    fi
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 14))' 2>/dev/null; then
        echo "note: $("$candidate" --version) is newer than the versions sipmend is tested with (3.11 to 3.13)" >&2
    fi
    command -v "$candidate"
    exit 0
done

if [ -n "$seen_without_venv" ]; then
    echo "$("$seen_without_venv" --version) has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2
else
    found=$(command -v "${PYTHON:-python3}" >/dev/null 2>&1 && "${PYTHON:-python3}" --version 2>&1 || echo "none")
    echo "sipmend needs Python 3.11, 3.12 or 3.13; found: $found." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
fi
exit 1
