"""A cell from the command line."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import ExperimentError
from controller.lab.inventory import Lab
from controller.sweep.single_cell import OneCell
from exporter.bundle import Bundle

ASKED = OneCell(
    at="2",
    devices="pi,server",
    depth=4,
    batch=1,
    load="offline",
    prefetch=None,
    requests=24,
    duration_s=None,
    until_stable=False,
    warmup=5,
    threads=None,
    network="as_is",
    source="first",
    codec="none",
    topology="chain",
    networks_file=Path("none.yml"),
)


def test_it_is_the_cell_that_an_experiment_would_have(tiny: Bundle, lab: Lab) -> None:
    cell = replace(ASKED, load="single", topology="hub", prefetch=2).cell(tiny, lab)
    assert (cell.depth, cell.load, cell.topology, cell.prefetch) == (1, "offline", "hub", 2)
    assert replace(ASKED, at="4", topology="hub").cell(tiny, lab).topology == "chain"


def test_a_batch_that_the_graph_does_not_take_is_refused(tiny: Bundle, lab: Lab) -> None:
    fixed = Bundle(tiny.path, replace(tiny.manifest, batch=2))
    with pytest.raises(ExperimentError, match="--batch: tiny was exported with the fixed batch 2, not 1"):
        ASKED.cell(fixed, lab)
    assert replace(ASKED, batch=2).cell(fixed, lab).batch == 2


def test_the_codecs_error_is_known_for_all_samples_where_nobody_knows_how_many_it_takes() -> None:
    assert replace(ASKED, batch=3).samples() == 72
    assert replace(ASKED, requests=2).samples() == 5
    for more in (replace(ASKED, until_stable=True), replace(ASKED, duration_s=2.0)):
        assert more.samples() is None
    assert replace(ASKED, load="poisson:p50<=9ms").samples() is None


def test_a_network_of_another_labs_devices_is_refused(tmp_path: Path, tiny: Bundle, lab: Lab) -> None:
    (tmp_path / "networks.yml").write_text("lan: {pairs: {pi -> sever: {delay_ms: 5}}}\n")
    asked = replace(ASKED, network="lan", networks_file=tmp_path / "networks.yml")
    with pytest.raises(ExperimentError, match="key 'pairs.pi -> sever' .*did you mean 'pi -> server'"):
        asked.conditions(asked.cell(tiny, lab), lab)
