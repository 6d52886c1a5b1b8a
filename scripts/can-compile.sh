#!/bin/sh
# can-compile.sh PYTHON: succeeds where the compiled build can be made for this Python. Else says what is missing, and
# ends with 1 if there is no C compiler, with 2 if there is one but not the headers of Python.
set -eu

"$1" - <<'END'
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
if not shutil.which(compiler):
    print(f"There is no C compiler ({compiler}). On Debian and Ubuntu: apt-get install gcc", file=sys.stderr)
    sys.exit(1)
header = Path(sysconfig.get_path("include"), "Python.h")
if not header.exists():
    print(f"There is no {header}. On Debian and Ubuntu: apt-get install python3-dev", file=sys.stderr)
    sys.exit(2)
END
