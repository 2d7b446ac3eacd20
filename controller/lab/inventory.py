"""The lab, as the controller sees it: which devices there are and where they listen.

`deploy.yml` writes the lab file from the inventory. What a device is like (slowdown, threads,
versions) is not in it: the device itself says so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from controller.errors import LabError, did_you_mean
from worker.wire.errors import UsageError
from worker.wire.security import CONTROLLER, Security, load_security

__all__ = ["Certificates", "Device", "KeyFile", "Lab", "load_lab"]

_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One device of a lab.

    Attributes:
        kind: What it is: a real one, a virtual Pi, or a process on this machine.
        shaping: How its outgoing links get their network.
        store: The folder in which its worker keeps bundles and shards.
    """

    name: str
    kind: Literal["real", "virtual", "local"]
    host: str
    control_port: _Port
    data_port: _Port
    shaping: Literal["emulated", "tc", "none"]
    store: str = ""


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="key"):
    """The lab has a key; it is in `file`."""

    file: str


class Certificates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="tls"):
    """The lab has certificates; the controller's are in `folder`."""

    folder: str


class Lab(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The devices of a lab. Their order tells which way is forward, and is the chain where none is named.

    Attributes:
        security: Where that is which proves us to its workers, never what it is; None where they ask for
            no proof. Paths in a lab file are relative to its folder.
    """

    name: str
    devices: tuple[Device, ...]
    security: KeyFile | Certificates | None = None

    def load_security(self) -> Security:
        """What proves us to the workers, read anew each time.

        Raises:
            LabError: It cannot be read.
        """
        key, folder = None, None
        match self.security:
            case KeyFile():
                key = Path(self.security.file)
            case Certificates():
                folder = Path(self.security.folder)
        try:
            return load_security(key, folder, name=CONTROLLER)
        except UsageError as error:
            raise LabError(f"lab {self.name}: {error}") from error

    def device(self, name: str) -> Device:
        """The device of that name.

        Raises:
            LabError: The lab has none.
        """
        for device in self.devices:
            if device.name == name:
                return device
        names = [d.name for d in self.devices]
        raise LabError(f"no device {name!r} in lab {self.name!r}{did_you_mean(name, names)}")

    def is_forward(self, sender: str, receiver: str) -> bool:
        """Whether data from one to the other goes forward: to a device that the lab has later.

        One that the lab does not have, the controller, comes before all.
        """
        names = [device.name for device in self.devices]
        first, last = (names.index(name) if name in names else -1 for name in (sender, receiver))
        return first < last

    def shaping(self, names: Sequence[str]) -> str:
        """How the links between these devices get their network.

        Raises:
            LabError: They do not agree; a pipeline over both could not be labelled honestly.
        """
        kinds = {self.device(name).shaping for name in names}
        if len(kinds) > 1:
            raise LabError(
                f"devices {', '.join(names)} mix {' and '.join(sorted(kinds))} links; use one kind"
            )
        return kinds.pop()


def load_lab(path: Path) -> Lab:
    """Read a lab file.

    Raises:
        LabError: There is none, or it is not one.
    """
    try:
        lab = msgspec.json.decode(path.read_bytes(), type=Lab)
    except FileNotFoundError as error:
        raise LabError(
            f"no lab file {path}; ansible/deploy.yml writes it, or name another with --lab"
        ) from error
    except OSError as error:
        raise LabError(f"lab file {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LabError(f"lab file {path}: {error}; run ansible/deploy.yml again") from error
    if not lab.devices:
        raise LabError(f"lab file {path} names no devices")
    names = [device.name for device in lab.devices]
    if CONTROLLER in names:
        raise LabError(f"lab file {path} names a device {CONTROLLER!r}, a reserved name; rename this device")
    for name in names:
        if names.count(name) > 1:
            raise LabError(f"lab file {path} names device {name!r} twice")
    return msgspec.structs.replace(lab, security=_beside(path, lab.security))


def _beside(lab_file: Path, security: KeyFile | Certificates | None) -> KeyFile | Certificates | None:
    folder = lab_file.absolute().parent
    match security:
        case KeyFile():
            return KeyFile(file=str(folder / security.file))
        case Certificates():
            return Certificates(folder=str(folder / security.folder))
    return None
