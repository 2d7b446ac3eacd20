"""The lab, as the controller sees it: its devices and their addresses.

`deploy.yml` writes the lab file from the inventory. It omits the devices' settings (slowdown, threads,
versions), which the devices report themselves.
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
        kind: A real device, a virtual Pi, or a process on this machine, alone or in a network namespace.
        shaping: How its outgoing links get their network.
        store: Its worker's folder of bundles and shards.
    """

    name: str
    kind: Literal["real", "virtual", "namespace", "local"]
    host: str
    control_port: _Port
    data_port: _Port
    shaping: Literal["emulated", "tc", "none"]
    store: str = ""


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="key"):
    """A lab with a key, in `file`."""

    file: str


class Certificates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="tls"):
    """A lab with certificates, the controller's in `folder`."""

    folder: str


class Lab(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A lab's devices. Their order defines which way is forward, and the default chain.

    Attributes:
        security: The path of the controller's proof, never the proof itself; None where the workers ask for
            none. Paths in a lab file are relative to its folder.
    """

    name: str
    devices: tuple[Device, ...]
    security: KeyFile | Certificates | None = None

    def load_security(self) -> Security:
        """Read the controller's proof for the workers, again at each call.

        Raises:
            LabError: The proof cannot be read.
        """
        key = Path(self.security.file) if isinstance(self.security, KeyFile) else None
        folder = Path(self.security.folder) if isinstance(self.security, Certificates) else None
        try:
            return load_security(key, folder, name=CONTROLLER)
        except UsageError as error:
            raise LabError(f"lab {self.name}: {error}") from error

    def device(self, name: str) -> Device:
        """Find a device by name.

        Raises:
            LabError: The lab lacks the device.
        """
        for device in self.devices:
            if device.name == name:
                return device
        names = [d.name for d in self.devices]
        raise LabError(f"no device {name!r} in lab {self.name!r}{did_you_mean(name, names)}")

    def is_forward(self, sender: str, receiver: str) -> bool:
        """Whether data from one to the other goes forward: to a later device of the lab.

        The controller, which is not a device of the lab, comes before all.
        """
        names = [device.name for device in self.devices]
        first, last = (names.index(name) if name in names else -1 for name in (sender, receiver))
        return first < last

    def shaping(self, names: Sequence[str]) -> str:
        """How the links between these devices get their network.

        Raises:
            LabError: The devices' shaping differs, so that one label would be false.
        """
        kinds = {self.device(name).shaping for name in names}
        if len(kinds) > 1:
            raise LabError(
                f"devices {', '.join(names)} mix shaping {' and '.join(sorted(kinds))}; choose devices with "
                f"the same shaping"
            )
        return kinds.pop()


def load_lab(path: Path) -> Lab:
    """Read a lab file.

    Raises:
        LabError: The file is missing, or is not a lab file.
    """
    try:
        lab = msgspec.json.decode(path.read_bytes(), type=Lab)
    except FileNotFoundError as error:
        raise LabError(f"no lab file {path}; run `edgecut deploy`, or name another with --lab") from error
    except OSError as error:
        raise LabError(f"lab file {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LabError(f"lab file {path}: {error}; run `edgecut deploy` again") from error
    if not lab.devices:
        raise LabError(f"lab file {path} names no devices; add some to the inventory and deploy again")
    names = [device.name for device in lab.devices]
    if CONTROLLER in names:
        raise LabError(f"lab file {path} names a device {CONTROLLER!r}, a reserved name; rename this device")
    for name in names:
        if names.count(name) > 1:
            raise LabError(f"lab file {path} names device {name!r} twice; rename one of them")
    return msgspec.structs.replace(lab, security=_beside(path, lab.security))


def _beside(lab_file: Path, security: KeyFile | Certificates | None) -> KeyFile | Certificates | None:
    folder = lab_file.absolute().parent
    match security:
        case KeyFile():
            return KeyFile(file=str(folder / security.file))
        case Certificates():
            return Certificates(folder=str(folder / security.folder))
    return None
