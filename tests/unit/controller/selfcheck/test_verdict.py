"""The verdict of a selfcheck: what is wrong, and how long it holds."""

from pathlib import Path

import msgspec
import pytest

from controller.errors import LabError
from controller.selfcheck import Finding, Verdict, verdict_file, verdict_for
from controller.selfcheck.verdict import fingerprint, save_verdict
from worker.wire.messages import DeviceInfo

PI = DeviceInfo(
    name="pi",
    kind="real",
    slowdown=1.0,
    threads=1,
    provider="cpu",
    data_port=7001,
    holder=None,
    held_s=None,
    codecs=(),
    denied=0,
    stamp={"onnxruntime": "1.31.1", "governor": "performance", "temperature_c": 50.0},
)


def finding(measured: float, *, allowed: float = 0.05) -> Finding:
    return Finding(
        what="carries", where="pi -> server", unit="Mbit/s", measured=measured, true=20.0, allowed=allowed
    )


def test_what_is_off_by_more_than_allowed_is_wrong() -> None:
    findings = (finding(19.2), finding(16.0), finding(25.0), finding(float("nan")))
    verdict = Verdict(taken_at="2026-01-01T00:00:00", network="wifi", devices={}, findings=findings)
    assert verdict.wrong[:2] == findings[1:3]
    assert len(verdict.wrong) == 3
    assert verdict.wrong[0].text == "pi -> server: carries 16 Mbit/s instead of 20"


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (PI, True),
        # Another hour, another temperature, another holder: the same device.
        (msgspec.structs.replace(PI, holder="me", stamp={**PI.stamp, "temperature_c": 60.0}), True),
        (msgspec.structs.replace(PI, slowdown=2.0), False),
        (msgspec.structs.replace(PI, stamp={**PI.stamp, "governor": "powersave"}), False),
        (msgspec.structs.replace(PI, name="pi2"), False),
    ],
)
def test_a_verdict_holds_while_devices_and_versions_are_the_same(
    tmp_path: Path, now: DeviceInfo, holds: bool
) -> None:
    lab = tmp_path / "local.json"
    verdict = Verdict(
        taken_at="2026-01-01T00:00:00", network="", devices=fingerprint([PI]), findings=(finding(20.0),)
    )
    assert save_verdict(verdict, lab) == verdict_file(lab) == tmp_path / "local.selfcheck.json"
    assert verdict_for(lab, [now]) == (verdict if holds else None)


def test_without_a_selfcheck_there_is_no_verdict_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    lab = tmp_path / "local.json"
    assert verdict_for(lab, [PI]) is None
    verdict_file(lab).write_text("{}")
    with pytest.raises(LabError, match=r"local.selfcheck.json cannot be read .*; run `edgecut selfcheck"):
        verdict_for(lab, [PI])
