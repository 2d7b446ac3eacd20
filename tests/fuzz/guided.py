"""Coverage-guided fuzzing of the targets: `make fuzz`, or `python -m tests.fuzz.guided MINUTES [TARGET]...`.

Each target has a process of its own and an equal part of the time. What it finds to reach more of the code is
kept in `.edgecut/fuzz/corpus`, and used again; what makes it fail is saved in `.edgecut/fuzz/findings`. Once
mended, that goes into `tests/fuzz/corpus`, which `make test` runs.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fuzz.seeds import write_seeds

ROOT: Final = Path(__file__).parents[2]
_FOLDER: Final = ROOT / ".edgecut" / "fuzz"
_INSTRUMENTED: Final = ["worker", "exporter", "controller", "analysis", "yaml", "zipfile", "json"]
_LONGEST_RUN_S: Final = 10
_MEMORY_MB: Final = 2048


def main(words: Sequence[str]) -> int:
    """Fuzz for so many minutes in all; 1 where something was found."""
    if words[:1] == ["--one"]:
        _fuzz_one(words[1], list(words[2:]))
    from tests.fuzz.targets import TARGETS

    minutes, targets = float(words[0]), list(words[1:]) or sorted(TARGETS)
    seconds = max(1, int(minutes * 60 / len(targets)))
    found = [target for target in targets if not _fuzz(target, seconds)]
    if found:
        print(f"findings in {', '.join(found)}: see {_FOLDER / 'findings'}", file=sys.stderr)
    return 1 if found else 0


def _fuzz(target: str, seconds: int) -> bool:
    """Fuzz one target in a process; whether nothing was found."""
    corpus, findings = _FOLDER / "corpus" / target, _FOLDER / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    given = _FOLDER / "seeds" / target
    write_seeds(target, given)
    log = _FOLDER / f"{target}.log"
    command = [
        *(sys.executable, "-m", "tests.fuzz.guided", "--one", target),
        *(f"-max_total_time={seconds}", f"-timeout={_LONGEST_RUN_S}", f"-rss_limit_mb={_MEMORY_MB}"),
        *(f"-artifact_prefix={findings}/{target}-", "-print_final_stats=1"),
        *(str(corpus), str(given)),
    ]
    with log.open("w") as output:
        code = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False).returncode
    told = log.read_text(errors="replace")
    runs = re.search(r"number_of_executed_units:\s*(\d+)", told) or re.search(r"Done (\d+) runs", told)
    count = int(runs[1]) if runs else 0
    print(f"{target:18} {count:>10,} executions{'' if code == 0 else f', FAILED: see {log}'}", flush=True)
    return code == 0


def _fuzz_one(target: str, options: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.fuzz import targets

    atheris.Setup([sys.argv[0], *options], targets.TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
