"""`controller plan` as it is typed, in a lab that is switched off."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.errors import ControllerError
from controller.lab.inventory import Lab
from controller.planning import Profile, save_profile
from controller.planning.commands import plan, predict
from controller.planning.options import PlanOptions, PredictOptions
from controller.profiling.profiler import ProfileRequest
from exporter.bundle import Bundle


def _shared(folder: Path, lab: Lab, profile: Profile) -> dict[str, Any]:
    """Save the profile where it is looked for; options that `plan` and `predict` share."""
    batch = profile.batch
    save_profile(profile, ProfileRequest((), batch).path(folder, lab.name, "tiny"))
    (folder / "networks.yml").write_text("lan: {}\n")
    return {
        "bundle": Path("tiny"),
        "network": "lan",
        "networks_file": folder / "networks.yml",
        "device_profiles": folder,
        "batch": batch,
        "as_json": True,
    }


def _plan(folder: Path, lab: Lab, tiny: Bundle, profile: Profile, **more: Any) -> None:
    plan(tiny, lab, PlanOptions(**_shared(folder, lab, profile) | more))


def _predict(folder: Path, lab: Lab, tiny: Bundle, profile: Profile, **more: Any) -> None:
    predict(tiny, lab, PredictOptions(**_shared(folder, lab, profile) | more))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"memory": ["pi=1.2.3MB"]}, "--memory pi=1.2.3MB: give DEVICE=SIZE in kB, MB or GB"),
        ({"memory": ["pi=.MB"]}, "--memory pi=.MB: give DEVICE=SIZE"),
        ({"source": "desk"}, "is of a lab without desk; run `edgecut profile` again"),
    ],
)
def test_what_cannot_be_planned_for_is_said(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(ControllerError, match=re.escape(says)):
        _plan(tmp_path, lab, tiny, profile, **more)


@pytest.mark.parametrize(
    ("at", "devices", "says"),
    [
        ("1", "pi,sever", "no device 'sever' in lab 'paper'; did you mean 'server'?"),
        ("1", "pi,desk", "no device 'desk' in the device profile"),
        ("1", None, "--at 1: 3 devices (pi, desk, server) need 2 cuts in the order of the graph"),
        ("2,1", "pi,desk,server", "need 2 cuts in the order of the graph"),
        ("9", "pi,server", "--at: "),
        ("layer", "pi,server", "--at: "),
        ("1,2", "pi,server,pi", "--devices pi,server,pi: cannot predict several stages on one device"),
    ],
)
def test_what_cannot_be_predicted_is_said(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, at: str, devices: str | None, says: str
) -> None:
    with pytest.raises(ControllerError, match=re.escape(says)):
        _predict(tmp_path, lab, tiny, profile, at=at, devices=devices)


def test_no_device_is_planned_with_that_the_lab_no_longer_has(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    _plan(tmp_path, lab, tiny, profile)
    assert '"server"' in capsys.readouterr().out, "the faster one"

    smaller = msgspec.structs.replace(lab, devices=lab.devices[:2])
    with pytest.raises(ControllerError, match="is of a lab with server; run .* again"):
        _plan(tmp_path, smaller, tiny, profile)


def test_a_device_that_only_sends_raw_input_is_not_worth_using(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    _plan(tmp_path, lab, tiny, profile, as_json=False)
    told = " ".join(capsys.readouterr().out.split())
    assert "pi source -> server 0-4" in told
    assert "For latency, one device alone is best (server): more devices gain less than 5%." in told
    assert "For throughput, one device alone is best (server)" in told


def test_all_throughputs_are_in_samples(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    eight = msgspec.structs.replace(profile, batch=8)
    _plan(tmp_path, lab, tiny, eight, as_json=False, least_throughput=1900)
    told = " ".join(capsys.readouterr().out.split())
    # A request of 8 takes the server 4.1 ms.
    assert told.count("1951.2") == 3
    assert "requests/s" not in told
    with pytest.raises(
        ControllerError, match=r"throughput >= 2000 samples/s \(the highest is 1950 samples/s\)$"
    ):
        _plan(tmp_path, lab, tiny, eight, least_throughput=2000)


def test_one_split_is_predicted_as_it_is_given(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    two = msgspec.structs.replace(profile, batch=2)
    _predict(tmp_path, lab, tiny, two, at="1", devices="pi,server", depth=2)
    told = json.loads(capsys.readouterr().out)
    assert (told["devices"], told["cuts"], told["depth"], told["batch"]) == (["pi", "server"], [1], 2, 2)
    # pi's node, three of the server's, and a message each way; two in flight share the way round.
    assert told["alone_latency_s"] == pytest.approx(0.0044 + 0.0031 + 2 * 0.0005)
    assert told["throughput_per_s"] == pytest.approx(2 / 0.0044)
    assert told["latency_s"] == pytest.approx(2 * 0.0044)
    assert [part["name"] for part in told["parts"]] == ["pi", "pi -> server", "server", "server -> pi"]
    assert sum(part["latency_s"] for part in told["parts"]) == pytest.approx(told["alone_latency_s"])

    _predict(tmp_path, lab, tiny, two, at=tiny.label(2), devices="pi,server", as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "tiny on paper, network lan: pi 0-2 -> server 2-4" in said
    assert "A lone request: latency 11.50 ms. At depth 1: latency 11.50 ms, 173.9 samples/s." in said
    assert "With enough requests in flight: 238.1 samples/s, limited by pi." in said


def test_a_cut_that_was_not_profiled_is_not_predicted(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile
) -> None:
    def without_2(times: tuple[float, ...]) -> tuple[float, ...]:
        return times[:2] + times[3:]

    devices = {
        name: msgspec.structs.replace(d, prefix_s=without_2(d.prefix_s), suffix_s=without_2(d.suffix_s))
        for name, d in profile.devices.items()
    }
    fewer = msgspec.structs.replace(profile, cuts=(0, 1, 3, 4), devices=devices)
    with pytest.raises(ControllerError, match="cut 2 is not in the device profile; profile with --cuts all"):
        _predict(tmp_path, lab, tiny, fewer, at="2", devices="pi,server")
