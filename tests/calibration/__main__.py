"""`python -m tests.calibration --sweeps 400`: whether planted sweeps' certainty is true.

Prints one line for each family, number of splits and number of blocks, then the totals; a star marks the
families that the estimator does not assume. With
`--through-files latency`, each sweep becomes a results file, and `python -m analysis best --json` answers.
`--open` plants trials under open loads instead (`tests.calibration.open_load`), `--sweeps` of each.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.calibration import open_load
from tests.calibration.families import ASSUMED, FAMILIES
from tests.calibration.measure import Tally, Through, measure

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01)
_HEAD = (
    "family                  splits blocks  equal called diff.  interval holds  right / how sure (answers)"
)


def main() -> int:
    """Run it; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibration")
    parser.add_argument("--sweeps", type=int, default=400, help="of 2 splits; of 50 a fifth as many")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--blocks", default="2,3,5,10,until")
    parser.add_argument("--splits", default="2,10,50")
    parser.add_argument("--through-files", choices=("latency", "throughput", "knee"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--open", action="store_true", help="open loads")
    options = parser.parse_args()
    if options.open:
        chosen = open_load.FAMILIES if options.families == ",".join(FAMILIES) else options.families.split(",")
        open_load.main(options.sweeps, list(chosen), options.seed)
        return 0
    with TemporaryDirectory() as folder:
        file = Path(folder) / "results.sqlite"
        _run(options, Through(file, options.through_files) if options.through_files else None)
    return 0


def _run(options: argparse.Namespace, through: Through | None) -> None:
    print(_HEAD)
    print(" " * 38 + "pairs  chosen   pairs  chosen   " + _bins())
    by_blocks: dict[str, Tally] = {}
    by_family: dict[str, Tally] = {}
    for family in options.families.split(","):
        name = family if family in ASSUMED else f"{family} *"
        for cells in map(int, options.splits.split(",")):
            for blocks in options.blocks.split(","):
                sweeps = max(1, options.sweeps // {2: 1, 10: 2}.get(cells, 5))
                count = None if blocks == "until" else int(blocks)
                tally = measure(family, cells, count, sweeps, options.seed, through)
                print(f"{name:24}{cells:5}{blocks:>7}  {line(tally)}", flush=True)
                by_blocks.setdefault(blocks, Tally()).add(tally)
                by_family.setdefault(name, Tally()).add(tally)
    for totals in (by_family, by_blocks):
        print()
        for group, tally in totals.items():
            print(f"{group:36}  {line(tally)}")
    whole = Tally()
    for tally in by_blocks.values():
        whole.add(tally)
    print(f"\n{'all':36}  {line(whole)}")


def _bins() -> str:
    pairs = zip(EDGES, EDGES[1:], strict=False)
    return " ".join(f"{100 * low:3.0f}-{min(100, 100 * high):3.0f} %".ljust(15) for low, high in pairs)


def line(tally: Tally) -> str:
    """Shares in percent; of answers: share right, how sure they were, and how many."""
    shares = "  ".join(
        percent(each) for each in (tally.called, tally.called_chosen, tally.held, tally.held_chosen)
    )
    bins = []
    for low, high in zip(EDGES, EDGES[1:], strict=False):
        count, sure, right = tally.decile(low, high)
        bins.append(f"{100 * right:3.0f}/{100 * sure:3.0f} ({count})".ljust(15) if count else "-".ljust(15))
    return f"{shares}   {' '.join(bins)} {np.mean(tally.blocks):4.1f} blocks"


def percent(values: Sequence[bool]) -> str:
    """Of those that are true."""
    return f"{100 * np.mean(values):6.1f}" if values else "     -"


if __name__ == "__main__":
    raise SystemExit(main())
