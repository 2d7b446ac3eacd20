"""Devices as environments found them, and what changed of a device between two of them.

What must stay of a device is refused when it changes (`DeviceRow.made_of`). The rest, such as its kernel or
its governor, may change in mid-sweep: later trials refer to another environment. Figures of before and after
are of two different machines, so nothing compares them as if they were of one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.results.rows import DeviceRow

__all__ = ["PASSING", "Change", "Description", "FoundDevices", "comparison_block", "state_of"]

PASSING: Final = ("frequency_mhz", "temperature_c", "throttled")
"""What of a device's stamp differs from one hour to the next, on a device that is the same."""

_OF_THE_NETWORK: Final = "qdisc"
"""How a link is shaped: each network of a sweep shapes it in its own way."""

_APART: Final = 1 << 20


@dataclass(frozen=True)
class Description:
    """A device, and the environments that found it like this.

    Attributes:
        device: As the last of them found it.
        environments: Their numbers, in order.
    """

    device: DeviceRow
    environments: tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """A device that was not as before.

    Attributes:
        environment: Number of the first that found it so.
        differences: What differs: name, before, after.
    """

    device: str
    environment: int
    differences: tuple[tuple[str, Any, Any], ...]


class FoundDevices:
    """All environments' devices.

    Attributes:
        by_environment: A file's environments in order, each with its devices by name.
    """

    def __init__(self, by_environment: Mapping[int, Sequence[DeviceRow]]) -> None:
        self.by_environment = {
            number: {device.name: device for device in by_environment[number]}
            for number in sorted(by_environment)
        }

    @property
    def last(self) -> tuple[DeviceRow, ...]:
        """Each device as it was found last: an environment may lack some devices."""
        last = {
            device.name: device for devices in self.by_environment.values() for device in devices.values()
        }
        return tuple(last.values())

    def descriptions(self, device: str) -> list[Description]:
        """A device's distinct descriptions, in the order of their first environments."""
        alike: list[list[int]] = []
        for number, devices in self.by_environment.items():
            if device not in devices:
                continue
            for numbers in alike:
                if self._is_alike(device, numbers[0], number):
                    numbers.append(number)
                    break
            else:
                alike.append([number])
        return [Description(self.by_environment[n[-1]][device], tuple(n)) for n in alike]

    def changes(self) -> list[Change]:
        """Every change of a device, in the order of environments."""
        changes = []
        before: dict[str, DeviceRow] = {}
        for number, devices in self.by_environment.items():
            for name, device in devices.items():
                if differences := _differences(before.get(name, device), device):
                    changes.append(Change(name, number, differences))
            before |= devices
        return changes

    def alike(self, environment: int, devices: Collection[str]) -> frozenset[int]:
        """The environments, this one among them, that found these devices as this one did."""
        others = (
            number
            for number in self.by_environment
            if all(self._is_alike(device, environment, number) for device in devices)
        )
        return frozenset((environment, *others))

    def states(self) -> dict[int, int]:
        """The state, from 0, that each environment found the lab in: another once a device changed."""
        states: dict[int, int] = {}
        seen: list[dict[str, Any]] = []
        lab: dict[str, Any] = {}
        for number, devices in self.by_environment.items():
            lab = lab | {name: _lasting(device) for name, device in devices.items()}
            # A state that knows fewer devices is the same as long as those are.
            state = next((i for i, known in enumerate(seen) if known.items() <= lab.items()), len(seen))
            seen[state : state + 1] = [lab]
            states[number] = state
        return states

    def _is_alike(self, device: str, one: int, other: int) -> bool:
        before, after = (self.by_environment.get(number, {}).get(device) for number in (one, other))
        return before is not None and after is not None and _lasting(before) == _lasting(after)


def comparison_block(number: int, state: int) -> int:
    """The block that a figure counts to where figures are compared: another one after a change of a device.

    So no comparison pairs two figures of one block that are of different machines.

    Args:
        number: Of the sweep's block.
        state: Of `FoundDevices.states`; in state 0 the number stays.
    """
    return number + state * _APART


def state_of(block: int) -> int:
    """The lab's state in a block of `comparison_block`."""
    return block // _APART


def _lasting(device: DeviceRow) -> Mapping[str, Any]:
    stamp = {key: value for key, value in device.stamp.items() if key not in PASSING}
    stamp.pop(_OF_THE_NETWORK, None)
    return {**stamp, "kind": device.kind, "slowdown": device.slowdown}


def _differences(before: DeviceRow, after: DeviceRow) -> tuple[tuple[str, Any, Any], ...]:
    then, now = _lasting(before), _lasting(after)
    return tuple(
        (key, then.get(key), now.get(key))
        for key in dict.fromkeys([*then, *now])
        if then.get(key) != now.get(key)
    )
