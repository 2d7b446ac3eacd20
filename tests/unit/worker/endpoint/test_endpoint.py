"""The endpoint over in-memory links, with a stage played by the test."""

import threading
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.memory_stream import MemoryStream, memory_pair
from tests.unit.worker.tiny import link
from worker.endpoint import Endpoint, Samples
from worker.endpoint.samples import batches_of
from worker.links.cancel_scope import CancelScope
from worker.links.links import Links
from worker.wire.control import receive_message, send_message
from worker.wire.errors import FailedError, MismatchError, PeerError, RefusedError
from worker.wire.frames import LinkLayout, encode_notice
from worker.wire.messages import BuildPipeline, Done, EndpointSpec, JoinLink, LinkSpec, LoadSpec, Run

_join_decoder = msgspec.msgpack.Decoder(JoinLink)
INPUTS = np.arange(5 * 16, dtype=np.float32).reshape(5, 16)
SAMPLES = Samples({"x": INPUTS}, {"y": -INPUTS})


class NegatingStage:
    """Takes `x` from the endpoint and sends back `y` = -x; says how many requests it held at once at most."""

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.most_held = 0
        self.spoil_request: int | None = None
        self.swap = False
        self.leave_after: int | None = None
        self.scope = CancelScope()
        links = (link("to", 0, 1, port=1), link("back", 4, 1, port=2))
        self.ends = EndpointSpec(bundle="", outlet="to", inlet="back", batch=1)
        build = BuildPipeline(name="p", depth=8, links=links, hops=(), endpoint=self.ends)
        self.links = Links(build, self.scope)
        self._layout = LinkLayout(links[0].tensors)
        self._reply = LinkLayout(links[1].tensors)
        self._back, far = memory_pair("endpoint", "stage")
        self.links.accept(JoinLink(pipeline="p", link="back", sender="stage"), far)
        self._thread: threading.Thread | None = None

    def connect(self, _spec: LinkSpec) -> MemoryStream:
        near, far = memory_pair("endpoint", "stage")
        self._thread = threading.Thread(target=self._work, args=(far,))
        self._thread.start()
        return near

    def endpoint(self, *, depth: int = 8, check_every: int = 1, prefetch: int | None = None) -> Endpoint:
        spec = msgspec.structs.replace(self.ends, check_every=check_every, prefetch=prefetch)
        endpoint = Endpoint(self.links, spec, SAMPLES, depth, self.scope)
        self.links.open("endpoint", self.connect)
        return endpoint

    def close(self) -> None:
        self.scope.end()
        self.links.close()
        if self._thread is not None:
            self._thread.join()

    def _work(self, stream: MemoryStream) -> None:
        join = receive_message(stream, _join_decoder, limit_bytes=1000)
        assert join == JoinLink(pipeline="p", link="to", sender="endpoint")
        send_message(stream, Done())
        held: list[tuple[int | None, bytes]] = []
        arrived = threading.Condition()
        reading = threading.Thread(target=self._read, args=(stream, held, arrived))
        reading.start()
        answered = 0
        while True:
            with arrived:
                arrived.wait_for(lambda: bool(held))
                self.most_held = max(self.most_held, len(held))
                request, payload = held[0]
            if request is None:
                break
            time.sleep(self.delay_s)
            if answered == self.leave_after:
                self._back.send([memoryview(encode_notice())])
            self._answer(request, payload)
            answered += 1
            with arrived:
                held.pop(0)
        reading.join()

    def _read(
        self, stream: MemoryStream, held: list[tuple[int | None, bytes]], arrived: threading.Condition
    ) -> None:
        request: int | None = 0
        while request is not None:
            payload = bytearray(self._layout.payload_bytes)
            frame = [memoryview(self._layout.new_prefix()), memoryview(payload)]
            try:
                request = self._layout.read_rest(stream, frame, stream.receive_some_into(frame))
            except PeerError:
                request = None
            with arrived:
                held.append((request, bytes(payload)))
                arrived.notify()

    def _answer(self, request: int, payload: bytes) -> None:
        result = -np.frombuffer(payload, np.float32)
        if request == self.spoil_request:
            result[7] = np.nan
        prefix = self._reply.new_prefix()
        self._reply.address(prefix, request + self.swap)
        try:
            self._back.send([memoryview(prefix), memoryview(result.tobytes())])
        except PeerError:
            return


def counted(endpoint: Endpoint) -> NDArray[np.void]:
    rows = endpoint.take_rows()
    found: NDArray[np.void] = rows[rows["counted"] == 1]
    return found


@pytest.fixture
def stage() -> Iterator[NegatingStage]:
    made = NegatingStage()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("depth", "warmup", "load", "filling", "counted"),
    [
        (8, 3, LoadSpec(), 8, 16),
        (8, 9, LoadSpec(), 9, 16),
        (1, 3, LoadSpec(), 3, 12),
        (1, 0, LoadSpec(), 1, 12),
        (8, 0, LoadSpec(kind="constant", rate_per_s=500.0), 1, 12),
    ],
    ids=["depth 8", "longer warm-up", "depth 1", "depth 1, no warm-up", "open loop"],
)
def test_all_are_recorded_and_those_that_fill_the_pipeline_do_not_count(
    stage: NegatingStage, depth: int, warmup: int, load: LoadSpec, filling: int, counted: int
) -> None:
    endpoint = stage.endpoint(depth=depth)
    done = endpoint.run(Run(requests=12, warmup=warmup, load=load))
    assert (done.checked, done.worst_error) == (counted, 0.0)
    rows = endpoint.take_rows()
    assert rows["request"].tolist() == list(range(len(rows)))
    assert rows["request"][rows["counted"] == 1].tolist() == list(range(filling, filling + counted))
    # The source goes on until the last that counts is back.
    assert filling + counted <= len(rows) < filling + counted + depth
    assert (rows["latency_s"] > 0).all()
    assert len(endpoint.take_rows()) == 0


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_requests_than_the_depth_are_in_flight(stage: NegatingStage, depth: int) -> None:
    stage.delay_s = 0.003
    endpoint = stage.endpoint(depth=depth)
    endpoint.run(Run(requests=20, warmup=2))
    assert stage.most_held == depth
    rows = endpoint.take_rows()
    for row in rows:
        earlier = rows[rows["scheduled_at_s"] <= row["scheduled_at_s"]]
        assert np.count_nonzero(earlier["finished_at_s"] > row["scheduled_at_s"]) <= depth


def test_a_nan_is_a_mismatch(stage: NegatingStage) -> None:
    stage.spoil_request = 4
    with pytest.raises(MismatchError, match="request 4 is wrong: y differs from the answer by nan"):
        stage.endpoint().run(Run(requests=10))


def test_an_unchecked_result_is_not_looked_at(stage: NegatingStage) -> None:
    stage.spoil_request = 6
    # The depth of 8 makes 8 the first that counts, and 16 those that do: every third from 8 on is checked.
    assert stage.endpoint(check_every=3).run(Run(requests=10)).checked == 6


def test_results_must_come_in_order(stage: NegatingStage) -> None:
    stage.swap = True
    with pytest.raises(MismatchError, match="result 1 arrived, but 0 was expected"):
        stage.endpoint(check_every=0).run(Run(requests=10))


def test_a_neighbour_that_leaves_in_mid_run_ends_it(stage: NegatingStage) -> None:
    stage.leave_after = 5
    with pytest.raises(PeerError, match="link back: worker stage .* closed it"):
        stage.endpoint().run(Run(requests=10))


def test_a_run_that_takes_too_long_is_ended(stage: NegatingStage) -> None:
    stage.delay_s = 0.05
    with pytest.raises(FailedError, match="did not finish within 0.2 s"):
        stage.endpoint(depth=1).run(Run(requests=1000, timeout_s=0.2))


def test_a_run_whose_controller_went_is_ended(stage: NegatingStage) -> None:
    stage.delay_s = 0.05
    with pytest.raises(FailedError, match="controller went away"):
        stage.endpoint(depth=1).run(Run(requests=1000), abandoned=lambda: True)


def test_a_run_by_time_takes_at_least_that_time(stage: NegatingStage) -> None:
    stage.delay_s = 0.005
    done = stage.endpoint(depth=1).run(Run(requests=1, duration_s=0.2))
    assert done.elapsed_s >= 0.2
    assert 2 <= done.checked <= 41


def test_an_open_loop_counts_from_the_scheduled_time_and_the_wait_at_the_source(
    stage: NegatingStage,
) -> None:
    """Due every 2 ms at a stage that takes 20: the excess waits at the source, never in the pipeline."""
    stage.delay_s = 0.02
    endpoint = stage.endpoint(depth=2)
    endpoint.run(Run(requests=12, load=LoadSpec(kind="constant", rate_per_s=500.0)))
    rows = counted(endpoint)
    np.testing.assert_allclose(np.diff(rows["scheduled_at_s"]), 0.002)
    assert stage.most_held <= 2
    assert rows["latency_s"][-1] > 0.2
    assert rows["wait_source_s"][-1] > rows["latency_s"][-1] - 0.1
    assert rows["wait_source_s"][0] < 0.1


def test_a_load_that_is_too_much_ends_early_and_says_so(stage: NegatingStage) -> None:
    stage.delay_s = 0.01
    endpoint = stage.endpoint(depth=1)
    done = endpoint.run(Run(requests=100_000, load=LoadSpec(kind="poisson", rate_per_s=5000.0, seed=1)))
    assert done.overloaded
    assert 10 < len(endpoint.take_rows()) < 1000


def test_a_load_that_is_light_waits_for_its_times(stage: NegatingStage) -> None:
    endpoint = stage.endpoint(depth=4)
    done = endpoint.run(Run(requests=10, load=LoadSpec(kind="constant", rate_per_s=100.0)))
    assert not done.overloaded
    rows = counted(endpoint)
    assert np.diff(rows["scheduled_at_s"]) == pytest.approx([0.01] * 9)
    # One that was sent before its time would have come back before it.
    assert (rows["latency_s"] > 0).all()


@pytest.mark.parametrize("prefetch", [0, 3])
def test_preparing_is_a_part_of_its_own(stage: NegatingStage, prefetch: int) -> None:
    endpoint = stage.endpoint(prefetch=prefetch)
    assert endpoint.run(Run(requests=32, warmup=3)).checked == 32
    rows = endpoint.take_rows()
    assert (rows["prepare_s"] > 0).all()
    if prefetch == 0:
        assert (rows["wait_source_s"] >= rows["prepare_s"]).all()


def test_an_open_run_whose_controller_went_is_ended(stage: NegatingStage) -> None:
    with pytest.raises(FailedError, match="controller went away"):
        stage.endpoint().run(
            Run(requests=100, load=LoadSpec(kind="constant", rate_per_s=0.01)), abandoned=lambda: True
        )


def test_there_must_be_something_to_run(stage: NegatingStage) -> None:
    endpoint = stage.endpoint()
    for requests, warmup in ((0, 0), (-1, 0), (1, -1)):
        with pytest.raises(RefusedError, match="cannot run"):
            endpoint.run(Run(requests=requests, warmup=warmup))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 40))
def test_request_i_takes_its_samples_round_and_round(count: int, batch: int, request: int) -> None:
    column = np.arange(count, dtype=np.float32).reshape(count, 1)
    layout = LinkLayout([link("l", 0, batch, width=1).tensors[0]])
    batches = batches_of({"x": column}, layout, batch, "input")
    found = batches[request % len(batches)][0].ravel().tolist()
    assert found == [(request * batch + index) % count for index in range(batch)]


def test_samples_that_do_not_fit_the_link_are_named() -> None:
    layout = LinkLayout(link("l", 0, 2).tensors)
    with pytest.raises(RefusedError, match="no input x"):
        batches_of({"z": INPUTS}, layout, 2, "input")
    with pytest.raises(RefusedError, match=r"input x of batch 2 is float64 \[2, 16\], but the link carries"):
        batches_of({"x": INPUTS.astype(np.float64)}, layout, 2, "input")
    with pytest.raises(RefusedError, match=r"input x of batch 2 is float32 \[2, 15\]"):
        batches_of({"x": INPUTS[:, :15]}, layout, 2, "input")
