"""`python -m tests.soak --minutes 30`: random sweeps with random faults on a lab of processes.

Prints counts of faults by kind, trials, voids by cause and recoveries; exit code 1 where anything was wrong.
The same seed chooses the same experiments and faults; when exactly they strike, no seed can say.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.bundles import export_tiny
from tests.soak.rounds import Tally, run_round


def main() -> int:
    """Run it; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if not options.minutes > 0:
        parser.error(f"--minutes {options.minutes:g} is not a time")
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    print(f"soak: {options.minutes:g} minutes, seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="edgecut-soak-"))
    tally = Tally()
    until_s = time.monotonic() + 60 * options.minutes
    export_tiny(folder / "bundles")
    for number in range(sys.maxsize):
        here = folder / f"round-{number}"
        here.mkdir()
        run_round(here, folder / "bundles", random.Random(f"{seed}:{number}"), tally, until_s)
        if tally.wrong:
            break
        shutil.rmtree(here)
        faults = sum(tally.faults.values())
        print(f"round {number}: {faults} faults, {tally.trials} trials so far", flush=True)
        if time.monotonic() > until_s:
            break
    _show(tally)
    if tally.wrong:
        print(f"error: seed {seed}, round {tally.rounds}, kept in {here}: {'; '.join(tally.wrong)}")
        return 1
    shutil.rmtree(folder)
    return 0


def _show(tally: Tally) -> None:
    for title, counts in (("faults", tally.faults), ("void trials", tally.voids)):
        print(f"{title}: {sum(counts.values())}")
        for name, count in counts.most_common():
            print(f"  {count:5d} {name}")
    faults = sum(tally.faults.values())
    print(f"recoveries: {tally.recoveries} of {faults} (a fault after the last trial needs none)")
    print(f"{tally.rounds} sweeps in {tally.calls} calls, {tally.trials} trials; none is missing or too many")


if __name__ == "__main__":
    sys.exit(main())
