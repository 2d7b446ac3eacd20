"""The experiment file: what it may hold, and what is said when it holds something else."""

from dataclasses import fields
from pathlib import Path

import pytest

from controller.errors import ExperimentError
from controller.experiment.schema import DIMENSIONS, Experiment, NetworkGrid, load_experiment
from controller.results import SATURATING, Settings

GOOD = """\
name: demo
models: [mobilenet_v2]
networks: [lan, {name: wifi, splits: blocks, depths: [2]}]
requests: {1: 11, 2: 20, 4: 22}
"""


def until(trials: str) -> str:
    return f"name: demo\ntrials: {{{trials}}}"


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.yml"
    path.write_text(text)
    return path


def test_a_profile_takes_the_common_grid_but_for_what_it_says_itself(tmp_path: Path) -> None:
    experiment = load_experiment(write(tmp_path, GOOD))

    assert experiment.network_names() == ("lan", "wifi")
    assert (experiment.grid("lan").splits, experiment.grid("lan").values["depth"]) == ("clean", (1, "auto"))
    assert (experiment.grid("wifi").splits, experiment.grid("wifi").values["depth"]) == ("blocks", (2,))
    assert [experiment.requests_of(Settings(depth=depth)) for depth in (1, 4)] == [11, 24]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("splits:", "split:"), r"unknown key 'networks\[1\].split'; did you mean 'splits'\?"),
        (("name: demo", "name: demo\nwait: 30"), r"unknown key 'wait'; did you mean 'wait_s'\?"),
        (
            ("name: demo", "name: demo\ntrials: {least:3}"),
            r"key 'trials.least:3'; write a space after the colon",
        ),
        (("name: demo", "name: demo\nwait_s: 30s"), r"key 'wait_s': expected a number, got text .*unit"),
        (("name: demo", "name: demo\ndepths: [0]"), r"key 'depths\[0\]': expected a whole number >= 1"),
        (("name: demo", "name: demo\ntrials: 1.5"), r"key 'trials': expected a whole number"),
        # Each is a thing to remember, of every cell.
        (("name: demo", "name: demo\ntrials: 1000000"), r"key 'trials': expected a whole number <= 10000"),
        (
            ("name: demo", "name: demo\ntrials: x"),
            r"key 'trials': expected a whole number or a mapping, got t",
        ),
        (("name: demo", "name: demo\ntrials: {least: 3, most: 5}"), r"key 'trials.until' is missing"),
        (
            ("name: demo", until("least: 1, most: 5, until: 0.9")),
            r"'trials.least': expected a whole number >= 2",
        ),
        (("name: demo", until("least: 3, most: 5, until: 0.5")), r"'trials.until': expected a number > 0.5"),
        (("name: demo", until("least: 3, most: 5, until: 1")), r"'trials.until': expected a number <= 0.99"),
        (
            ("name: demo", until("least: 3, most: x, until: 0.9")),
            r"'trials.most': expected a whole number, got",
        ),
        (("name: demo", until("lest: 3, most: 5, until: 0.9")), r"key 'trials.lest'; did you mean 'least'"),
        (("name: demo", until("least: 5, most: 3, until: 0.9")), r"'trials' has least 5 and most 3"),
        # Nothing of wifi says what a split can do unloaded.
        (
            ("name: demo", until("least: 3, most: 5, until: 0.9")),
            r"'until', but network 'wifi' has no answer",
        ),
        (("name: demo", "name: demo\nsplits: cleen"), r"'splits' is 'cleen'; allowed: clean, all"),
        (("name: demo", "name: demo\non_failure: maybe"), r"key 'on_failure'"),
        (("name: demo", "name: ../up"), r"key 'name'"),
        (("name: demo\n", ""), r"key 'name' is missing"),
        (("name: demo", "name: demo\nname: two"), r"line 2: key 'name' twice"),
        (("name: demo", "name: [demo"), r"is not YAML: line"),
        (("2: 20, ", ""), r"key 'requests' has no entry for depth 2"),
        (
            ("name: demo", "name: demo\ndevices: [a]\nplacements: [[a]]"),
            r"'devices' and 'placements' exclude",
        ),
        (("lan,", "wifi,"), r"key 'networks' names 'wifi' twice"),
        (("name: demo", "name: demo\nbatches: [0]"), r"key 'batches\[0\]': expected a whole number >= 1"),
        (("name: demo", "name: demo\nloads: [poisson:0/s]"), r"'poisson:0/s' has rate 0"),
        (("name: demo", "name: demo\nloads: [poisson:20]"), r"'poisson:20' is not a load; allowed: offline"),
        (("name: demo", "name: demo\nloads: [poisson:-3/s]"), r"'poisson:-3/s' is not a load"),
        (("name: demo", "name: demo\nloads: ['poisson:p90<=0ms']"), r"has an impossible latency bound"),
        (
            ("name: demo", "name: demo\nloads: ['poisson:p90<=50ms']"),
            r"key 'requests' is 11, but 'poisson:p90<=50ms' needs each trial's p90: set at least 64",
        ),
        (("depths: [2]", "depths: [2], loads: [poisson:x/s]"), r"'poisson:x/s' is not a load"),
        (("name: demo", "name: demo\nduration_s: 0"), r"key 'duration_s': expected a number > 0"),
        (("name: demo", "name: demo\nprefetches: [-1]"), r"key 'prefetches\[0\]'"),
        (("name: demo", "name: demo\ntopologies: [ring]"), r"key 'topologies\[0\]'.*'ring'"),
        (("name: demo", "name: demo\ntopologies: []"), r"key 'topologies'"),
        (
            ("name: demo", "name: demo\nobjectives: [speed]"),
            r"key 'objectives\[0\]': invalid enum value 'speed'; "
            r"allowed: accuracy, latency, memory, payload, throughput$",
        ),
        (("name: demo", "name: demo\nobjectives: []"), r"key 'objectives': expected a list of length >= 1"),
        (("name: demo", "name: demo\nobjectives: latency"), r"key 'objectives': expected a list, got text"),
        (
            ("name: demo", "name: demo\nobjectives: [latency, memory, latency]"),
            r"key 'objectives' names 'latency' twice; name each once",
        ),
        (
            ("name: demo", until("least: 3, most: 5, until: 0.9") + "\nobjectives: [payload]"),
            r"'until', which waits for answers for latency and throughput, but 'objectives' has neither",
        ),
        (("name: demo", "name: demo\nthreads: 0"), r"key 'threads'"),
        (("name: demo", "name: demo\nthreads: []"), r"key 'threads': expected a list of length >= 1"),
        (("name: demo", f"name: demo\nseed: {2**63}"), r"key 'seed'"),
        (("name: demo", f"name: demo\nseed: {-(2**63) - 1}"), r"key 'seed'"),
        (("name: demo", "name: demo\nthreads: {pi: 0}"), r"key 'threads"),
        (("name: demo", "name: demo\ncodecs: ['zfp:x']"), r"codec 'zfp:x': the tolerance is not a number"),
        (("name: demo", "name: demo\ncodecs: ['zfp:nan']"), r"codec 'zfp:nan': the tolerance"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_that_names_file_and_key(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    path = write(tmp_path, GOOD.replace(*change))

    with pytest.raises(ExperimentError, match=says) as caught:
        load_experiment(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "a: b: c", "\x00"])
def test_what_is_no_experiment_at_all_is_refused_too(tmp_path: Path, text: str) -> None:
    with pytest.raises(ExperimentError):
        load_experiment(write(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="no experiment .*absent.yml"):
        load_experiment(tmp_path / "absent.yml")


def test_objectives_keep_their_order_and_are_none_of_a_cells_settings(tmp_path: Path) -> None:
    assert load_experiment(write(tmp_path, GOOD)).objectives == ("latency", "throughput")
    named = load_experiment(write(tmp_path, f"{GOOD}objectives: [memory, latency]\n"))
    assert named.objectives == ("memory", "latency")
    assert "objectives" not in DIMENSIONS.values()


def test_every_setting_of_a_cell_has_a_key() -> None:
    # The role comes with the depth: `depths: [auto]`.
    assert set(DIMENSIONS) | {"role"} == {field.name for field in fields(Settings)}
    assert set(DIMENSIONS.values()) <= set(Experiment.__struct_fields__)
    overridden = set(NetworkGrid.__struct_fields__) - {"name", "splits"}
    assert overridden <= set(DIMENSIONS.values())


def test_a_network_overrides_any_key_that_it_has(tmp_path: Path) -> None:
    more = (
        "depths: [3], batches: [2], codecs: [fp16], loads: [single], topologies: [hub], backends: [torch_rpc]"
    )
    text = f"name: t\nmodels: [m]\nnetworks: [lan, {{name: wifi, {more}}}]\nprefetches: [4]\n"
    experiment = load_experiment(write(tmp_path, text))
    lan = list(experiment.grid("lan").settings())
    assert lan == [Settings(prefetch=4), Settings(prefetch=4, depth=0, role=SATURATING)]
    assert list(experiment.grid("wifi").settings()) == [
        Settings(
            depth=3,
            batch=2,
            codec="fp16",
            load="single",
            topology="hub",
            backend="torch_rpc",
            prefetch=4,
        )
    ]
