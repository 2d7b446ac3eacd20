"""The records of a run, taken from all devices of its pipeline and refused where they cannot be true."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.errors import InvalidReply
from controller.lab.worker_client import ClaimedWorker
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import PipelinePlan
from controller.results.laws import endpoint_faults, hop_faults, use_faults
from worker.records import ENDPOINT, HOP, rows_of
from worker.wire.messages import LinkAccount, Records, RunDone, SentBytes, TakeRecords

__all__ = ["RunRecords", "take_records"]

_TIMEOUT_S: Final = 30.0

_Rows = NDArray[np.void]


@dataclass(frozen=True)
class RunRecords:
    """What was recorded of a run.

    Attributes:
        endpoint: A row a request (`worker.records.ENDPOINT`).
        hops: For each stage, in the order of the chain, a row a request (`worker.records.HOP`).
        sent: What codecs made of the payload, by link.
        accounts: How long links were in use, by link.
    """

    endpoint: _Rows
    hops: tuple[_Rows, ...]
    sent: dict[str, SentBytes]
    accounts: dict[str, LinkAccount]


def take_records(
    plan: PipelinePlan,
    workers: Mapping[str, ClaimedWorker],
    controller_endpoint: ControllerEndpoint | None,
    done: RunDone,
) -> RunRecords:
    """Take the records of the run that ended with `done`.

    Raises:
        InvalidReply: What a device handed over cannot be true.
        DeviceError: A device was lost.
    """
    endpoint, hops = b"", dict[tuple[int, int], bytes]()
    sent, accounts = list[SentBytes](), list[LinkAccount]()
    if (own := controller_endpoint) is not None:
        endpoint = own.take_records()
        sent += own.take_sent()
        accounts += own.accounts(done.counted)
    for device in plan.builds:
        records = workers[device].ask(TakeRecords(counted=done.counted), timeout_s=_TIMEOUT_S)
        _refuse(device, _part_faults(plan, device, records))
        hops |= {(of_hop.start, of_hop.stop): of_hop.rows for of_hop in records.hops}
        sent += records.sent
        accounts += records.accounts
        endpoint = endpoint or records.endpoint
    rows = rows_of(endpoint, ENDPOINT)
    _refuse(plan.endpoint, _unchecked(plan.endpoint_spec.check_every, done))
    _refuse(plan.endpoint, endpoint_faults(rows, done.counted, done.elapsed_s))
    hop_rows = tuple(rows_of(hops[stage.shard.start, stage.shard.stop], HOP) for stage in plan.stages)
    for stage, of_hop in zip(plan.stages, hop_rows, strict=True):
        if plan.builds[stage.device].records:
            name = f"stage {stage.shard.start}-{stage.shard.stop}"
            _refuse(stage.device, (f"{name} {fault}" for fault in hop_faults(of_hop, rows)))
    return RunRecords(rows, hop_rows, {one.link: one for one in sent}, {one.link: one for one in accounts})


def _refuse(device: str, faults: Iterator[str]) -> None:
    if (fault := next(faults, None)) is not None:
        raise InvalidReply(device, f"invalid records of a run: {fault}")


def _unchecked(check_every: int, done: RunDone) -> Iterator[str]:
    """Results that were not compared with their answers. An overloaded run counts from another request on."""
    due = len(range(*done.counted, check_every)) if check_every else 0
    if done.checked != due and not done.overloaded:
        yield f"{done.checked} results are checked, not {due}"


def _part_faults(plan: PipelinePlan, device: str, records: Records) -> Iterator[str]:
    """What is wrong with the parts of a device's records, beside what it was to build."""
    build = plan.builds[device]
    built = [(hop.shard.start, hop.shard.stop) for hop in build.hops]
    if [(of_hop.start, of_hop.stop) for of_hop in records.hops] != built:
        yield "they are of other stages than its own"
    if records.endpoint and device != plan.endpoint:
        yield "they have rows of an endpoint, which is elsewhere"
    if len(records.endpoint) % ENDPOINT.itemsize or any(len(of.rows) % HOP.itemsize for of in records.hops):
        yield "they end in the middle of a row"
    links = zip(plan.specs, plan.links, strict=True)
    payload_bytes = {spec.name: link.payload_bytes for spec, link in links if link.sender == device}
    for parts in (records.sent, records.accounts):
        names = [part.link for part in parts]
        if len(set(names)) < len(names) or not payload_bytes.keys() >= set(names):
            yield "they name a link twice, or one on which it does not send"
            return
    for one in records.sent:
        if not one.requests <= one.encoded_bytes <= one.requests * payload_bytes[one.link]:
            yield "a codec made a tensor longer, or empty"
    for account in records.accounts:
        yield from (f"link {account.link} {fault}" for fault in use_faults(account))
