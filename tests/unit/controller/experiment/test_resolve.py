"""From an experiment to its cells."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from controller.errors import ControllerError, ExperimentError, LabError
from controller.experiment.resolve import ResolvedExperiment, resolve
from controller.lab.inventory import Lab
from exporter.bundle import Bundle

Make = Callable[..., ResolvedExperiment]


@pytest.fixture
def make(tmp_path: Path, bundles_folder: Path, lab: Lab) -> Make:
    (tmp_path / "networks.yml").write_text("lan: {delay_ms: 1}\nlossy: {loss_percent: 1}\n")

    def make(text: str, lab: Lab = lab) -> ResolvedExperiment:
        experiment = tmp_path / "experiment.yml"
        experiment.write_text(f"name: t\nmodels: [tiny]\nnetworks_file: networks.yml\n{text}")
        return resolve(experiment, lab, bundles_folder=bundles_folder)

    return make


def test_an_experiment_anywhere_finds_the_networks_that_come_with_edgecut(
    tmp_path: Path, bundles_folder: Path, lab: Lab
) -> None:
    experiment = tmp_path / "my own" / "experiment.yml"
    experiment.parent.mkdir()
    experiment.write_text("name: t\nmodels: [tiny]\nnetworks: [wifi, as_is]\n")
    assert resolve(experiment, lab, bundles_folder=bundles_folder).networks["wifi"].delay_ms == 5


CHAIN = "networks: [lan]\ndevices: [pi, server]\n"
TWO = "networks: [lan]\nplacements: [[pi, server]]\n"


def cuts(resolved: ResolvedExperiment) -> set[tuple[int, ...]]:
    return {cell.cuts for cell in resolved.cells["lan"]}


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ("clean", {0, 1, 2, 3, 4}),
        ("all", {0, 1, 2, 3, 4}),
        ("blocks", {0, 2, 4}),
        ("equal", {0, 2, 4}),
        ("[3]", {0, 3, 4}),
        ("[block.0]", {0, 2, 4}),
        ("{at_most: 1}", {0, 1, 2, 3, 4}),
        ("{each: block.*}", {0, 2, 4}),
    ],
)
def test_both_ends_are_always_measured(make: Make, splits: str, expected: set[int]) -> None:
    assert cuts(make(f"{TWO}splits: {splits}")) == {(cut,) for cut in expected}


def test_rules_may_differ_under_a_network(make: Make) -> None:
    networks = "[{name: lan, splits: {each: block.0}}, {name: as_is, splits: {at_most: 1}}]"
    resolved = make(f"networks: {networks}\nplacements: [[pi, server]]\n")
    assert {cell.cuts for cell in resolved.cells["lan"]} == {(0,), (2,), (4,)}
    assert len({cell.cuts for cell in resolved.cells["as_is"]}) == 5


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ("{each: blok.0}", r'tiny: no cut after a module whose path or class matches "blok.0".*"block.0"'),
        ("{each: block.0, at_most: 2}", r"takes one rule: \{at_most: N\} or \{each: PATTERN\}"),
        ("{}", r"takes one rule"),
        ("{at_most: 0}", r"'splits.at_most': expected a whole number >= 1"),
        ("{atmost: 2}", r"unknown key 'splits.atmost'; did you mean 'at_most'"),
    ],
)
def test_a_rule_that_makes_no_cut_is_named(make: Make, splits: str, says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        make(f"{TWO}splits: {splits}")


def test_three_devices_take_every_ordered_pair_of_cuts(make: Make) -> None:
    resolved = make("networks: [lan]\nsplits: clean\ndepths: [1]")

    assert cuts(resolved) == {(0, 0), (4, 4), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)}


def test_devices_name_the_one_chain(make: Make) -> None:
    (cell, *_) = make("networks: [lan]\ndevices: [server, pi]").cells["lan"]

    assert cell.devices == ("server", "pi")


def test_stages_are_chains_of_the_first_devices(make: Make) -> None:
    resolved = make("networks: [lan]\nstages: [1, 2, 3]\nsplits: equal\ndepths: [1]\n")

    found = {(cell.devices, cell.cuts) for cell in resolved.cells["lan"]}
    assert (("pi",), ()) in found
    assert (("pi", "desk"), (2,)) in found
    assert {devices for devices, _ in found} == {("pi",), ("pi", "desk"), ("pi", "desk", "server")}
    assert len([devices for devices, _ in found if len(devices) == 1]) == 1


def test_a_model_with_too_few_cuts_for_the_stages_is_named(make: Make, lab: Lab) -> None:
    many = [msgspec.structs.replace(lab.devices[0], name=f"d{i}", control_port=100 + i) for i in range(6)]
    with pytest.raises(ExperimentError, match="key 'splits': tiny: "):
        make(
            "networks: [lan]\nstages: [6]\nsplits: equal\n", msgspec.structs.replace(lab, devices=tuple(many))
        )


def test_a_batch_that_the_graph_does_not_take_is_refused(
    make: Make, bundles_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = Bundle.open(bundles_folder / "tiny")
    fixed = Bundle(tiny.path, replace(tiny.manifest, batch=2))
    monkeypatch.setattr("controller.experiment.cells.Bundle.open", lambda _path: fixed)
    with pytest.raises(
        ExperimentError, match="key 'batches': tiny was exported with the fixed batch 2, not 8"
    ):
        make(f"{TWO}batches: [8]\n")


def test_the_order_is_random_but_the_seeds(make: Make) -> None:
    first, again, other = (make(f"{TWO}seed: {seed}").cells["lan"] for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert set(first) == set(other)


def test_more_trials_leave_the_rest_of_an_experiment_as_it_is(make: Make) -> None:
    requests = "networks: [lan]\ndepths: [1, 4]\nrequests: {1: 11, 4: 24}"
    few, many = (make(f"{requests}\ntrials: {number}") for number in (2, 5))
    assert few.rest == many.rest
    assert few.rest != make(f"{requests}\nwarmup: 9\ntrials: 2").rest


def test_a_load_is_a_dimension_and_a_closed_loop_of_depth_1_is_one_cell(make: Make) -> None:
    resolved = make(f"{TWO}splits: [2]\ndepths: [1, 4]\nloads: [offline, single, poisson:20/s]\n")
    cells = {(cell.depth, cell.load) for cell in resolved.cells["lan"]}

    assert cells == {(1, "offline"), (4, "offline"), (1, "poisson:20/s"), (4, "poisson:20/s")}
    assert len(resolved.cells["lan"]) == 3 * 4


def test_single_is_the_depth_1_cell_whatever_depths_say(make: Make) -> None:
    alone = make(f"{TWO}splits: [2]\ndepths: [4]\nloads: [single]\n").cells["lan"]
    closed = make(f"{TWO}splits: [2]\ndepths: [1]\n").cells["lan"]

    assert {cell.id for cell in alone} == {cell.id for cell in closed}


def test_prefetch_is_a_dimension(make: Make) -> None:
    cells = make(f"{TWO}splits: [2]\ndepths: [1]\nprefetches: [null, 0, 2]\n").cells["lan"]

    assert sorted({str(cell.prefetch) for cell in cells}) == ["0", "2", "None"]
    assert len({cell.id for cell in cells}) == 9


def test_the_ends_are_called_what_they_are(make: Make) -> None:
    labels = {cell.cuts[0]: cell.label for cell in make(TWO).cells["lan"]}

    assert (labels[0], labels[4]) == ("offload", "stay")
    assert labels[2] == "block.0 @2"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("networks: [wlan]", ExperimentError, "no network 'wlan' in .*; did you mean 'lan'"),
        ("networks: [lossy]", ExperimentError, "'lossy': key 'loss_percent' is 1, but an emulated link"),
        (f"{TWO}splits: [5]", ExperimentError, "1 to 3, and the ends 0 and 4"),
        (f"{TWO}splits: [blck.0]", ExperimentError, "blck.0.*block.0"),
        (f"{TWO}splits: [[1, 2]]", ExperimentError, "has 2 cuts, but 2 devices need 1"),
        (f"{TWO}stages: [1]", ExperimentError, "keys 'stages' and 'placements' exclude each other"),
        (
            f"{CHAIN}stages: [3]",
            ExperimentError,
            r"'stages' has 3, but lab 'paper' has 2 devices: pi, server",
        ),
        (
            "networks: [lan]\nstages: [4]",
            ExperimentError,
            "has 4, but lab 'paper' has 3 devices",
        ),
        ("networks: [lan]\nthreads: {serve: 2}", LabError, "no device 'serve'.*did you mean 'server'"),
        ("networks: [lan]\nplacements: [[pi, pi, pi]]\nsplits: [2]", ExperimentError, "3 devices need 2"),
        ("networks: [lan]\nsplits: [[2, 1]]", ExperimentError, "is out of order"),
        ("networks: [lan]\nplacements: [[pi, laptop]]", LabError, "no device 'laptop'"),
        # Nothing asks how links between these get their network.
        ("networks: [as_is]\ndevices: [pi, sever]", LabError, "no device 'sever'.*did you mean 'server'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    make: Make, text: str, error: type[ControllerError], says: str
) -> None:
    with pytest.raises(error, match=says):
        make(text)


def test_a_missing_bundle_is_named_with_the_command_that_makes_it(tmp_path: Path, lab: Lab) -> None:
    (tmp_path / "networks.yml").write_text("lan: {}")
    (tmp_path / "e.yml").write_text(
        "name: t\nmodels: [resnet18]\nnetworks: [lan]\nnetworks_file: networks.yml\nbundles: b"
    )

    with pytest.raises(ExperimentError, match=r"no bundle .*b/resnet18.*edgecut export resnet18 --out"):
        resolve(tmp_path / "e.yml", lab)


def test_an_unknown_profile_to_run_alone_is_refused(make: Make) -> None:
    with pytest.raises(ExperimentError, match="has no network 'wifi'"):
        make(TWO).choose("wifi")


def test_several_profiles_at_once_are_only_for_emulated_links(make: Make, lab: Lab) -> None:
    resolved = make("networks: [lan]\n")
    shaped = {"lan": tuple(replace(cell, shaping="tc") for cell in resolved.cells["lan"])}
    resolved = replace(resolved, cells=shaped | {"wan": shaped["lan"]})

    resolved.refuse_shaped(("lan",))
    with pytest.raises(ExperimentError, match="--network"):
        resolved.refuse_shaped(("lan", "wan"))


def test_under_as_is_nothing_is_imposed(make: Make, lab: Lab) -> None:
    resolved = make("networks: [as_is, lan]\n")
    assert {cell.shaping for cell in resolved.cells["as_is"]} == {"none"}
    assert {cell.shaping for cell in resolved.cells["lan"]} == {lab.shaping([d.name for d in lab.devices])}
    assert not resolved.networks["as_is"].limited


def test_as_is_is_nobody_elses_name(make: Make, tmp_path: Path) -> None:
    (tmp_path / "networks.yml").write_text("as_is: {delay_ms: 1}\n")
    with pytest.raises(ExperimentError, match="key 'as_is' is taken"):
        make("networks: [as_is]\n")


def test_a_controller_as_source_is_refused_where_its_own_link_is_not_shaped(make: Make, lab: Lab) -> None:
    shaped = msgspec.structs.replace(
        lab, devices=tuple(msgspec.structs.replace(device, shaping="tc") for device in lab.devices)
    )
    with pytest.raises(ExperimentError, match="key 'source' is 'controller'.*network 'lan'"):
        make("networks: [lan]\nsource: controller\n", lab=shaped)
    assert make("networks: [as_is]\nsource: controller\n", lab=shaped).cells["as_is"]
    assert make("networks: [lan]\nsource: controller\n").cells["lan"]


def test_chains_are_splits_one_by_one(make: Make) -> None:
    resolved = make(
        "networks: [lan]\ndepths: [1]\nchains:\n- {devices: [pi, server], cuts: [block.0]}\n"
        "- {devices: [desk], cuts: []}\n- {devices: [server, desk, pi], cuts: [1, 3]}\n"
    )

    assert {(cell.devices, cell.cuts) for cell in resolved.cells["lan"]} == {
        (("pi", "server"), (2,)),
        (("desk",), ()),
        (("server", "desk", "pi"), (1, 3)),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("chains: [{devices: [pi, server], cuts: []}]", "key 'chains': .* need 1"),
        ("chains: [{devices: [pi, server], cuts: [block.7]}]", "key 'chains'"),
        ("chains: [{devices: [pi, desk, server], cuts: [3, 1]}]", "key 'chains': .* is out of order"),
        ("stages: [2]\nchains: [{devices: [pi], cuts: []}]", "keys 'stages' and 'chains' exclude each other"),
    ],
)
def test_chains_that_cannot_be(make: Make, text: str, says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        make(f"networks: [lan]\n{text}\n")


@pytest.mark.parametrize(
    ("key", "bundles", "expected"),
    [
        (None, {"a": (128, None), "b": (100, None)}, 100),
        (64, {"a": (128, None), "b": (100, None)}, 64),
        (None, {"a": (128, None), "b": (100, 3)}, 99),
        (10, {"a": (128, 4)}, 8),
    ],
)
def test_every_accuracy_is_over_samples_that_all_models_have(
    make: Make, key: int | None, bundles: dict[str, tuple[int, int | None]], expected: int
) -> None:
    assert _with_samples(make(CHAIN), key, bundles).samples == expected


def test_samples_that_fill_no_batch_are_refused(make: Make) -> None:
    with pytest.raises(ExperimentError, match="key 'samples': 3 samples do not fill the fixed batch of 4"):
        assert _with_samples(make(CHAIN), 3, {"a": (128, 4)}).samples


def _with_samples(
    resolved: ResolvedExperiment, key: int | None, bundles: dict[str, tuple[int, int | None]]
) -> ResolvedExperiment:
    """The experiment with bundles of so many samples, some with a fixed batch."""
    stand_ins = {
        name: SimpleNamespace(samples=lambda count=count: SimpleNamespace(count=count), fixed_batch=batch)
        for name, (count, batch) in bundles.items()
    }
    experiment = msgspec.structs.replace(resolved.experiment, samples=key)
    return replace(resolved, experiment=experiment, bundles=cast(dict[str, Bundle], stand_ins))
