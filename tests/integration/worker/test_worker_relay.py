"""A hub: two workers whose links lead through a process between them."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from tests.integration.labs import LabWorker
from tests.integration.worker.conftest import StartWorker
from tests.unit.worker.tiny import TinyBundle, link, make_bundle, tensors
from worker.endpoint import Samples, StandaloneEndpoint
from worker.records import ENDPOINT, HOP, rows_of
from worker.wire.codecs import parse_codec
from worker.wire.control import ControlConnection
from worker.wire.errors import RefusedError, RequestError
from worker.wire.frames import LinkLayout
from worker.wire.joining import ask_to_join, open_data_connection
from worker.wire.messages import (
    BuildPipeline,
    Emulation,
    EndpointSpec,
    HopSpec,
    JoinLink,
    LinkSpec,
    OpenLinks,
    Query,
    Run,
    TakeRecords,
)

WIDTH = 64
RELAYS = (("there", "there on"), ("back", "back on"))


@pytest.fixture(scope="module")
def wide_bundle() -> TinyBundle:
    return make_bundle(width=WIDTH)


@pytest.fixture
def workers(start_worker: StartWorker, wide_bundle: TinyBundle) -> list[LabWorker]:
    return [start_worker(name, bundle=wide_bundle) for name in ("pi", "server")]


class Hub:
    """The nodes before 2 on the first worker, the others on the second, the controller between them."""

    def __init__(self, part: StandaloneEndpoint, workers: list[LabWorker], bundle: TinyBundle) -> None:
        self.part = part
        self.pi, self.server = workers[0].claim(), workers[1].claim()
        self._ports = [worker.data_port for worker in workers]
        self._bundle = bundle

    def build(
        self,
        *,
        depth: int = 3,
        batch: int = 2,
        codec: str = "none",
        emulation: Emulation | None = None,
        allowed_error: float = 1e-4,
    ) -> None:
        def to(name: str, position: int, port: int) -> LinkSpec:
            spec = link(name, position, batch, port=port, width=WIDTH)
            return msgspec.structs.replace(spec, codec=codec, emulation=emulation)

        middle = self.part.data_port
        there = (to("there", 2, middle), to("there on", 2, self._ports[1]))
        legs = (*there, to("back", 4, middle), to("back on", 4, self._ports[0]))
        source = link("source", 0, batch, width=WIDTH)
        ends = EndpointSpec(
            bundle=self._bundle.digest,
            outlet="source",
            inlet="back on",
            batch=batch,
            allowed_error=allowed_error,
        )
        first = HopSpec(shard=self._bundle.ref(0, 2), inlet="source", outlet="there")
        second = HopSpec(shard=self._bundle.ref(2, 4), inlet="there on", outlet="back")
        on_pi = BuildPipeline(name="p", depth=depth, links=(source, *legs), hops=(first,), endpoint=ends)
        self.pi.ask(on_pi)
        self.server.ask(BuildPipeline(name="p", depth=depth, links=legs, hops=(second,)))
        self.part.build("p", legs, depth, relays=RELAYS)
        for connection in (self.pi, self.server):
            connection.ask(OpenLinks())
        self.part.open_links()


@contextlib.contextmanager
def hub_of(workers: list[LabWorker], bundle: TinyBundle) -> Iterator[Hub]:
    with StandaloneEndpoint() as part:
        hub = Hub(part, workers, bundle)
        try:
            yield hub
        finally:
            for connection in (hub.pi, hub.server):
                connection.close()


@pytest.mark.parametrize(
    ("codec", "allowed_error"), [("none", 1e-4), ("lz4", 1e-4), ("fp16", 0.02), ("uint8+zstd", 0.1)]
)
def test_what_comes_through_a_relay_is_what_was_sent(
    workers: list[LabWorker], wide_bundle: TinyBundle, codec: str, allowed_error: float
) -> None:
    with hub_of(workers, wide_bundle) as hub:
        hub.build(codec=codec, allowed_error=allowed_error)
        assert hub.pi.ask(Run(requests=201, warmup=3)).checked == 201
        records = hub.pi.ask(TakeRecords())
        rows = rows_of(records.endpoint, ENDPOINT)
        assert np.count_nonzero(rows["counted"]) == 201
        assert len(rows_of(hub.server.ask(TakeRecords()).hops[0].rows, HOP)) == len(rows)
        # It encodes and decodes nothing itself.
        assert hub.part.take_sent() == ()


def test_a_relay_imposes_its_own_emulated_link(workers: list[LabWorker], wide_bundle: TinyBundle) -> None:
    with hub_of(workers, wide_bundle) as hub:
        hub.build(depth=1, emulation=Emulation(delay_ms=10))
        hub.pi.ask(Run(requests=11, warmup=2))
        latency_s = rows_of(hub.pi.ask(TakeRecords()).endpoint, ENDPOINT)["latency_s"]
    # Four links of 10 ms, where a chain would have two.
    assert np.median(latency_s) >= 0.040


def test_the_bytes_after_the_codec_count_on_both_links(
    workers: list[LabWorker], wide_bundle: TinyBundle
) -> None:
    """64 numbers of 4 bytes, 2 tensors there and 1 back: about a quarter of that as uint8."""
    medians_s = []
    for codec in ("none", "uint8"):
        with hub_of(workers, wide_bundle) as hub:
            hub.build(depth=1, batch=1, codec=codec, emulation=Emulation(rate_mbit=0.2), allowed_error=0.2)
            hub.pi.ask(Run(requests=5, warmup=1))
            latency_s = rows_of(hub.pi.ask(TakeRecords()).endpoint, ENDPOINT)["latency_s"]
            medians_s.append(float(np.median(latency_s)))
    plain_bytes, uint8_bytes = 3 * 4 * WIDTH, 3 * (WIDTH + 16)
    assert medians_s[0] >= 2 * plain_bytes * 8 / 0.2e6
    assert 2 * uint8_bytes * 8 / 0.2e6 <= medians_s[1] < 0.65 * medians_s[0]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_lost_worker_ends_the_others_run_through_the_relay(
    workers: list[LabWorker], wide_bundle: TinyBundle, victim: int
) -> None:
    with hub_of(workers, wide_bundle) as hub:
        hub.build()
        told = EndlessRun(hub.pi)
        workers[victim].process.kill()
        error = told()
        if victim == 1:
            assert isinstance(error, RequestError)
            assert error.problem().kind == "peer"
            # The relay saw it first, or the worker whose frames it took.
            assert "there on" in str(error) or "back" in str(error)
        survivor = workers[1 - victim]
        with survivor.open() as connection:
            assert connection.ask(Query()).name == survivor.name


def test_a_relay_that_leaves_ends_the_run(workers: list[LabWorker], wide_bundle: TinyBundle) -> None:
    with hub_of(workers, wide_bundle) as hub:
        hub.build()
        told = EndlessRun(hub.pi)
        hub.part.drop()
        error = told()
        assert isinstance(error, RequestError)
        assert error.problem().kind in ("peer", "failed")
        hub.build()
        assert hub.pi.ask(Run(requests=12)).checked == 12


def test_a_relay_joins_only_links_that_carry_the_same() -> None:
    with StandaloneEndpoint() as part:
        one, other = link("in", 2, 1, port=part.data_port), link("out", 2, 1, port=1)
        wider = link("out", 2, 2, port=1)
        within = link("out", 2, 1)
        coded = msgspec.structs.replace(other, codec="fp16")
        for leaving in (wider, within, coded):
            with pytest.raises(
                RefusedError, match="link in cannot continue as out: their tensors or codecs differ"
            ):
                part.build("p", (one, leaving), 2, relays=(("in", "out"),))
        with pytest.raises(RefusedError, match="link else is used but not described"):
            part.build("p", (one, other), 2, relays=(("in", "else"),))
        with pytest.raises(RefusedError, match="two stages at one end"):
            part.build("p", (one, other), 2, relays=(("in", "out"), ("in", "out")))
        with pytest.raises(RefusedError, match="the controller holds no pipeline endpoint"):
            part.run(Run(requests=1))


def test_nonsense_at_the_controllers_port_ends_a_pipeline_at_most() -> None:
    prefix = LinkLayout(tensors(2, 1)).new_prefix()
    other, huge = LinkLayout(tensors(2, 2)).new_prefix(), bytearray(prefix)
    huge[16:24] = b"\xff" * 8
    coded = LinkLayout(tensors(2, 1), parse_codec("fp16")).new_prefix() + b"\xff" * 16
    with StandaloneEndpoint() as part:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"EDGECUT\0", b""):
            with socket.create_connection(("127.0.0.1", part.data_port)) as connection:
                connection.settimeout(10)
                with contextlib.suppress(OSError):
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
        for codec, frame in (("none", other), ("none", huge), ("none", coded), ("fp16", coded)):
            legs = tuple(
                msgspec.structs.replace(link(name, 2, 1, port=port), codec=codec)
                for name, port in (("in", part.data_port), ("out", 1))
            )
            part.build("p", legs, 2, relays=(("in", "out"),))
            with contextlib.closing(open_data_connection("127.0.0.1", part.data_port)) as stream:
                ask_to_join(stream, JoinLink(pipeline="p", link="in", sender="us"), "link in")
                stream.send([memoryview(frame)])
                # It says what was wrong, and closes.
                told = bytearray(4096)
                said = bytes(told[: stream.receive_into(memoryview(told))])
            assert b"link in: worker us" in said and b"sent " in said
        part.build("p", legs, 2, relays=(("in", "out"),))


def test_a_controller_may_be_source_and_relay_at_once(
    workers: list[LabWorker], wide_bundle: TinyBundle
) -> None:
    with StandaloneEndpoint() as part, workers[0].claim() as pi, workers[1].claim() as server:
        to = link("to", 0, 1, port=workers[0].data_port, width=WIDTH)
        there = link("there", 2, 1, port=part.data_port, width=WIDTH)
        there_on = link("there on", 2, 1, port=workers[1].data_port, width=WIDTH)
        back = link("back", 4, 1, port=part.data_port, width=WIDTH)
        links = (to, there, there_on, back)
        first = HopSpec(shard=wide_bundle.ref(0, 2), inlet="to", outlet="there")
        second = HopSpec(shard=wide_bundle.ref(2, 4), inlet="there on", outlet="back")
        pi.ask(BuildPipeline(name="p", depth=4, links=links, hops=(first,)))
        server.ask(BuildPipeline(name="p", depth=4, links=links, hops=(second,)))
        ends = EndpointSpec(bundle="", outlet="to", inlet="back", batch=1)
        samples = Samples({"x": wide_bundle.inputs}, {"y": wide_bundle.answers})
        part.build("p", links, 4, endpoint=ends, samples=samples, relays=(("there", "there on"),))
        for connection in (pi, server):
            connection.ask(OpenLinks())
        part.open_links()
        assert part.run(Run(requests=100, warmup=4)).checked == 100


class EndlessRun:
    """An endless run in another thread; calling it waits for the error that it ends with."""

    def __init__(self, connection: ControlConnection) -> None:
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
        self._thread.start()
        time.sleep(0.3)

    def _run(self, connection: ControlConnection) -> None:
        try:
            connection.ask(Run(requests=5_000_000))
        except Exception as error:
            self._error = error

    def __call__(self) -> Exception | None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self._error
