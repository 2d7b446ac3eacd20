"""One cell on its devices: built, warmed up, timed, taken down."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

import msgspec

from controller.errors import EXITED, NOT_RESPONDING, DeviceError, InvalidReply, TrialVoid
from controller.lab.upload import supply
from controller.lab.watchdog import PATIENCE_S, Watchdog
from controller.lab.worker_client import ClaimedWorker
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import PipelinePlan
from controller.pipeline.records import RunRecords, take_records
from controller.results import Cell, Course, FullSpeed, Hop, Link, LinkUse, Trial
from controller.results.provenance import now
from exporter.bundle import Bundle
from worker.wire.errors import DISK_FULL, OUT_OF_MEMORY, WorkerError
from worker.wire.messages import (
    INPUTS_ALONE,
    ClosePipeline,
    HopSpec,
    LinkAccount,
    LoadSpec,
    OpenLinks,
    Run,
    RunDone,
    SampleTelemetry,
    TimeStages,
)

__all__ = ["PipelineRunner"]

_Telemetry = dict[str, list[dict[str, Any]]]

_BUILD_TIMEOUT_S = 300.0
_ALONE_TIMEOUT_S = 300.0
_ASK_TIMEOUT_S = 30.0
# A device that loads a model answers late.
_BUILD_PATIENCE_S = 10.0
_BLAME_TIMEOUT_S = 2.0
_EXHAUSTED = (OUT_OF_MEMORY, DISK_FULL)


@dataclass
class PipelineRunner:
    """A cell's pipeline, standing on claimed workers.

    Entering builds it; leaving always takes it down. A failure anywhere is a `TrialVoid`
    that names the device to blame.

    Attributes:
        ran_s: Wall time spent on requests so far, warm-up included.
        full_speeds: Times at full speed that were measured in this pipeline, of stages on slower devices.
    """

    plan: PipelinePlan
    cell: Cell
    bundle: Bundle
    workers: Mapping[str, ClaimedWorker]
    controller_endpoint: ControllerEndpoint | None = None
    ran_s: float = field(default=0.0, init=False)
    full_speeds: tuple[FullSpeed, ...] = field(default=(), init=False)
    _hops: tuple[Hop, ...] = field(default=(), init=False)

    def __enter__(self) -> Self:
        try:
            self._build()
        except (DeviceError, WorkerError) as error:
            void = self._void(error)
            self._take_down()
            raise void from error
        return self

    def __exit__(self, *_error: object) -> None:
        self._take_down()

    def _build(self) -> None:
        for device in self.plan.builds:
            supply(
                self.workers[device], self.bundle, [s.shard for s in self.plan.stages if s.device == device]
            )
        with self._watched(_BUILD_PATIENCE_S), ThreadPoolExecutor(len(self.plan.builds)) as pool:
            built = list(pool.map(self._build_on, self.plan.builds))
        hops = {(hop.start, hop.stop): hop for of_device in built for hop in of_device}
        self._hops = tuple(hops[s.shard.start, s.shard.stop] for s in self.plan.stages)
        self._hops = tuple(
            replace(hop, is_fixed=self.has_fixed_time(position)) for position, hop in enumerate(self._hops)
        )
        if self.controller_endpoint is not None:
            # Before any worker opens its links: some of them lead to us.
            self.controller_endpoint.build_planned(self.plan, self.cell.depth, self.bundle)
        for device in self.plan.builds:
            self.workers[device].ask(OpenLinks(), timeout_s=_ASK_TIMEOUT_S)
        if self.controller_endpoint is not None:
            self.controller_endpoint.open_links()
        self._fix_slowdowns()

    def _build_on(self, device: str) -> list[Hop]:
        build = self.plan.builds[device]
        built = self.workers[device].ask(build, timeout_s=_BUILD_TIMEOUT_S)
        return [
            Hop(device, hop.shard.start, hop.shard.stop, hop.threads, load_s)
            for hop, load_s in zip(build.hops, built.load_s, strict=True)
        ]

    def _fix_slowdowns(self) -> None:
        """Time stages at full speed that are slowed down for the first time in a sweep."""
        self.full_speeds = ()
        unfixed = [position for position in range(len(self._hops)) if self._lacks_full_speed(position)]
        if not unfixed:
            return
        # They give each stage the inputs to be timed on, and keep it warm.
        self._rehearse(INPUTS_ALONE)
        times_s = self._time_stages(unfixed, at_full_speed=True)
        self.full_speeds = tuple(
            FullSpeed(
                self.bundle.digest,
                (hop := self._hops[position]).device,
                hop.start,
                hop.stop,
                self.cell.batch,
                hop.threads,
                full_speed_s,
                now(),
            )
            for position, full_speed_s in times_s.items()
        )

    def rehearse(self) -> None:
        """Run the requests that stages keep whose time depends on the data, where there are such stages.

        Raises:
            TrialVoid: See `run`.
        """
        if self.plan.rehearsal:
            try:
                self._rehearse(self.plan.rehearsal)
            except (DeviceError, WorkerError) as error:
                raise self._void(error) from error

    def _rehearse(self, requests: int) -> None:
        with self._watched() as watch:
            done = self._ask_run(Run(requests=requests, timeout_s=_ALONE_TIMEOUT_S), watch.is_lost)
        self._take_records(done)

    def has_fixed_time(self, position: int) -> bool:
        """Whether `slowdown` fixes how long a stage takes."""
        spec = self._spec(position)
        is_slower = self.workers[self._hops[position].device].info.slowdown > 1
        return is_slower and spec.planted is None and not spec.varies

    def _lacks_full_speed(self, position: int) -> bool:
        return self.has_fixed_time(position) and self._spec(position).full_speed_s is None

    def _spec(self, position: int) -> HopSpec:
        device, number = self._place(position)
        return self.plan.builds[device].hops[number]

    def _place(self, position: int) -> tuple[str, int]:
        """The device of a stage, and the stage's position among those of the device."""
        device = self._hops[position].device
        return device, sum(hop.device == device for hop in self._hops[:position])

    def time_alone(self, positions: Sequence[int]) -> dict[int, float]:
        """Time stages alone, one after the other, since devices may share a host.

        Args:
            positions: Of the stages in the chain.

        Returns:
            Mean seconds of a run, slowdown included, by position.

        Raises:
            TrialVoid: A device was lost, or no request has run yet.
        """
        try:
            return self._time_stages(positions)
        except (DeviceError, WorkerError) as error:
            raise self._void(error, "") from error

    def _time_stages(self, positions: Sequence[int], *, at_full_speed: bool = False) -> dict[int, float]:
        times_s = {}
        with self._watched():
            for position in positions:
                device, number = self._place(position)
                request = TimeStages(hops=(number,), at_full_speed=at_full_speed)
                timed = self.workers[device].ask(request, timeout_s=_ALONE_TIMEOUT_S)
                times_s[position] = timed.compute_s[0]
        return times_s

    def resplit(self, cell: Cell, plan: PipelinePlan) -> None:
        """Go over to another split of the same model on the same devices, between two runs.

        Workers keep what they have: bundle, shards, and stages that both splits share.

        Raises:
            TrialVoid: A device was lost, or cannot load its new stages.
        """
        # A device that has no part in the new split keeps none of the old.
        for device in self.plan.builds.keys() - plan.builds.keys():
            with suppress(DeviceError):
                self.workers[device].ask(ClosePipeline(), timeout_s=_ASK_TIMEOUT_S)
        self.cell, self.plan = cell, plan
        try:
            self._build()
        except (DeviceError, WorkerError) as error:
            raise self._void(error) from error

    def run(self, number: int, request: Run, *, warmup: int = 0) -> Trial:
        """Run one trial as `request` says, after `warmup` requests that do not count.

        Raises:
            TrialVoid: A device was lost, a result was wrong, or it took longer than allowed.
        """
        started_at = now()
        try:
            before = self._take_telemetry()
            began_s = time.monotonic()
            with self._watched() as watch:
                done = self._ask_run(msgspec.structs.replace(request, warmup=warmup), watch.is_lost)
            self.ran_s += time.monotonic() - began_s
            # Handing over the records is no part of the trial.
            telemetry = _since(before, self._take_telemetry())
            records = self._take_records(done)
        except (DeviceError, WorkerError) as error:
            raise self._void(error) from error
        return Trial(
            cell=self.cell.id,
            number=number,
            started_at=started_at,
            elapsed_s=done.elapsed_s,
            checked=done.checked,
            worst_error=done.worst_error,
            hops=self._hops,
            links=self._links(records),
            endpoint_rows=records.endpoint,
            hop_rows=records.hops,
            telemetry=telemetry,
            course=_course(request.load, done, self.plan.jitter_seeds),
        )

    def _watched(self, patience_s: float = PATIENCE_S) -> Watchdog:
        """Wait for the devices only as long as they answer."""
        return Watchdog((self.workers[name] for name in self.plan.builds), patience_s=patience_s)

    def _ask_run(self, request: Run, abandoned: Callable[[], bool]) -> RunDone:
        if self.controller_endpoint is not None and self.plan.has_controller_endpoint:
            return self.controller_endpoint.run(request, abandoned)
        # The worker ends the run itself at timeout_s; this one is for a worker that no longer can.
        return self.workers[self.plan.endpoint].ask(request, timeout_s=request.timeout_s + _ASK_TIMEOUT_S)

    def _links(self, records: RunRecords) -> tuple[Link, ...]:
        """The links, with what their codecs made of this trial's payload, and how long they were in use."""
        by_link = dict(records.sent)
        # A hub passes on what it got.
        by_link |= {
            leaving: by_link[arriving] for arriving, leaving in self.plan.relays if arriving in by_link
        }
        uses = {link: _use(account) for link, account in records.accounts.items()}
        links = [
            replace(link, use=uses.get(spec.name))
            for link, spec in zip(self.plan.links, self.plan.specs, strict=True)
        ]
        return tuple(
            replace(link, encoded_bytes=coded.encoded_bytes / coded.requests, sent_raw=coded.sent_raw)
            if (coded := by_link.get(spec.name))
            else link
            for link, spec in zip(links, self.plan.specs, strict=True)
        )

    def _take_records(self, done: RunDone) -> RunRecords:
        return take_records(self.plan, self.workers, self.controller_endpoint, done)

    def _take_telemetry(self) -> _Telemetry:
        taken = {}
        for device in self.plan.builds:
            telemetry = self.workers[device].ask(SampleTelemetry(), timeout_s=_ASK_TIMEOUT_S)
            taken[device] = [msgspec.to_builtins(sample) for sample in telemetry.samples]
        return taken

    def _void(self, error: DeviceError | WorkerError, when: str = " during a trial") -> TrialVoid:
        """Find out who is to blame: a neighbour sees a dead worker first, and complains of its link."""
        if isinstance(error, InvalidReply):
            return TrialVoid.because(error)
        if isinstance(error, DeviceError) and error.cause == NOT_RESPONDING:
            return _lost(error, when)
        if isinstance(error, DeviceError) and any(words in str(error) for words in _EXHAUSTED):
            # A device without memory or disk may be unable to answer another request.
            return TrialVoid(str(error), error.device)
        strangers = []
        for device in self.plan.builds:
            worker = self.workers[device]
            try:
                if worker.query(timeout_s=_BLAME_TIMEOUT_S).holder != worker.holder:
                    strangers.append(device)
            except InvalidReply as invalid:
                return TrialVoid(f"{error}; then {invalid}", invalid.device)
            except DeviceError as lost:
                return _lost(lost, when)
        if strangers:
            detail = f"{EXITED} and was restarted, or its connection was reset ({error})"
            return TrialVoid(f"{strangers[0]}: lost{when}; {detail}", strangers[0])
        return TrialVoid.because(error)

    def _take_down(self) -> None:
        if self.controller_endpoint is not None:
            self.controller_endpoint.close()
        for device in self.plan.builds:
            # A worker that is lost has nothing to take down; the next claim finds out.
            with suppress(DeviceError):
                self.workers[device].ask(ClosePipeline(keep_stages=True), timeout_s=_ASK_TIMEOUT_S)


def _lost(error: DeviceError, when: str) -> TrialVoid:
    detail = str(error).removeprefix(f"{error.device}: ")
    cause = f"{error.cause}: " if error.cause else ""
    return TrialVoid(f"{error.device}: lost{when}; {cause}{detail}", error.device)


def _since(before: _Telemetry, after: _Telemetry) -> _Telemetry:
    """What was seen during a trial, after the last that was seen before it: counters count from there.

    Raises:
        InvalidReply: A device saw it earlier than that.
    """
    telemetry = {device: [*before[device][-1:], *samples] for device, samples in after.items()}
    for device, (last, first, *_) in telemetry.items():
        if first["at_s"] < last["at_s"]:
            raise InvalidReply(device, f"telemetry of {first['at_s']:g} s after that of {last['at_s']:g} s")
    return telemetry


def _use(account: LinkAccount) -> LinkUse:
    fields = msgspec.structs.asdict(account)
    del fields["link"]
    return LinkUse(**fields)


def _course(load: LoadSpec, done: RunDone, jitter_seeds: Mapping[str, int]) -> Course:
    is_open = load.kind != "closed"
    return Course(
        stable=done.stable,
        overloaded=done.overloaded,
        rate_per_s=load.rate_per_s if is_open else None,
        seed=load.seed if is_open else None,
        jitter_seeds=jitter_seeds,
    )
