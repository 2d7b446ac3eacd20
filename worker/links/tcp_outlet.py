"""The sending end of a link between two devices, directly or behind an emulated link."""

import contextlib
import threading
from collections.abc import Sequence
from queue import SimpleQueue

from worker.clock import clock, sharpen_sleep, sleep_for_slowdown, sleep_until
from worker.links.accounts import KernelAccount, ScheduleAccount
from worker.links.cancel_scope import CancelScope
from worker.links.emulation import EmulatedLink, Passage
from worker.links.ends import Outlet, SentHook, ignore_sent
from worker.links.slots import Slot, SlotPool
from worker.wire.codecs import NO_CODEC, EncodedPayload, Encoder, parse_codec
from worker.wire.errors import PeerError, ProtocolError, WorkerError
from worker.wire.frames import LinkLayout, encode_notice, read_notice
from worker.wire.messages import LinkAccount, LinkSpec, SentBytes
from worker.wire.stream import Stream

__all__ = ["EmulatedOutlet", "TcpOutlet"]

# Copying a larger frame into the kernel takes longer than handing it to another thread.
_SENT_NOW_BYTES = 128 * 1024

# The longest time to send a last word to a neighbour that no longer reads.
_LAST_WORD_S = 0.2


class TcpOutlet(Outlet):
    """Send slots from their own memory, and notice when the other end goes away.

    With a codec, `send` encodes first, in the thread that sends: meanwhile the stage computes the next
    request, and the kernel still sends the one before. With `passes_on` slots hold encoded buffers already.
    """

    immediate = False

    def __init__(
        self,
        spec: LinkSpec,
        depth: int,
        scope: CancelScope,
        *,
        with_memory: bool,
        passes_on: bool = False,
        slowdown: float = 1.0,
    ) -> None:
        self.name = spec.name
        self.layout = LinkLayout(spec.tensors, parse_codec(spec.codec))
        coded = self.layout.codec != NO_CODEC
        self._encoder = Encoder(self.layout.forms, self.layout.codec) if coded and not passes_on else None
        self._payload = self._encoder.new_payload() if self._encoder else None
        self._slowdown = slowdown
        self._counted = (0, 0, 0)
        self._account = KernelAccount(spec.name)
        self.pool = SlotPool(self.layout, depth, with_memory=with_memory)
        self.on_sent: SentHook = ignore_sent
        self._to = f"{spec.host}:{spec.port}"
        self._scope = scope
        self._frame_boundary = threading.Lock()
        self._stream: Stream | None = None
        self._watch = threading.Thread(target=self._watch_other_end, name=f"watch {self.name}", daemon=True)
        scope.at_end(self._stop)

    def attach(self, stream: Stream) -> None:
        """Take the connection to send on."""
        self._stream = stream
        if self._scope.ended.is_set():
            # It ended while we were connecting, so its end did not shut this stream.
            stream.shut()
        self._watch.start()

    def send_now(self, slot: Slot) -> bool:
        """Send a small frame, as far as the kernel takes it at once; see `Outlet.send_now`."""
        stream = self._stream
        if self._encoder is not None or self.layout.frame_bytes > _SENT_NOW_BYTES or stream is None:
            return False
        slot.sending_at_s = clock()
        self._account.note(slot.request, stream)
        self.layout.address(slot.prefix, slot.request)
        # `send` releases it when a rest remains: nothing else may be sent before that.
        self._frame_boundary.acquire()
        try:
            slot.unsent = stream.send_now(slot.buffers)
        except PeerError as error:
            self._frame_boundary.release()
            raise self._lost(error) from error
        if slot.unsent:
            return False
        self._frame_boundary.release()
        self._note(slot, slot.sending_at_s, slot.sending_at_s)
        return True

    def send(self, slot: Slot) -> None:
        """Send the slot's frame; returns when the kernel has it."""
        if slot.unsent:
            self._send_rest(slot)
            return
        began_s = encoded_s = clock()
        payload = self._payload
        if payload is not None:
            encoded_s = self._encode(slot, payload, began_s)
        if self._stream is not None:
            self._account.note(slot.request, self._stream)
        self._write(slot, payload)
        self._note(slot, began_s, encoded_s)

    def _send_rest(self, slot: Slot) -> None:
        rest, slot.unsent = slot.unsent, ()
        try:
            self._send_all(rest)
        finally:
            self._frame_boundary.release()
        self._note(slot, slot.sending_at_s, slot.sending_at_s)

    def _note(self, slot: Slot, began_s: float, encoded_s: float) -> None:
        self.on_sent(slot, began_s - slot.ready_at_s, clock() - encoded_s)
        slot.give_back()

    def take_sent(self) -> SentBytes | None:
        """Bytes that the codec made of the last run; None without a codec."""
        if self._encoder is None:
            return None
        requests, encoded_bytes, sent_raw = self._counted
        return SentBytes(link=self.name, requests=requests, encoded_bytes=encoded_bytes, sent_raw=sent_raw)

    def account(self, counted: tuple[int, int]) -> LinkAccount | None:
        """How long the link was in use among these requests of the last run; None where nothing tells."""
        return self._account.take(counted)

    def _encode(self, slot: Slot, payload: EncodedPayload, began_s: float) -> float:
        assert self._encoder is not None
        self._encoder.encode(slot.arrays, payload)
        # What a codec takes depends on the data, so each run has a time of its own.
        sleep_for_slowdown(began_s, self._slowdown, self._scope.ended)
        encoded_s = clock()
        slot.encode_s = encoded_s - began_s
        return encoded_s

    def _count(self, slot: Slot, payload: EncodedPayload) -> None:
        # Request 0 begins a new run.
        so_far = (0, 0, 0) if slot.request == 0 else self._counted
        self._counted = (so_far[0] + 1, so_far[1] + payload.encoded_bytes, so_far[2] + payload.sent_raw)

    def _write(self, slot: Slot, payload: EncodedPayload | None) -> None:
        self.layout.address(slot.prefix, slot.request)
        if payload is not None:
            # Before it leaves: its result may be back, and the records be taken, before this thread goes on.
            self._count(slot, payload)
        with self._frame_boundary:
            self._send_all(slot.buffers if payload is None else [slot.buffers[0], *payload.buffers])

    def _send_all(self, buffers: Sequence[memoryview]) -> None:
        if self._stream is None:
            raise PeerError(f"link {self.name} to {self._to} is not connected")
        try:
            self._stream.send(buffers)
        except PeerError as error:
            raise self._lost(error) from error

    def _lost(self, error: PeerError) -> PeerError:
        return PeerError(f"link {self.name} to {self._to} was lost: {error}")

    def _watch_other_end(self) -> None:
        assert self._stream is not None
        try:
            read_notice(self._stream)
            self._scope.leave(PeerError(f"link {self.name}: {self._to} closed it"))
        except ProtocolError as error:
            self._scope.fail(ProtocolError(f"link {self.name}: {self._to} {error}"))
        except PeerError as error:
            self._scope.fail(self._lost(error))

    def _stop(self, cause: WorkerError | None) -> None:
        self.pool.stop()
        stream = self._stream
        if stream is None:
            return
        # A last word fits only between frames; in the middle of one the closed connection must do.
        if self._frame_boundary.acquire(blocking=False):
            notice = encode_notice(cause)
            with contextlib.suppress(PeerError):
                stream.set_timeout(_LAST_WORD_S)
                stream.send([memoryview(notice)])
            self._frame_boundary.release()
        stream.shut()

    def close(self) -> None:
        """Free the connection; no thread may still be sending."""
        if self._stream is not None:
            self._watch.join()
            self._stream.close()


class EmulatedOutlet(TcpOutlet):
    """Hold each frame back until the emulated link would have delivered it.

    `send` schedules a frame as soon as it is ready, since other outlets may share the emulated link. One
    thread is enough for delivery: frames that are on the emulated link at the same time wait in the queue.
    """

    def __init__(
        self,
        spec: LinkSpec,
        depth: int,
        scope: CancelScope,
        *,
        emulated: EmulatedLink,
        with_memory: bool,
        passes_on: bool = False,
        slowdown: float = 1.0,
    ) -> None:
        super().__init__(spec, depth, scope, with_memory=with_memory, passes_on=passes_on, slowdown=slowdown)
        # Encoding takes time, so it needs its own thread.
        self.immediate = self._encoder is None
        # Several frames are between `send` and delivery, so each slot needs its own.
        self._payloads = (
            {slot: self._encoder.new_payload() for slot in self.pool.slots} if self._encoder else {}
        )
        self._emulated = emulated
        self._schedule = ScheduleAccount(spec.name)
        self._queue: SimpleQueue[tuple[Slot, Passage] | None] = SimpleQueue()
        self._delivery = threading.Thread(target=self._deliver, name=f"deliver {self.name}", daemon=True)

    def attach(self, stream: Stream) -> None:
        super().attach(stream)
        self._delivery.start()

    def send_now(self, slot: Slot) -> bool:
        """Send at once, but only without encoding, which takes time."""
        if not self.immediate:
            return False
        self.send(slot)
        return True

    def send(self, slot: Slot) -> None:
        """Give the slot to the emulated link."""
        payload = self._payloads.get(slot)
        if payload is not None:
            began_s = clock()
            slot.wait_encode_s = began_s - slot.ready_at_s
            slot.ready_at_s = self._encode(slot, payload, began_s)
        buffers = slot.buffers[1:] if payload is None else payload.buffers
        frame_bytes = self.layout.prefix_bytes + sum(map(len, buffers))
        stream = self._stream
        tcp_bytes = frame_bytes if stream is None else stream.tcp_bytes(frame_bytes)
        passage = self._emulated.carry(slot.ready_at_s, tcp_bytes)
        self._schedule.note(slot.request, slot.ready_at_s, passage)
        self._queue.put((slot, passage))

    def account(self, counted: tuple[int, int]) -> LinkAccount | None:
        return self._schedule.take(counted)

    def _deliver(self) -> None:
        sharpen_sleep()
        try:
            while (scheduled := self._queue.get()) is not None:
                slot, passage = scheduled
                if not sleep_until(passage.delivery_s, self._scope.ended):
                    return
                self._write(slot, self._payloads.get(slot))
                wait_send_s = slot.wait_encode_s + passage.start_s - slot.ready_at_s
                self.on_sent(slot, wait_send_s, passage.departure_s - passage.start_s)
                slot.give_back()
        except Exception as error:
            self._scope.fail(error)

    def _stop(self, cause: WorkerError | None) -> None:
        self._queue.put(None)
        super()._stop(cause)

    def close(self) -> None:
        if self._stream is not None:
            self._delivery.join()
        super().close()
