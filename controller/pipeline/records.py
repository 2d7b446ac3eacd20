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
from controller.results.record_faults import endpoint_faults, hop_faults, use_faults
from worker.records import ENDPOINT, HOP, rows_of
from worker.wire.codecs import NO_CODEC, parse_codec
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
    own = controller_endpoint
    endpoint = own.take_records() if own is not None else b""
    sent = [*own.take_sent()] if own is not None else []
    accounts = [*own.accounts(done.counted)] if own is not None else []
    parts: dict[str, Records] = {}
    for device in plan.builds:
        parts[device] = records = workers[device].ask(TakeRecords(counted=done.counted), timeout_s=_TIMEOUT_S)
        _refuse(device, _part_faults(plan, device, records))
        endpoint = endpoint or records.endpoint
    rows = rows_of(endpoint, ENDPOINT)
    _refuse(plan.endpoint, _unchecked(plan.endpoint_spec.check_every, done))
    _refuse(plan.endpoint, endpoint_faults(rows, done.counted, done.elapsed_s))
    for device, records in parts.items():
        _refuse(device, _link_faults(plan, device, records, done.counted, len(rows)))
        sent += records.sent
        accounts += records.accounts
    hops = {(hop.start, hop.stop): hop.rows for records in parts.values() for hop in records.hops}
    hop_rows = tuple(rows_of(hops[stage.shard.start, stage.shard.stop], HOP) for stage in plan.stages)
    for stage, of_hop in zip(plan.stages, hop_rows, strict=True):
        if plan.builds[stage.device].records:
            name = f"stage {stage.shard.start}-{stage.shard.stop}"
            _refuse(stage.device, (f"{name}: {fault}" for fault in hop_faults(of_hop, rows)))
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


def _link_faults(
    plan: PipelinePlan, device: str, records: Records, counted: tuple[int, int], requests: int
) -> Iterator[str]:
    """What is wrong with what a device says of the links on which it sends, in a run of so many requests."""
    links = {
        spec.name: (link, spec)
        for link, spec in zip(plan.links, plan.specs, strict=True)
        if link.sender == device
    }
    coded = sorted(name for name, (_, spec) in links.items() if parse_codec(spec.codec) != NO_CODEC)
    if sorted(one.link for one in records.sent) != coded:
        yield "they do not say what a codec sent on exactly the links that have one"
        return
    for one in records.sent:
        link, spec = links[one.link]
        if one.requests != requests:
            yield f"a codec sent {one.requests} of {requests} requests"
        if not one.requests <= one.encoded_bytes <= one.requests * link.payload_bytes:
            yield "a codec made a tensor longer, or empty"
        if one.sent_raw > (tensors := one.requests * len(spec.tensors)):
            yield f"a codec could not shorten {one.sent_raw} of {tensors} tensors"
    names = [account.link for account in records.accounts]
    if len(set(names)) < len(names) or not links.keys() >= set(names):
        yield "they say how long a link was in use twice, or one on which it does not send"
        return
    for account in records.accounts:
        yield from (f"link {account.link} {fault}" for fault in use_faults(account, counted, requests))
