"""The verdict of a selfcheck, and the file that keeps it for as long as lab and versions are the same."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from controller.atomic_file import write_json
from controller.errors import LabError
from controller.results.found import PASSING
from controller.results.provenance import stamp
from worker.wire.messages import DeviceInfo

__all__ = ["Finding", "Verdict", "fingerprint", "verdict_file", "verdict_for"]


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A figure with a known truth, on a device or a link.

    Attributes:
        what: The figure, in words.
        where: The device, or the link as in `pi -> server`.
        unit: Of both values: `ms` or `Mbit/s`.
        allowed: How far the measured value may be off, relative to the true one.
    """

    what: str
    where: str
    unit: str
    measured: float
    true: float
    allowed: float

    @property
    def error(self) -> float:
        """Relative; infinite where nothing came."""
        return self.measured / self.true - 1 if math.isfinite(self.measured) else math.inf

    @property
    def holds(self) -> bool:
        """Whether it is as near to the truth as it must be."""
        return abs(self.error) <= self.allowed

    @property
    def text(self) -> str:
        """In one line: what, where, and by how much it is off."""
        return f"{self.where}: {self.what} {self.measured:.4g} {self.unit} instead of {self.true:.4g}"


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a selfcheck found.

    Attributes:
        network: Of its links; empty where none was checked.
        devices: Fingerprint of the devices and versions that it holds for.
    """

    taken_at: str
    network: str
    devices: dict[str, str]
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What is off."""
        return tuple(finding for finding in self.findings if not finding.holds)

    @property
    def stamp(self) -> dict[str, Any]:
        """What results carry of it."""
        return {
            "taken_at": self.taken_at,
            "network": self.network or None,
            "figures": len(self.findings),
            "wrong": [finding.text for finding in self.wrong],
        }


def verdict_file(lab_file: Path) -> Path:
    """Where the verdict on a lab is kept: beside its lab file."""
    return lab_file.with_suffix(".selfcheck.json")


def fingerprint(devices: Iterable[DeviceInfo]) -> dict[str, str]:
    """A digest for each device of all that its figures depend on, the controller's versions included."""
    ours = stamp("")
    return {device.name: _digest([ours, _lasting(device)]) for device in devices}


def verdict_for(lab_file: Path, devices: Sequence[DeviceInfo]) -> Verdict | None:
    """The kept verdict, if it holds for these devices as they are now.

    Raises:
        LabError: The file cannot be read.
    """
    path = verdict_file(lab_file)
    try:
        verdict = msgspec.json.decode(path.read_bytes(), type=Verdict)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LabError(
            f"{path} cannot be read ({error}); run `edgecut selfcheck` again, or remove the file"
        ) from error
    now = fingerprint(devices)
    same = all(verdict.devices.get(name) == digest for name, digest in now.items())
    return verdict if same else None


def save_verdict(verdict: Verdict, lab_file: Path) -> Path:
    """Keep a verdict beside the lab file, in place of the one before.

    Raises:
        LabError: The file cannot be written.
    """
    path = verdict_file(lab_file)
    try:
        write_json(path, verdict)
    except OSError as error:
        raise LabError(f"{path} cannot be written ({error.strerror}); make its folder writable") from error
    return path


def _lasting(device: DeviceInfo) -> list[Any]:
    stamped = {name: value for name, value in device.stamp.items() if name not in PASSING}
    return [device.kind, device.slowdown, device.threads, device.provider, stamped]


def _digest(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:16]
