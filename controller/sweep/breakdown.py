"""Where the time of a trial went."""

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from controller.console import plain_table
from controller.experiment.load import OFFLINE, SAMPLES_NEEDED
from controller.results import Cell, Trial

__all__ = ["print_breakdown", "show_course"]

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


def show_course(cell: Cell, trial: Trial, console: Console) -> None:
    """Print what was offered and what came of it: latency where there are samples enough, and every doubt."""
    course = trial.course
    if cell.load != OFFLINE:
        console.print(f"load {cell.load}: {course.rate_per_s or 0:.4g} requests/s offered")
    if course.bound_kept is False:
        console.print("no rate kept the bound on latency; this is the lowest that was tried")
    if course.overloaded:
        console.print("overloaded: requests came faster than results, so their latency says nothing")
        return
    latency_s = trial.endpoint["latency_s"]
    enough = {name: int(name[1:]) for name, wanted in SAMPLES_NEEDED.items() if len(latency_s) >= wanted}
    if enough:
        found = (f"{name} {np.percentile(latency_s, q) * 1e3:.2f} ms" for name, q in enough.items())
        console.print(f"latency {', '.join(found)} of {len(latency_s)} requests")
    if course.stable is False:
        console.print(f"unstable: the estimate did not settle within {course.windows} windows")


def _ms(seconds: NDArray[np.float64]) -> str:
    return f"{np.median(seconds) * 1e3:.2f}"
