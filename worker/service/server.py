"""The worker's server: its ports, its holder, and the control loop."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.access.admission import Admission
from worker.access.listener import Listener
from worker.clock import clock
from worker.host.device import read_stamp
from worker.host.memory import give_memory_back
from worker.host.qdisc import QdiscWatch
from worker.host.telemetry import TelemetryThread
from worker.inference.provider import available_providers, check_available, prepare
from worker.inference.session_options import options_line
from worker.links.links import serve_join
from worker.probe import ProbeReceiver
from worker.service.heartbeat import Heartbeat
from worker.service.session import Session
from worker.settings import Settings
from worker.store import Store
from worker.wire.codecs import available_codecs
from worker.wire.control import (
    CLAIMED_LIMIT_BYTES,
    UNCLAIMED_LIMIT_BYTES,
    receive_message,
    request_decoder,
    send_message,
)
from worker.wire.errors import (
    BusyError,
    FailedError,
    PeerError,
    ProtocolError,
    RefusedError,
    WorkerError,
    reason_of,
)
from worker.wire.joining import receive_join
from worker.wire.messages import (
    Baseline,
    BuildPipeline,
    Claim,
    Claimed,
    ClosePipeline,
    DeviceInfo,
    JoinLink,
    JoinProbe,
    Message,
    Query,
    Request,
    Run,
    TakeRecords,
)
from worker.wire.security import OPEN
from worker.wire.stream import ConnectionKind, SocketStream

__all__ = ["Server"]

_log: Final = logging.getLogger("worker")

# A client without a claim may not keep an idle connection.
_UNCLAIMED_IDLE_S: Final = 60.0

# From a message's length to its last byte. The holder sends shards and weights.
_UNCLAIMED_MESSAGE_S: Final = 5.0
_CLAIMED_MESSAGE_S: Final = 120.0


@dataclass(frozen=True)
class _Hold:
    """The holder of the worker, since when, and its session."""

    holder: str
    since_s: float
    session: Session


class Server:
    """One worker. Outlives its controllers; serves one at a time, and answers `Query` to anyone."""

    def __init__(self, settings: Settings) -> None:
        """Open the ports and the store.

        Raises:
            UsageError: one of them, the provider, the heartbeat's file or the lab's key is not available; or
                other hosts could use the worker without a key, and `open_to_all` is not set.
            FailedError: the link to watch cannot be read.
        """
        self._settings = settings
        self._security = settings.load_security()
        self._admission = Admission(limits=self._security is not OPEN, log=_log.warning)
        check_available(settings.provider, device=settings.name)
        prepare(settings.provider)
        self._qdisc = QdiscWatch(settings.qdisc_of)
        self._qdisc.note()
        self._heartbeat = Heartbeat(settings.heartbeat)
        self._store = Store(settings.store)
        self._hold: _Hold | None = None
        self._hold_lock = threading.Lock()
        self._telemetry = TelemetryThread(settings.telemetry_interval_s, settings.store)
        self._data = self._listen(settings.data_port, ConnectionKind.DATA, self._serve_data)
        try:
            self._control = self._listen(settings.control_port, ConnectionKind.CONTROL, self._serve_control)
        except WorkerError:
            self._data.close()
            raise
        self.control_port: Final = self._control.port
        self.data_port: Final = self._data.port
        self._probes = ProbeReceiver(settings.host, self.data_port)

    def _listen(self, port: int, kind: ConnectionKind, serve: Callable[[SocketStream], None]) -> Listener:
        return Listener(
            self._settings.host,
            port,
            kind,
            serve,
            _log.warning,
            option=f"--{kind.name.lower()}-port",
            security=self._security,
            admission=self._admission,
        )

    def begin(self) -> None:
        """Start serving."""
        if self._security is OPEN:
            users = "anyone who can reach it" if self._settings.open_to_all else "every user of this host"
            _log.warning("worker %s has no key: %s can use it", self._settings.name, users)
        self._telemetry.begin()
        self._data.begin()
        self._control.begin()

    def close(self) -> None:
        """Stop serving; the holder loses the worker."""
        self._control.close()
        self._data.close()
        with self._hold_lock:
            hold = self._hold
        if hold is not None:
            hold.session.close()
        self._heartbeat.end()
        self._telemetry.close()

    def _serve_control(self, stream: SocketStream) -> None:
        mine: _Hold | None = None
        try:
            while True:
                stream.set_timeout(_UNCLAIMED_IDLE_S if mine is None else None)
                request = receive_message(
                    stream,
                    request_decoder,
                    limit_bytes=UNCLAIMED_LIMIT_BYTES if mine is None else CLAIMED_LIMIT_BYTES,
                    within_s=_UNCLAIMED_MESSAGE_S if mine is None else _CLAIMED_MESSAGE_S,
                )
                if request is None:
                    return
                stream.set_timeout(_UNCLAIMED_IDLE_S if mine is None else None)
                try:
                    if isinstance(request, Claim):
                        mine = self._claim(request, stream)
                        reply: Message = Claimed(device=self._info())
                    else:
                        reply = self._answer(request, mine)
                except WorkerError as error:
                    _log.warning("%s: %s", type(request).__name__, error)
                    reply = error.problem()
                else:
                    _log_work(request)
                send_message(stream, reply)
                if isinstance(request, TakeRecords | ClosePipeline):
                    # Records and slots may be large; the next telemetry must not count their memory.
                    del reply
                    give_memory_back()
        except ProtocolError as error:
            _tell(stream, RefusedError(str(error)))
            raise
        except MemoryError as error:
            failure = FailedError(f"cannot accept the message: {reason_of(error)}")
            _tell(stream, failure)
            raise failure from error
        finally:
            if mine is not None:
                self._release(mine)
            stream.close()

    def _answer(self, request: Request[Message], mine: _Hold | None) -> Message:
        if isinstance(request, Query):
            return self._info()
        if mine is None:
            raise RefusedError(f"{type(request).__name__} needs a claim on the worker first")
        try:
            return mine.session.answer(request)
        except WorkerError:
            raise
        except MemoryError as error:
            raise FailedError(f"{type(request).__name__}: {reason_of(error)}") from error
        except Exception as error:
            # The controller must learn of our bugs too, and the worker must survive them.
            _log.exception("%s failed", type(request).__name__)
            raise FailedError(
                f"{type(request).__name__}: {type(error).__name__}: {reason_of(error)}"
            ) from error

    def _claim(self, claim: Claim, stream: SocketStream) -> _Hold:
        with self._hold_lock:
            if self._hold is not None:
                raise BusyError(
                    f"worker {self._settings.name} is held by {self._hold.holder}, "
                    f"for {clock() - self._hold.since_s:.0f} s so far"
                )
            # The reference for everything that this controller measures.
            self._qdisc.note()
            session = Session(
                self._store,
                self._telemetry,
                self._probes,
                self._qdisc,
                self._settings,
                abandoned=stream.has_ended,
                security=self._security,
            )
            self._hold = _Hold(claim.holder, clock(), session)
            self._telemetry.take()
            self._heartbeat.begin()
            _log.info("claimed by %s (%s)", claim.holder, stream.peer)
            return self._hold

    def _release(self, hold: _Hold) -> None:
        hold.session.close()
        with self._hold_lock:
            if self._hold is hold:
                self._hold = None
                self._heartbeat.end()
        _log.info("released by %s", hold.holder)

    def _info(self) -> DeviceInfo:
        hold = self._hold
        settings = self._settings
        return DeviceInfo(
            name=settings.name,
            kind=settings.kind,
            slowdown=settings.slowdown,
            threads=settings.threads,
            provider=settings.provider,
            data_port=self.data_port,
            holder=None if hold is None else hold.holder,
            held_s=None if hold is None else clock() - hold.since_s,
            codecs=available_codecs(),
            denied=self._admission.denied,
            stamp={
                **read_stamp(slowdown=settings.slowdown, threads=settings.threads),
                "provider": settings.provider,
                "onnxruntime_options": options_line(settings.onnxruntime_options),
                "providers": ", ".join(available_providers()),
                "qdisc": self._qdisc_text(),
                "security": self._security.method.name.lower(),
            },
        )

    def _qdisc_text(self) -> str | None:
        try:
            return self._qdisc.read()
        except WorkerError as error:
            return f"unknown ({error})"

    def _serve_data(self, stream: SocketStream) -> None:
        hold = self._hold
        session = None if hold is None else hold.session
        match join := receive_join(stream):
            case JoinLink():
                serve_join(stream, join, None if session is None else session.links)
                what = f"link {join.link} of pipeline {join.pipeline}"
                _log.info("%s from %s (%s)", what, join.sender, stream.peer)
            case JoinProbe():
                _log.info("probe (%s) from %s (%s)", join.kind, join.sender, stream.peer)
                self._probes.serve(join, stream)


def _log_work(request: Request[Message]) -> None:
    match request:
        case BuildPipeline(name=name, depth=depth, hops=hops):
            ranges = ", ".join(f"{hop.shard.start}-{hop.shard.stop}" for hop in hops) or "no stage"
            _log.info("pipeline %s: %s, depth %d", name, ranges, depth)
        case Run(requests=requests, warmup=warmup):
            _log.info("ran %d requests after %d warm-up requests", requests, warmup)
        case Baseline(shard=shard, requests=requests):
            _log.info("baseline of %d-%d: %d requests", shard.start, shard.stop, requests)


def _tell(stream: SocketStream, error: WorkerError) -> None:
    try:
        send_message(stream, error.problem())
    except PeerError:
        _log.info("%s disconnected before it got the error", stream.peer)
