"""`controller selfcheck` on real workers, and what results carry of it."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.results import Results
from tests.integration.commands import controller, sweep
from tests.integration.labs import NAMES, running_workers, write_experiment, write_lab


@contextmanager
def half_of_the_time(pid: int) -> Iterator[None]:
    """Stop a process for 50 of every 100 ms, as a CPU quota of 50 % does."""
    ended = threading.Event()

    def alternate() -> None:
        while not ended.wait(0.05):
            os.kill(pid, signal.SIGSTOP)
            ended.wait(0.05)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=alternate)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
def test_a_throttled_device_and_a_link_that_is_not_shaped_are_named(
    tmp_path: Path, bundles_folder: Path
) -> None:
    networks = tmp_path / "networks.yml"
    networks.write_text("slow: {rate_mbit: 20}\n")
    with running_workers(tmp_path, NAMES) as workers:
        # They say that tc shapes their links, but nobody has.
        lab = write_lab(tmp_path, [workers[name].device("tc") for name in NAMES])
        with half_of_the_time(workers["pi"].pid):
            told = controller("selfcheck", "--lab", lab, "--network", "slow", "--networks", networks)
        assert told.returncode == 1, told.stderr
        wrong = [line for line in told.stdout.splitlines() if line.startswith("wrong: ")]
        assert any(line.startswith("wrong: pi: a stage that computes takes") for line in wrong)
        assert any(line.startswith("wrong: pi -> server: carries") for line in wrong)
        assert "instead of 20" in told.stdout

        verdict = json.loads((tmp_path / "lab.selfcheck.json").read_text())
        assert [(one["where"], one["unit"]) for one in verdict["findings"]] == [
            *[("pi", "ms")] * 2,
            *[("server", "ms")] * 2,
            *[("pi -> server", "Mbit/s"), ("pi -> server", "ms")],
            *[("server -> pi", "Mbit/s"), ("server -> pi", "ms")],
        ]
        # A sweep on the same devices carries it.
        lab = write_lab(tmp_path, workers.values())
        experiment = write_experiment(tmp_path, depths=[1], trials=1)
        assert sweep(experiment, lab, bundles_folder).returncode == 0
    with Results.open(tmp_path / "results.sqlite") as results:
        ((_, _, stamp),) = results.environments()
    assert stamp["selfcheck"]["network"] == "slow"
    assert any(text.startswith("pi: a stage that computes takes") for text in stamp["selfcheck"]["wrong"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--network", "wify"], "error: no network 'wify' in"),
        (["--lab", "none.json"], "error: no lab file none.json; run `edgecut deploy`"),
    ],
)
def test_a_lab_or_network_that_is_not_there(lab: Path, options: list[str], says: str) -> None:
    refused = controller("selfcheck", "--lab", lab, *options)
    assert refused.returncode == 2
    assert refused.stderr.startswith(says)
    assert refused.stderr.count("\n") == 1
    assert not lab.with_suffix(".selfcheck.json").exists()
