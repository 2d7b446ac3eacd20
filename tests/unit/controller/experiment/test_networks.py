"""The file of networks."""

from pathlib import Path

import msgspec
import pytest

from controller.errors import ExperimentError
from controller.experiment.networks import find_network, load_networks


def write(folder: Path, text: str) -> Path:
    path = folder / "networks.yml"
    path.write_text(text)
    return path


def test_both_directions_are_alike_unless_one_says_otherwise(tmp_path: Path) -> None:
    text = "dsl: {delay_ms: 5, rate_mbit: 50, backward: {delay_ms: 5, rate_mbit: 10}}"
    network = load_networks(write(tmp_path, text))["dsl"]

    assert network.direction(forward=True).rate_mbit == 50
    assert network.direction(forward=False).rate_mbit == 10


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lan: {delay_ms: 5ms}", "'lan.delay_ms': expected a number, got text .*unit"),
        ("lan: {delay_ms: -1}", "'lan.delay_ms': expected a number >= 0"),
        ("lan: {rate_mbit: 0}", "'lan.rate_mbit': expected a number > 0"),
        ("lan: {delay: 5}", "unknown key 'lan.delay'; did you mean 'delay_ms'"),
        ("lan: {forward: {rate: 5}}", "unknown key 'lan.forward.rate'; did you mean 'rate_mbit'"),
        ("[lan]", "expected a mapping"),
        ("4: {}", "networks.yml: the name 4 is no text; write it in quotes"),
        ("~: {}", "the name None is no text"),
    ],
)
def test_a_wrong_profile_is_refused_by_name_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        load_networks(write(tmp_path, text))


def test_an_unknown_profile_suggests_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "lan: {}\nwifi: {}")

    with pytest.raises(ExperimentError, match="no network 'wfi' in .*; did you mean 'wifi'"):
        find_network(load_networks(path), "wfi", path)


def test_a_pair_of_devices_may_have_conditions_of_its_own(tmp_path: Path) -> None:
    text = "home: {delay_ms: 5, pairs: {pi -> server: {delay_ms: 60}}}"
    network = load_networks(write(tmp_path, text))["home"]

    assert network.between("pi", "server", forward=True).delay_ms == 60
    assert network.between("server", "pi", forward=False).delay_ms == 5
    assert [one.delay_ms for one in network.every_direction()] == [5, 5, 60]
    with pytest.raises(ExperimentError, match=r"'pairs.pi -> server' is not .*; did you mean 'pi -> serv'"):
        network.check_pairs("home", ["pi", "serv"])


def test_a_profile_without_pairs_is_kept_in_results_as_it_always_was(tmp_path: Path) -> None:
    network = load_networks(write(tmp_path, "lan: {delay_ms: 5}"))["lan"]
    assert "pairs" not in msgspec.to_builtins(network)
