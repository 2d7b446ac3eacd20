"""A cell from the command line."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from controller.errors import ExperimentError
from controller.lab.inventory import Lab
from controller.results import Cell
from controller.sweep.single_cell import RunOptions, samples_used
from exporter.bundle import Bundle

OPTIONS = RunOptions(
    bundle=Path("tiny"), at="2", devices="pi,server", depth=4, network="as_is", networks_file=Path("none.yml")
)


def resolved(options: RunOptions, bundle: Bundle, lab: Lab) -> Cell:
    (cell,) = options.resolve(bundle, lab).cells[options.network]
    return cell


def test_it_is_the_cell_that_an_experiment_would_have(tiny: Bundle, lab: Lab) -> None:
    options = replace(OPTIONS, load="single", topology="hub", prefetch=2)
    cell = resolved(options, tiny, lab)
    assert (cell.depth, cell.load, cell.topology, cell.prefetch) == (1, "offline", "hub", 2)
    assert (cell.cuts, cell.devices, cell.shaping, cell.threads) == ((2,), ("pi", "server"), "none", None)
    assert resolved(replace(options, at="4"), tiny, lab).topology == "chain"


def test_a_batch_that_the_graph_does_not_take_is_refused(tiny: Bundle, lab: Lab) -> None:
    fixed = Bundle(tiny.path, replace(tiny.manifest, batch=2))
    with pytest.raises(ExperimentError, match="--batch: tiny was exported with the fixed batch 2, not 1"):
        resolved(OPTIONS, fixed, lab)
    assert resolved(replace(OPTIONS, batch=2), fixed, lab).batch == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (replace(OPTIONS, duration_s=0.0), "^--duration: expected a number > 0"),
        (replace(OPTIONS, duration_s=math.inf), "^--duration: expected a number <= "),
        (replace(OPTIONS, duration_s=math.nan), "^--duration: "),
        (replace(OPTIONS, requests=10**10), "^--requests: expected a whole number <= "),
        (replace(OPTIONS, warmup=10**10), "^--warmup: expected a whole number <= "),
        (replace(OPTIONS, threads=10**10), "^--threads: expected a whole number <= "),
        (replace(OPTIONS, rpc_interface=""), "^--rpc-interface: "),
        (replace(OPTIONS, source="last"), "^--source: invalid enum value 'last'; allowed: .*controller"),
        (replace(OPTIONS, topology="ring"), "^--topology: invalid enum value 'ring'; allowed: chain, hub$"),
        (
            replace(OPTIONS, backend="torch"),
            "^--backend: invalid enum value 'torch'; allowed: socket, ",
        ),
        (replace(OPTIONS, load="bursts"), "^--load: 'bursts' is not a load; allowed: offline, single"),
        (
            replace(OPTIONS, requests=24, load="poisson:p90<=9ms"),
            "^--requests is 24, but 'poisson:p90<=9ms' needs each trial's p90",
        ),
        (replace(OPTIONS, codec="zfp:x"), "^--codec: codec 'zfp:x': the tolerance is not a number"),
        (replace(OPTIONS, codec="pi -> desk: fp16"), "^--codec: no chain has a device 'desk'"),
        (replace(OPTIONS, codec="upward: fp16"), "^--codec: 'upward' is not a link"),
        (replace(OPTIONS, planted="{pi: {node_ms: -2}}"), "^--planted.node_ms: expected a number >= 0"),
        (replace(OPTIONS, planted="{pi"), "^--planted is not YAML: line 1"),
        (replace(OPTIONS, planted="{pi: {node_ms: 2}}"), "^--planted: tiny computes"),
        (replace(OPTIONS, prefetch=-1), "^--prefetch: expected a whole number >= 0"),
        (replace(OPTIONS, at="9"), "^--at: "),
    ],
)
def test_an_option_to_blame_is_named_as_it_was_typed(
    tiny: Bundle, lab: Lab, options: RunOptions, said: str
) -> None:
    with pytest.raises(ExperimentError, match=said) as told:
        options.resolve(tiny, lab)
    assert "key '" not in str(told.value)


def test_the_codecs_error_is_known_for_all_samples_where_nobody_knows_how_many_it_takes(
    tiny: Bundle, lab: Lab
) -> None:
    def samples(**options: object) -> int | None:
        experiment = replace(OPTIONS, **options).resolve(tiny, lab)  # type: ignore[arg-type]
        return samples_used(experiment.cells["as_is"][0], experiment.experiment)

    # Depth 4: five warm up, forty count, and three are in flight with the last.
    assert samples(batch=3) == 3 * (5 + 40 + 3)
    assert samples(requests=2, warmup=0) == 4 + 4 + 3
    assert samples(duration_s=2.0) is None
    assert samples(load="poisson:p50<=9ms") is None


def test_a_network_of_another_labs_devices_is_refused(tmp_path: Path, tiny: Bundle, lab: Lab) -> None:
    (tmp_path / "networks.yml").write_text("lan: {pairs: {pi -> sever: {delay_ms: 5}}}\n")
    options = replace(OPTIONS, network="lan", networks_file=tmp_path / "networks.yml")
    with pytest.raises(ExperimentError, match="'?pairs.pi -> sever'? .*did you mean 'pi -> server'"):
        options.resolve(tiny, lab)


def test_where_nobody_imposes_a_network_no_file_of_networks_is_read(tiny: Bundle, lab: Lab) -> None:
    devices = tuple(msgspec.structs.replace(device, shaping="none") for device in lab.devices)
    unshaped = msgspec.structs.replace(lab, devices=devices)
    cell = resolved(replace(OPTIONS, network="lan"), tiny, unshaped)
    assert (cell.network, cell.shaping) == ("lan", "none")
