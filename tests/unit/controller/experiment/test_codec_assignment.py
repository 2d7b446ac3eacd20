"""Which codec a link has: the choice as one line, the cells that it makes, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import ExperimentError
from controller.experiment.cells import cells_of_network
from controller.experiment.codec_assignment import choice_of, codec_of_link
from controller.experiment.networks import Network
from controller.experiment.schema import Experiment, load_experiment
from controller.experiment.topology import route
from controller.lab.inventory import Lab
from controller.pipeline.deployment import plan_pipeline
from controller.results import Cell
from controller.sweep.eta import request_s
from exporter.bundle import Bundle


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("uint8", "uint8"),
        ("zstd", "zstd:1"),
        ({"forward": "uint8", "backward": "none"}, "forward: uint8"),
        ({"backward": "fp16", "forward": "zfp:1e-2"}, "forward: zfp:0.01; backward: fp16"),
        ({"pi->server": "lz4", "forward": "fp16"}, "forward: fp16; pi -> server: lz4"),
        ({"pi -> server": "none", "forward": "fp16"}, "forward: fp16; pi -> server: none"),
        ({"forward": "none"}, "none"),
        ({}, "none"),
    ],
)
def test_equal_choices_have_equal_lines(asked: str | dict[str, str], line: str) -> None:
    assert choice_of(asked, "here") == line
    assert choice_of(line, "here") == line


def test_a_link_takes_its_own_codec_before_its_directions_and_none_within_a_device() -> None:
    choice = "forward: uint8; pi -> server: zfp:0.01"
    assert codec_of_link(choice, "pi", "server", forward=True).name == "zfp:0.01"
    assert codec_of_link(choice, "pi", "desk", forward=True).name == "uint8"
    assert codec_of_link(choice, "server", "pi", forward=False).name == "none"
    assert codec_of_link("fp16", "server", "pi", forward=False).name == "fp16"
    assert codec_of_link("fp16", "pi", "pi", forward=True).name == "none"


def experiment_of(**more: object) -> Experiment:
    settings: dict[str, object] = {"name": "e", "models": ["tiny"], "networks": ["lan"]}
    return Experiment(**(settings | more))  # type: ignore[arg-type]


def cells_of(experiment: Experiment, bundle: Bundle, lab: Lab) -> tuple[Cell, ...]:
    return cells_of_network(experiment, "lan", {"tiny": bundle}, lab)


def test_codecs_cross_with_all_else_but_where_no_link_would_have_one(tiny: Bundle, lab: Lab) -> None:
    experiment = experiment_of(
        devices=["pi", "server"], depths=(1,), codecs=("none", "uint8", {"forward": "uint8"})
    )
    cells = cells_of(experiment, tiny, lab)
    by_cut = {cut: sorted(c.codec for c in cells if c.cuts == (cut,)) for cut in (0, 2, 4)}
    assert by_cut[0] == by_cut[2] == ["forward: uint8", "none", "uint8"]
    # All on the first device: there is no link to encode on, so it is run once.
    assert by_cut[4] == ["none"]


def test_cells_without_a_codec_keep_their_identity(tiny: Bundle, lab: Lab) -> None:
    plain = {c.id for c in cells_of(experiment_of(), tiny, lab)}
    coded = cells_of(experiment_of(codecs=("none", "fp16")), tiny, lab)
    assert plain == {c.id for c in coded if c.codec == "none"}
    assert len({c.id for c in coded}) == len(coded) > len(plain)


def test_each_link_is_told_its_codec_and_in_process_links_none(tiny: Bundle, lab: Lab) -> None:
    experiment = experiment_of(splits=[[1, 3]], codecs=({"forward": "uint8", "desk -> server": "zstd:3"},))
    cell = next(c for c in cells_of(experiment, tiny, lab) if c.cuts == (1, 3))
    plan = plan_pipeline("p", cell, tiny, lab, Network(), allowed_error=0.02)
    expected = ["none", "uint8", "zstd:3", "none"]
    assert [spec.codec for spec in plan.specs] == expected
    assert [link.codec for link in route(cell, tiny)] == expected
    assert plan.endpoint_spec.allowed_error == 0.02


def test_the_estimate_knows_what_a_codec_saves(tiny: Bundle, lab: Lab) -> None:
    cell = next(c for c in cells_of(experiment_of(devices=["pi", "server"]), tiny, lab) if c.cuts == (2,))
    network = Network(rate_mbit=0.001)
    none_s, _ = request_s(cell, tiny, lab, network, {(tiny.digest, d): 0.0 for d in ("pi", "server")})
    uint8_s, _ = request_s(
        replace(cell, codec="uint8"), tiny, lab, network, {(tiny.digest, d): 0.0 for d in ("pi", "server")}
    )
    assert uint8_s == pytest.approx(none_s / 4)


@pytest.mark.parametrize(
    ("codecs", "says"),
    [
        ("[gzip]", "key 'codecs': unknown codec 'gzip'; known: none, fp16"),
        ("['zfp:tight']", "key 'codecs': codec 'zfp:tight': the tolerance is not a number"),
        ("[{forward: uint9}]", "key 'codecs': unknown codec 'uint9'"),
        (
            "[{there: uint8}]",
            "key 'codecs': 'there' is not a link; use forward, backward or SENDER",
        ),
        ("[1]", "key 'codecs"),
        ("[]", "key 'codecs'"),
    ],
)
def test_a_wrong_choice_names_file_and_key(tmp_path: Path, codecs: str, says: str) -> None:
    path = tmp_path / "experiment.yml"
    path.write_text(f"name: e\nmodels: [m]\nnetworks: [lan]\ncodecs: {codecs}\n")
    with pytest.raises(ExperimentError, match=says) as caught:
        load_experiment(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_choice_for_a_device_that_no_chain_has(tiny: Bundle, lab: Lab) -> None:
    experiment = experiment_of(devices=["pi", "server"], codecs=({"pi -> gpu": "fp16"},))
    with pytest.raises(ExperimentError, match="'codecs': no chain has a device 'gpu'; its devices are pi"):
        cells_of(experiment, tiny, lab)
