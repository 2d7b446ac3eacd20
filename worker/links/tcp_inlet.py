"""The receiving end of a link between two devices."""

import contextlib
import threading

from worker.clock import clock, sleep_for_slowdown
from worker.links.cancel_scope import CancelScope
from worker.links.ends import Inlet
from worker.links.slots import Slot, SlotPool
from worker.wire.codecs import NO_CODEC, Decoder, parse_codec, receive_encoded
from worker.wire.errors import PeerError, ProtocolError, RefusedError, WorkerError
from worker.wire.frames import LinkLayout, encode_notice, fill_all
from worker.wire.messages import LinkSpec
from worker.wire.stream import Stream

__all__ = ["TcpInlet"]


class TcpInlet(Inlet):
    """Receive frames into its own slots, once the other end has connected.

    With `passes_on` payloads stay as sent: its slots are for an outlet that passes on too.
    """

    immediate = False
    reuses_memory = True

    def __init__(
        self,
        spec: LinkSpec,
        depth: int,
        scope: CancelScope,
        *,
        passes_on: bool = False,
        slowdown: float = 1.0,
    ) -> None:
        self.name = spec.name
        self.layout = LinkLayout(spec.tensors, parse_codec(spec.codec))
        self._coded = self.layout.codec != NO_CODEC
        decodes = self._coded and not passes_on
        self._decoder = Decoder(self.layout.forms, self.layout.codec) if decodes else None
        self._slowdown = slowdown
        self._depth = depth
        self._pool = SlotPool(self.layout, depth)
        self._prefix = memoryview(self.layout.new_prefix())
        self._scope = scope
        self._attached = threading.Event()
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._from = "its sender"
        scope.at_end(self._stop)

    def attach(self, stream: Stream, sender: str) -> None:
        """Take the connection that the sending worker opened.

        Raises:
            RefusedError: the link has one already, or the pipeline has ended.
        """
        with self._lock:
            if self._stream is not None:
                raise RefusedError(f"link {self.name} is already connected")
            if self._scope.ended.is_set():
                raise RefusedError(f"link {self.name} is closed")
            self._stream = stream
            self._from = f"worker {sender} ({stream.peer})"
        self._attached.set()

    def wait_open(self, timeout_s: float) -> None:
        if not self._attached.wait(timeout_s):
            raise PeerError(f"link {self.name} was not connected within {timeout_s:g} s")
        self._scope.check()

    def receive(self) -> Slot | None:
        self._attached.wait()
        stream = self._stream
        if stream is None or self._scope.ended.is_set():
            return None
        try:
            return self._receive(stream)
        except ProtocolError as error:
            raise ProtocolError(f"link {self.name}: {self._from} {error}") from error
        except PeerError as error:
            raise PeerError(f"link {self.name} from {self._from} was lost: {error}") from error

    def _receive(self, stream: Stream) -> Slot | None:
        slot = self._pool.take_now()
        # A frame of known length that has arrived is received whole, in one system call.
        buffers = slot.buffers if slot is not None and not self._coded else [self._prefix]
        received = stream.receive_some_into(buffers)
        began_s = clock()
        request = self.layout.read_rest(stream, buffers, received)
        if request is None:
            self._scope.leave(PeerError(f"link {self.name}: {self._from} closed it"))
            return None
        slot = slot or self._pool.take_now()
        if slot is None:
            raise ProtocolError(f"sent more than {self._depth} requests before one came back")
        if len(buffers) == 1:
            self._receive_payload(stream, slot)
        slot.received_at_s = clock()
        slot.receive_s = slot.received_at_s - began_s
        slot.request = request
        if self._decoder is not None:
            # Not in the compute thread, which computes the request before meanwhile.
            self._decoder.decode(slot.arrays)
            sleep_for_slowdown(slot.received_at_s, self._slowdown, self._scope.ended)
            slot.decode_s = clock() - slot.received_at_s
        return slot

    def _receive_payload(self, stream: Stream, slot: Slot) -> None:
        if self._decoder is not None:
            self._decoder.receive(stream, slot.arrays)
        elif self._coded:
            slot.buffers[1:] = receive_encoded(stream, slot.arrays)
        else:
            fill_all(stream, slot.buffers[1:])

    def _stop(self, cause: WorkerError | None) -> None:
        with self._lock:
            stream = self._stream
        if stream is not None:
            notice = encode_notice(cause)
            # Nothing else goes this way, so this fits into the socket's buffer.
            with contextlib.suppress(PeerError):
                stream.send([memoryview(notice)])
            stream.shut()
        self._attached.set()

    def close(self) -> None:
        """Free the connection; no thread may still be receiving."""
        if self._stream is not None:
            self._stream.close()
