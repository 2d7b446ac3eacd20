"""Whatever peers do to a real worker, in whatever order, a good controller is served right afterwards.

Its ports are driven through connect, claim, load, run and close, in order and out of it, with messages that
are mutated, cut short or delivered in pieces, by several peers at once.
"""

import contextlib
import socket
import struct
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from tests.integration.labs import LabWorker
from tests.integration.worker.chains import Chain
from tests.unit.worker.tiny import WIDTH, TinyBundle, link, make_bundle, tensors
from worker.wire.control import ControlConnection
from worker.wire.errors import WorkerError
from worker.wire.frames import LinkLayout
from worker.wire.messages import (
    Baseline,
    BuildPipeline,
    Claim,
    ClosePipeline,
    EndpointSpec,
    ExpectProbe,
    Have,
    HopSpec,
    Infer,
    JoinLink,
    JoinProbe,
    Message,
    OpenLinks,
    ProbeRoundTrips,
    PutFile,
    PutShard,
    Query,
    Request,
    Run,
    SampleTelemetry,
    TakeRecords,
    TakeTrain,
    TensorSpec,
    TimeStages,
)
from worker.wire.stream import MAGIC, VERSION, ConnectionKind

_ASK_TIMEOUT_S: Final = 20.0
_SEQUENCES: Final = 40
_MOST_THREADS: Final = 64
_MOST_MEMORY_BYTES: Final = 500 * 1024 * 1024
_PROBE: Final = "0123456789abcdef" * 2


def requests_for(bundle: TinyBundle) -> list[Request[Message]]:
    """One of each kind, most of them possible when their turn comes."""
    whole = bundle.ref(0, 4)
    alone = BuildPipeline(
        name="alone",
        depth=2,
        links=(link("in", 0, 1), link("out", 4, 1)),
        hops=(HopSpec(shard=whole, inlet="in", outlet="out", keeps=2),),
        endpoint=EndpointSpec(bundle=bundle.digest, outlet="in", inlet="out", batch=1),
    )
    half = msgspec.structs.replace(
        alone, name="half", links=(link("in", 0, 1, port=1), link("out", 4, 1, port=1)), endpoint=None
    )
    spec = TensorSpec(name="x", dtype="float32", shape=(1, WIDTH))
    piece = PutFile(
        bundle=bundle.digest, name="samples.npz", digest=bundle.digest, size_bytes=8, offset=0, data=bytes(8)
    )
    return [
        Query(),
        Claim(holder="fuzz\nof\x1btests"),
        Have(bundles=(bundle.digest,), shards=(whole.digest,)),
        PutShard(digest=whole.digest, graph=bundle.shards["0-4"]),
        piece,
        alone,
        half,
        OpenLinks(),
        Run(requests=3, timeout_s=2.0),
        TakeRecords(),
        TimeStages(hops=(0,)),
        SampleTelemetry(),
        Baseline(shard=whole, inputs=(spec,), requests=1, warmup=0),
        Infer(shard=whole, inputs=(spec,), data=(bytes(WIDTH * 4),)),
        ExpectProbe(probe=_PROBE),
        TakeTrain(probe=_PROBE, train=1, datagrams=1, settle_s=0.01),
        ProbeRoundTrips(probe=_PROBE, host="127.0.0.1", port=1, round_trips=1, at_least=1, duration_s=0.1),
        ClosePipeline(),
    ]


_BUNDLE: Final = make_bundle()
_REQUESTS: Final = requests_for(_BUNDLE)
PREAMBLES: Final = {
    control: struct.pack("<8sHBB4s", MAGIC, VERSION, kind, 0, bytes(4))
    for control, kind in ((True, ConnectionKind.CONTROL), (False, ConnectionKind.DATA))
}
_FRAME: Final = bytes(LinkLayout(tensors(0, 1)).new_prefix()) + bytes(4 * WIDTH)


def packed(message: msgspec.Struct) -> bytes:
    """A message as it is sent."""
    body = msgspec.msgpack.encode(message)
    return struct.pack("<I", len(body)) + body


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """These bytes, some of them others."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        kind = draw(st.sampled_from(("change", "insert", "remove", "cut")))
        if kind == "change" and changed:
            changed[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            changed[at:at] = draw(st.binary(min_size=1, max_size=6))
        elif kind == "remove":
            del changed[at : at + draw(st.integers(1, 8))]
        else:
            del changed[at:]
    return bytes(changed)


anything: Final = st.one_of(
    st.sampled_from(_REQUESTS).map(packed),
    st.sampled_from(_REQUESTS).map(packed).flatmap(mutations),
    st.just(packed(JoinLink(pipeline="half", link="in", sender="fuzz"))),
    st.just(packed(JoinProbe(probe=_PROBE, kind="echo", sender="fuzz"))),
    st.just(packed(JoinLink(pipeline="half", link="in", sender="fuzz")) + _FRAME).flatmap(mutations),
    st.just(_FRAME),
    st.just(_FRAME).flatmap(mutations),
    st.binary(max_size=40),
    st.just(b"\xff\xff\xff\xff"),
)


class WorkerMachine(RuleBasedStateMachine):
    """One worker process for all sequences: what one of them leaves behind would show in the next."""

    worker: LabWorker

    peers = Bundle("peers")
    controllers = Bundle("controllers")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Any] = []

    @initialize()
    def nobody(self) -> None:
        """Nothing is connected yet."""

    @rule(target=peers, control=st.booleans(), preamble=st.booleans())
    def connect(self, control: bool, preamble: bool) -> socket.socket:
        """A peer that sends bytes of its own making."""
        port = self.worker.control_port if control else self.worker.data_port
        peer = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.open.append(peer)
        if preamble:
            with contextlib.suppress(OSError):
                peer.sendall(PREAMBLES[control])
        return peer

    @rule(peer=peers, data=anything, pieces=st.integers(1, 5))
    def send(self, peer: socket.socket, data: bytes, pieces: int) -> None:
        """It sends some, in pieces."""
        step = len(data) // pieces + 1
        with contextlib.suppress(OSError):
            for start in range(0, len(data), step):
                peer.sendall(data[start : start + step])

    @rule(peer=peers)
    def stop_sending(self, peer: socket.socket) -> None:
        """It says that no more will come."""
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_WR)

    @rule(peer=consumes(peers), abruptly=st.booleans())
    def leave(self, peer: socket.socket, abruptly: bool) -> None:
        """It goes, in order or by a reset."""
        with contextlib.suppress(OSError):
            if abruptly:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()

    @rule(target=controllers)
    def come(self) -> ControlConnection:
        """A controller that speaks well, whatever it asks for."""
        connection = self.worker.open()
        self.open.append(connection)
        return connection

    @rule(controller=controllers, request=st.sampled_from(_REQUESTS))
    def ask(self, controller: ControlConnection, request: Request[Message]) -> None:
        """It is answered: by what it asked for or by a problem, in time."""
        try:
            controller.ask(request, timeout_s=_ASK_TIMEOUT_S)
        except WorkerError as error:
            assert "nothing in time" not in str(error), (request, str(error))

    @rule(controller=consumes(controllers))
    def go(self, controller: ControlConnection) -> None:
        """It goes without a word."""
        controller.close()

    @invariant()
    def it_lives(self) -> None:
        """The process is there, and does not gather threads."""
        assert self.worker.process.poll() is None, self.worker.log.read_text()[-2000:]
        assert psutil.Process(self.worker.process.pid).num_threads() < _MOST_THREADS

    def teardown(self) -> None:
        """A good controller is served as ever."""
        for one in self.open:
            one.close()
        serve_a_good_one(self.worker)
        log = self.worker.log.read_text()
        assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]


def serve_a_good_one(worker: LabWorker) -> None:
    """Build a pipeline on the worker, run it, and see that results are right."""
    with worker.open() as asking:
        for _ in range(100):
            # It takes a moment to notice that who held it is gone.
            if asking.ask(Query(), timeout_s=_ASK_TIMEOUT_S).holder is None:
                break
            time.sleep(0.05)
    chain = Chain([worker], _BUNDLE)
    with contextlib.closing(chain):
        chain.build([])
        assert chain.first.ask(Run(requests=8), timeout_s=_ASK_TIMEOUT_S).checked == 8


def test_a_good_controller_is_served_whatever_others_did() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "pi"
        _BUNDLE.write_to(store)
        worker = LabWorker(Path(folder), "pi")
        try:
            process = psutil.Process(worker.process.pid)
            serve_a_good_one(worker)

            class Machine(WorkerMachine):
                pass

            Machine.worker = worker
            test = Machine.TestCase
            test.settings = settings(
                max_examples=_SEQUENCES, stateful_step_count=20, suppress_health_check=list(HealthCheck)
            )
            test("runTest").runTest()
            # Whatever names held, each line is one of ours.
            assert all(line[:2] == "20" for line in worker.log.read_text().splitlines())
            assert process.memory_info().rss < _MOST_MEMORY_BYTES
        finally:
            worker.kill()
