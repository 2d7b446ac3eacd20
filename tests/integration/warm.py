"""Run command lines in forks of a process that has imported them already, which takes a second.

`python warm.py MODULE` calls the `main` of a module. It reads one run from each line on stdin: a JSON list of
the arguments, the environment, the folder, and the files for stdout and stderr. It answers in two lines: the
run's pid, and, once it has ended, its exit code (minus the signal that killed it).
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))


def _run(main: Any, arguments: list[str], environment: dict[str, str], folder: str, files: list[str]) -> None:
    code: Any = 1
    try:
        for number, path in enumerate(files, 1):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, number)
            os.close(file)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = arguments
        code = main()
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main = importlib.import_module(sys.argv[1]).main
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(main, *json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
