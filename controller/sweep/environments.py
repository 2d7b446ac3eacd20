"""The environments of a sweep call: one as it begins, and another when a device comes back changed."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from controller.results import PLANTED, DeviceRow, Store
from controller.results.provenance import now, stamp
from controller.selfcheck import fingerprint, verdict_for
from worker.wire.messages import DeviceInfo

__all__ = ["Environments"]


class Environments:
    """Keeps the environment that trials refer to as the devices are.

    What must stay of a device is compared when it is claimed (`controller.lab.worker_pool`); this is about
    the rest: versions, kernel, governor, the host.

    Attributes:
        number: Of the current one in the results file.
    """

    def __init__(
        self,
        store: Store,
        lab: str,
        devices: Sequence[DeviceInfo],
        planted: Collection[str],
        lab_file: Path | None,
        bundles: Mapping[str, str],
    ) -> None:
        """Store the first one.

        Args:
            lab: The lab's name.
            planted: Names of the devices that have planted times.
            lab_file: Environments carry the last verdict of its selfcheck, as long as that holds.
            bundles: The folder of each bundle by digest, which people know it by.

        Raises:
            StoreError: A device is not as in earlier trials.
        """
        self._store, self._lab, self._planted, self._lab_file = store, lab, planted, lab_file
        self._bundles = dict(bundles)
        self._known: dict[str, str] = {}
        self._alike: dict[tuple[str, ...], frozenset[int]] = {}
        self.number = 0
        self.note(devices)

    def note(self, devices: Sequence[DeviceInfo]) -> list[str]:
        """Store another environment if these are not as before; the names of those that have changed."""
        is_now = fingerprint(devices)
        changed = [name for name, digest in is_now.items() if self._known.get(name) != digest]
        if changed or not self.number:
            self._known |= is_now
            verdict = verdict_for(self._lab_file, devices) if self._lab_file else None
            self.number = self._store.add_environment(
                now(),
                stamp(self._lab) | {"selfcheck": verdict and verdict.stamp, "bundles": self._bundles},
                [_device_row(info, self._planted) for info in devices],
            )
            self._alike.clear()
        return changed

    def alike(self, *devices: str) -> frozenset[int]:
        """The environments, the current one among them, that found these devices as they are now.

        What was measured of them in these holds now.
        """
        if devices not in self._alike:
            self._alike[devices] = self._store.found_devices().alike(self.number, devices)
        return self._alike[devices]


def _device_row(device: DeviceInfo, planted: Collection[str]) -> DeviceRow:
    """A device for the results file: of kind `planted` where it has planted times, and no other."""
    if device.name not in planted:
        return DeviceRow(device.name, device.kind, device.slowdown, device.stamp)
    stamp = {**device.stamp, "device": PLANTED, "kind": device.kind}
    return DeviceRow(device.name, PLANTED, device.slowdown, stamp)
