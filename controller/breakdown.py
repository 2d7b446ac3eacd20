"""Where the time of a trial went."""

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from controller.screen import plain_table
from controller.store import Trial

__all__ = ["print_breakdown"]

_COMPUTER = {"wait": "wait_compute_s", "decode": "decode_s", "compute": "compute_s", "encode": "encode_s"}

_AT_ENDPOINT = ("wait_source_s", "encode_s", "decode_s")


def print_breakdown(trial: Trial, console: Console) -> None:
    """Print a row a hop with the median milliseconds of each part, then what the network took.

    The network's share of a request is its latency less its wait at the source, the codecs' time at source
    and sink, and what its hops compute and make it wait for; `receive`, `queue` (waiting to be sent) and
    `send` lie inside it and are not added.
    """
    table = plain_table("median ms of a request", *_COMPUTER, "receive", "queue", "send")
    requests = np.sort(trial.endpoint, order="request")
    accounted: NDArray[np.float64] = np.sum([requests[name] for name in _AT_ENDPOINT], axis=0)
    for hop, unsorted in zip(trial.hops, trial.records, strict=True):
        rows = np.sort(unsorted, order="request")
        accounted += np.sum([rows[name] for name in _COMPUTER.values()], axis=0)
        names = (*_COMPUTER.values(), "receive_s", "wait_send_s", "send_s")
        table.add_row(
            f"{hop.device}, nodes {hop.start} to {hop.stop - 1}", *(_ms(rows[name]) for name in names)
        )
    console.print(table)
    if at_ends_s := np.median(requests["encode_s"]) + np.median(requests["decode_s"]):
        console.print(f"encoding at the source and decoding at the sink: {at_ends_s * 1e3:.2f} ms")
    whole_s = requests["latency_s"]
    console.print(f"network {_ms(whole_s - accounted)} ms of {_ms(whole_s)} ms")


def _ms(seconds: NDArray[np.float64]) -> str:
    return f"{np.median(seconds) * 1e3:.2f}"
