"""A real sweep's replies, recorded once, and workers that answer from them, one reply a lie."""

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Self, cast

import msgspec
import pytest

from tests.lies import Lie
from worker.wire.control import ControlConnection, checked_reply
from worker.wire.messages import (
    BuildPipeline,
    Claim,
    Claimed,
    Done,
    Message,
    Query,
    Request,
    Run,
    TakeRecords,
    Telemetry,
    TimeStages,
)

__all__ = ["Replay", "Transcript", "recorded"]

_PIPELINE = re.compile(r"([0-9a-f]{16})\.\d+")
"""Names of pipelines and links: a cell's id, and a number that rises."""

_Key = tuple[str, ...]


class Transcript:
    """Replies by device and request; what depends on more by the pipeline and the run before, too."""

    def __init__(self) -> None:
        self.replies: dict[_Key, list[Message]] = defaultdict(list)
        self._built = self._ran = ""

    def key(self, port: int, request: Request[Message]) -> _Key:
        """Where the reply to a request stands, which is the next in the sweep."""
        # Jitter, if there were any, would differ from trial to trial, and times from sweep to sweep.
        text, kind = _PIPELINE.sub(r"\1", repr(request)), type(request)
        text = re.sub(r"full_speed_s=\d[^,)]*", "full_speed_s=known", re.sub(r"seed=\d+", "", text))
        if isinstance(request, BuildPipeline):
            self._built, self._ran = _PIPELINE.sub(r"\1", repr((request.name, request.depth))), ""
        elif isinstance(request, Run):
            self._ran = text
        elif isinstance(request, TakeRecords | Claim):
            # Records are those of the run before, whatever it counted.
            text = ""
        depends = isinstance(request, Run | TakeRecords | TimeStages)
        return (str(port), kind.__name__, text, *([self._built, self._ran] if depends else []))

    def first(self, kind: type[Request[Message]]) -> Message:
        """The first reply to a request of a kind."""
        return self.of(kind)[0]

    def of(self, kind: type[Request[Message]]) -> list[Message]:
        """The replies to requests of a kind, by request."""
        return [
            reply for key, replies in self.replies.items() if key[1] == kind.__name__ for reply in replies
        ]


@contextlib.contextmanager
def recorded(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep all replies that this process gets meanwhile."""
    ask = ControlConnection.ask

    def kept(connection: ControlConnection, request: Any, *, timeout_s: float | None = None) -> Message:
        reply = ask(connection, request, timeout_s=timeout_s)
        port = int(connection.peer.rpartition(":")[2])
        transcript.replies[transcript.key(port, request)].append(reply)
        return cast(Message, reply)

    with monkeypatch.context() as patch:
        patch.setattr(ControlConnection, "ask", kept)
        yield


class Replay:
    """Workers that answer as recorded, except that one lies now and then.

    Attributes:
        left: The lies that it has not told yet.
    """

    def __init__(
        self,
        transcript: Transcript,
        port: int,
        kind: type[Request[Message]],
        lies: Sequence[Lie],
        *,
        honest: int = 1,
        first: int = 0,
    ) -> None:
        """Lie in the replies of the device with this port to requests of this kind.

        Args:
            honest: How many replies to them are as recorded between two lies.
            first: How many are before the first.
        """
        self._recorded, self._keys = transcript.replies, Transcript()
        self._port, self._kind, self._honest = port, kind, honest
        self._since = honest - first
        self._later: dict[int, Telemetry] = {}
        self.left = list(lies)

    @contextlib.contextmanager
    def answering(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Self]:
        """Have all connections answered by this."""
        with monkeypatch.context() as patch:
            patch.setattr(ControlConnection, "open", lambda host, port, *_, **__: _Replayed(host, port, self))
            yield self

    def body(self, port: int, request: Request[Message]) -> bytes:
        """The reply to a request."""
        key = self._keys.key(port, request)
        if type(request) is self._kind and port == self._port:
            if self.left and self._since >= self._honest:
                self._since = 0
                return self.left.pop(0).body
            self._since += 1
        if isinstance(request, Query):
            claimed = self._recorded[str(port), "Claim", ""][0]
            assert isinstance(claimed, Claimed)
            return msgspec.msgpack.encode(claimed.device)
        replies = self._recorded.get(key, [Done()] if request.reply is Done else [])
        assert replies, f"no reply is recorded to {request}"
        # Of the same run the same records; telemetry goes on.
        reply = replies[0]
        if isinstance(reply, Telemetry):
            reply = self._later[port] = _after(reply, self._later.get(port, reply))
        return msgspec.msgpack.encode(reply)


class _Replayed:
    """In the place of a `ControlConnection`."""

    def __init__(self, host: str, port: int, replay: Replay) -> None:
        self.peer, self._port, self._replay = f"{host}:{port}", port, replay
        self._pipeline = ""

    def ask(self, request: Request[Message], *, timeout_s: float | None = None) -> Message:
        if isinstance(request, BuildPipeline):
            self._pipeline = request.name
        body = self._replay.body(self._port, request)
        if isinstance(request, TakeRecords):
            body = _named(body, self._pipeline)
        return checked_reply(request, body, self.peer)

    def interrupt(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _after(telemetry: Telemetry, before: Telemetry) -> Telemetry:
    """The same telemetry, begun where that before it ended."""
    later_s = before.samples[-1].at_s - telemetry.samples[0].at_s
    samples = (msgspec.structs.replace(sample, at_s=sample.at_s + later_s) for sample in telemetry.samples)
    return Telemetry(samples=tuple(samples))


def _named(body: bytes, pipeline: str) -> bytes:
    """Records with links named after the pipeline that stands now."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        said = msgspec.msgpack.decode(body)
        for part in (*said["sent"], *said["accounts"]):
            part["link"] = _PIPELINE.sub(pipeline, part["link"])
        return msgspec.msgpack.encode(said)
    return body
