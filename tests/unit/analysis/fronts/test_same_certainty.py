"""A sweep stops by the certainty that the report on the same trials states."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.fronts.choice import Chooser
from analysis.fronts.fronts import front_of
from controller.results import Store, TrialsWanted
from controller.sweep.stopping import StoppingRule
from tests.results_files import edited
from tests.unit.analysis.synthetic import AT, BUNDLE, NODES, Physics, write_sweep

BLOCKS = 3
CUTS = (0, 6, 12, 18, NODES)


@pytest.mark.parametrize(("drift", "changes"), [(0.0, False), (0.2, False), (0.0, True)])
def test_for_the_same_trials_sweep_and_report_are_as_sure(
    tmp_path: Path, drift: float, changes: bool
) -> None:
    """Two depths, baselines, links that limit; a device drifts by its sentinel, changes, or does neither."""
    physics = Physics(noise=0.06)
    path = write_sweep(tmp_path / "r.sqlite", physics=physics, trials=BLOCKS, cuts=CUTS, drift=drift)
    if changes:
        _change_within_block_1(path)
    sweep = load(path)
    sure = []
    with Store.append(path) as store:
        rule = StoppingRule(store, TrialsWanted(BLOCKS, 9, 0.999))
        for network in physics.networks:
            chooser = Chooser(sweep, BUNDLE, network, front_of(sweep, "capability", BUNDLE, network).points)
            choices = [chooser.choose("latency"), chooser.choose("throughput")]
            reported = [choice.probability for choice in choices if choice]
            assert len(reported) == 2 and all(reported)
            look = rule.look(network, BLOCKS)
            assert look is not None
            assert look.sure == min(p for p in reported if p)
            sure.append(look.sure)
    # Where all are certain, anything agrees.
    assert min(sure) < 0.95


def _change_within_block_1(path: Path) -> None:
    with Store.append(path) as store:
        pi, server = store.devices()
        store.add_environment(AT, {}, [pi, replace(server, stamp={**server.stamp, "kernel": "6.6"})])
    with edited(path) as db:
        before = "number = 0 OR (number = 1 AND cell IN (SELECT id FROM cell WHERE cuts IN ('[0]', '[12]')))"
        db.execute(f"UPDATE trial SET environment = 2 WHERE NOT ({before})")
        db.execute("UPDATE baseline SET environment = 2 WHERE number > 0")
