"""`controller plan` as it is typed, in a lab that is switched off."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.errors import ControllerError
from controller.lab import Lab
from controller.plan import Profile, save_profile
from controller.plan.commands import PlanAsked, plan
from controller.plan.profile import profile_path
from exporter.bundle import Bundle


def _plan(folder: Path, lab: Lab, tiny: Bundle, profile: Profile, **more: Any) -> None:
    batch = profile.batch
    save_profile(profile, profile_path(folder, lab=lab.name, model="tiny", batch=batch, threads=1))
    (folder / "networks.yml").write_text("lan: {}\n")
    asked: dict[str, Any] = {
        "objective": "latency",
        "profile": "lan",
        "network_profiles": folder / "networks.yml",
        "folder": folder,
        "batch": batch,
        "threads": None,
        "source": None,
        "without": "",
        "memory": (),
        "most_latency_ms": None,
        "least_throughput": None,
        "codec": "none",
        "least_accuracy": 0.0,
        "most_devices": None,
        "best": 1,
        "experiment": None,
        "as_json": True,
    }
    plan(tiny, lab, PlanAsked(**asked | more))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"memory": ["pi=1.2.3MB"]}, "--memory pi=1.2.3MB: write DEVICE=SIZE with kB, MB or GB"),
        ({"memory": ["pi=.MB"]}, "--memory pi=.MB: write DEVICE=SIZE"),
        ({"source": "desk"}, "is of a lab without desk; take it again"),
    ],
)
def test_what_cannot_be_planned_for_is_said(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(ControllerError, match=says.replace(".", r"\.")):
        _plan(tmp_path, lab, tiny, profile, **more)


def test_no_device_is_planned_with_that_the_lab_no_longer_has(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    _plan(tmp_path, lab, tiny, profile)
    assert '"server"' in capsys.readouterr().out, "the faster one"

    smaller = msgspec.structs.replace(lab, devices=lab.devices[:2])
    with pytest.raises(ControllerError, match="is of a lab with server; take it again"):
        _plan(tmp_path, smaller, tiny, profile)


def test_a_device_that_only_sends_raw_input_is_not_worth_using(
    tmp_path: Path, lab: Lab, tiny: Bundle, profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    _plan(tmp_path, lab, tiny, profile, as_json=False)
    told = " ".join(capsys.readouterr().out.split())
    assert "pi source -> server 0-4" in told
    assert "For latency, one device alone is best (server): more gain less than 5%." in told
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
        ControllerError, match=r"throughput >= 2000 samples/s \(the most is 1950 samples/s\)$"
    ):
        _plan(tmp_path, lab, tiny, eight, least_throughput=2000)
