"""Runs `python -m controller ARGUMENTS` as often as told, each in a process that need not import it again.

Each line on stdin is one run: a JSON list of arguments. Its answer is two lines: the process's pid, and, once
it has ended, its exit code (minus the signal that killed it).
"""

import json
import os
import sys

from controller.__main__ import main


def _run(arguments: list[str]) -> None:
    sys.argv = ["controller", *arguments]
    code = 1
    try:
        code = main()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
