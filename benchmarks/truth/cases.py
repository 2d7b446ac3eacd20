"""The cases: experiments with planted times on a lab of two devices, and one that is slowed down.

Times are long beside the runtime's own (0.1 to 1 ms a request), which is no part of a truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CASES", "DEVICES", "NULL_SIZES", "Case"]

DEVICES: Final[Mapping[str, float]] = {"pi": 1.0, "server": 1.0, "slow": 2.0}
"""Names and slowdowns of a lab for all cases."""

NULL_SIZES: Final = (1_000, 25_000, 2_500, 100, 90_000, 1_000, 10)
"""Values of a sample that cross the null model's input, its cut points and its output."""

_COMMON: Final[Mapping[str, Any]] = {
    "models": ["null"],
    "networks_file": "networks.yml",
    "trials": 2,
    "warmup": 2,
    "samples": 2,
}


@dataclass(frozen=True)
class Case:
    """An experiment whose truth is known.

    Attributes:
        shows: What it checks, in a few words.
        keys: Of the experiment, beside its name and those that all cases share.
        networks: The networks file's.
        labs: The labs that run it: namespaces may lack netem, and with it delays.
        is_quick: Whether the quick part of the suite has it.
    """

    name: str
    shows: str
    keys: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, float]]
    labs: Sequence[str] = ("local", "namespaces")
    is_quick: bool = True

    def experiment(self, names: Mapping[str, str] | None = None, *, seed: int = 0) -> dict[str, Any]:
        """The experiment as its file holds it; `names` are the lab's, by the device's name here."""
        experiment = {"name": self.name, **_COMMON, "networks": list(self.networks), **self.keys}
        experiment["seed"] = seed
        if names:
            if "devices" in self.keys:
                experiment["devices"] = [names[device] for device in self.keys["devices"]]
            if "placements" in self.keys:
                experiment["placements"] = [[names[d] for d in chain] for chain in self.keys["placements"]]
            if "planted" in self.keys:
                experiment["planted"] = {names[d]: times for d, times in self.keys["planted"].items()}
        return experiment


_CHAIN: Final[Mapping[str, Any]] = {
    "devices": ["pi", "server"],
    # At cut 1 a stage limits, at cut 4 the slow link.
    "splits": [1, 4],
    "depths": [1, 4],
    "requests": {1: 11, 4: 12},
    "planted": {"pi": {"node_ms": 20}, "server": {"node_ms": 12}},
}

# 25 ms a request.
_QUEUE: Final[Mapping[str, Any]] = {
    "devices": ["pi"],
    "depths": [4],
    "trials": 1,
    "planted": {"pi": {"node_ms": [5, 5, 5, 5, 5, 0]}},
}

CASES: Final = (
    Case(
        "chain",
        "sleeping stages on two devices, with free and with slow links",
        _CHAIN,
        {"free": {}, "slow-link": {"delay_ms": 5, "rate_mbit": 30}},
        labs=("local",),
    ),
    Case(
        "kernel",
        "sleeping stages on two devices, with links shaped by the kernel",
        _CHAIN,
        {"free": {}, "slow-link": {"rate_mbit": 30}},
        labs=("namespaces",),
    ),
    Case(
        "alone",
        "a stage that spins, one with modes, stalls and a slow phase, and one on a device twice as slow",
        {
            "placements": [["pi"], ["server"], ["slow"]],
            "depths": [1, 4],
            "requests": {1: 72, 4: 16},
            "planted": {
                "pi": {"node_ms": [2, 4, 8, 0, 6, 10], "how": "spin"},
                "server": {
                    "node_ms": 4,
                    "modes": [[0.95, 1], [1.05, 1]],
                    "stalls": {"every": 20, "ms": 30},
                    # The second third of a trial at depth 1, after two requests to warm up.
                    "phases": [{"factor": 2, "requests": [26, 50]}],
                },
                "slow": {"node_ms": 2.5},
            },
        },
        {"free": {}},
    ),
    Case(
        "open",
        "an open load, half of what the stage can take",
        {
            **_QUEUE,
            "loads": ["poisson:10/s"],
            "requests": 240,
            # 50 ms a request: an overhead of 1 % makes the mean latency 1.7 % longer.
            "planted": {"pi": {"node_ms": [10, 10, 10, 10, 10, 0]}},
        },
        {"free": {}},
    ),
    Case(
        "busy",
        "open loads of 0.8, 0.9 and 1.2 times what the stage can take",
        {**_QUEUE, "loads": ["offline", "poisson:32/s", "poisson:36/s", "poisson:48/s"]},
        {"free": {}},
        is_quick=False,
    ),
    Case(
        "search",
        "the highest rate that keeps a bound on latency",
        {**_QUEUE, "loads": ["offline", "poisson:p90<=140ms"]},
        {"free": {}},
        is_quick=False,
    ),
    Case(
        "bound",
        "a bound on latency that no rate keeps",
        {
            **_QUEUE,
            "loads": ["poisson:p90<=3ms"],
            "requests": 64,
            "planted": {"pi": {"node_ms": [1, 1, 1, 1, 1, 0]}},
        },
        {"free": {}},
        is_quick=False,
    ),
    Case(
        "tail",
        "a stage whose every fifth request takes three times as long, seen by its quantiles",
        {
            "devices": ["pi"],
            "depths": [1],
            # So many that there is a p99.
            "requests": 700,
            "trials": 1,
            "planted": {"pi": {"node_ms": 5, "modes": [[1, 4], [3, 1]]}},
        },
        {"free": {}},
        is_quick=False,
    ),
    Case(
        "codec",
        "links with half precision",
        {
            "devices": ["pi", "server"],
            "splits": [1],
            "depths": [1],
            "codecs": ["none", "fp16"],
            "requests": 16,
            "planted": {"pi": {"node_ms": 10}, "server": {"node_ms": 10}},
        },
        {"free": {}},
        is_quick=False,
    ),
)
