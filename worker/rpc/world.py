"""The processes of one pipeline as a world of PyTorch RPC: join once, watch, and leave in order."""

import contextlib
import threading
from collections.abc import Collection
from typing import Any, Final

import torch
from torch.distributed import rpc

from worker.links.cancel_scope import CancelScope
from worker.wire.errors import FailedError, PeerError, RefusedError, WorkerError
from worker.wire.messages import RpcSpec

__all__ = ["World", "last_line"]

_JOIN_TIMEOUT_S: Final = 300.0
_WAIT_JOINED_S: Final = 20.0
_LAST_WORD_S: Final = 1.0

# For incoming calls: a process is in one world.
_here: "World | None" = None
_watchers: "list[torch.futures.Future[None]]" = []


class World:
    """This process's place among the others; `name` is its device's."""

    def __init__(self, spec: RpcSpec, scope: CancelScope) -> None:
        global _here
        if _here is not None:
            raise RefusedError("PyTorch RPC starts only once in a process")
        _here = self
        self._spec = spec
        self.name = spec.workers[spec.rank]
        self._scope = scope
        self._joined = threading.Event()
        self._peers: tuple[str, ...] = ()
        self._parted: set[str] = set()
        self._last_words: list[Any] = []
        scope.at_end(self._tell)

    def address(self, device: str) -> str:
        """A device's name in RPC, which accepts no dot."""
        return f"worker{self._spec.workers.index(device)}"

    def begin(self) -> None:
        """Join in the background: RPC waits for all, and the controller builds them one after the other."""
        threading.Thread(target=self._join, name="join", daemon=True).start()

    def enter(self, peers: Collection[str]) -> None:
        """Wait until all have joined, and watch these peers.

        Raises:
            FailedError: they have not, or RPC could not start.
        """
        if not self._joined.wait(_WAIT_JOINED_S):
            raise FailedError(
                f"PyTorch RPC on {self.name} did not meet {', '.join(self._spec.workers)} at "
                f"{self._spec.host}:{self._spec.port} within {_WAIT_JOINED_S:g} s; is that port open between "
                f"them? RPC also uses other, arbitrary ports"
            )
        self._scope.check()
        self._peers = tuple(peers)
        for peer in self._peers:
            watch = rpc.rpc_async(self.address(peer), stay, timeout=0)
            watch.add_done_callback(lambda done, peer=peer: self._lost(peer, done))

    def leave(self) -> None:
        """Wait until the neighbours know why we leave; the scope has ended."""
        for word in self._last_words:
            with contextlib.suppress(Exception):
                word.wait()

    def parted(self, peer: str, cause: str | None) -> None:
        """Note that a neighbour leaves: in order, or because it failed."""
        self._parted.add(peer)
        if cause is None:
            self._scope.leave(PeerError(f"worker {peer} closed the pipeline"))
        else:
            self._scope.fail(PeerError(f"worker {peer} failed: {cause}"))

    def _join(self) -> None:
        spec = self._spec
        tcp = spec.transport == "tcp"
        try:
            options = rpc.TensorPipeRpcBackendOptions(
                init_method=f"tcp://{_bracketed(spec.host)}:{spec.port}",
                num_worker_threads=spec.threads,
                rpc_timeout=_JOIN_TIMEOUT_S,
                _transports=["uv"] if tcp else None,
                _channels=["mpt_uv", "basic"] if tcp else None,
            )
            rpc.init_rpc(  # type: ignore[no-untyped-call]  # PyTorch does not type it
                self.address(self.name),
                rank=spec.rank,
                world_size=len(spec.workers),
                rpc_backend_options=options,
            )
        except Exception as error:
            self._scope.fail(FailedError(f"PyTorch RPC on {self.name}, port {spec.port}: {last_line(error)}"))
        self._joined.set()

    def _lost(self, peer: str, done: Any) -> None:
        if peer in self._parted or self._scope.ended.is_set():
            return
        try:
            done.wait()
        except Exception as error:
            self._scope.fail(PeerError(f"worker {peer} was lost: {last_line(error)}"))

    def _tell(self, cause: WorkerError | None) -> None:
        for peer in self._peers:
            if peer not in self._parted:
                with contextlib.suppress(Exception):
                    farewell = (self.name, None if cause is None else str(cause))
                    word = rpc.rpc_async(self.address(peer), part, farewell, timeout=_LAST_WORD_S)
                    self._last_words.append(word)


@rpc.functions.async_execution  # type: ignore[untyped-decorator]  # nor this
def stay() -> "torch.futures.Future[None]":
    """Never answer: a neighbour's call fails as soon as this process is gone."""
    future: torch.futures.Future[None] = torch.futures.Future()
    _watchers.append(future)
    return future


def part(sender: str, cause: str | None) -> None:
    """Note that `sender` leaves, in order or because of `cause`; it calls this on its neighbours."""
    if _here is not None:
        _here.parted(sender, cause)


def last_line(error: BaseException) -> str:
    """The last line of PyTorch's error, without its traces of other hosts."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Without the place in PyTorch's sources, too.
    return lines[-1].partition(" (this error originated at")[0] if lines else type(error).__name__


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
