"""A pipeline over PyTorch RPC, from the worker's side: a separate process under its control."""

import contextlib
import select
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import Final, Self, TypeVar

from worker.clock import clock
from worker.rpc.command import check_interface, command, environment, interface_with
from worker.settings import Settings
from worker.wire.control import receive_reply, send_message
from worker.wire.errors import FailedError, PeerError, WorkerError
from worker.wire.messages import (
    BuildPipeline,
    ClosePipeline,
    Message,
    OpenLinks,
    PipelineBuilt,
    Records,
    Request,
    Run,
    RunDone,
    StagesTimed,
    TakeRecords,
    TimeStages,
)
from worker.wire.stream import SocketStream

__all__ = ["RpcPipeline"]

_LOOK_S: Final = 0.1
_BUILD_TIMEOUT_S: Final = 290.0
_ASK_TIMEOUT_S: Final = 25.0
_CLOSE_TIMEOUT_S: Final = 5.0
# Records of a long run are the longest reply.
_REPLY_LIMIT_BYTES: Final = 1024 * 1024 * 1024

_ReplyT = TypeVar("_ReplyT", bound=Message)


class RpcPipeline:
    """Used like a `Pipeline`. The process ends with `close`, and with this process in any case."""

    def __init__(self, process: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
        self._process = process
        self._socket = connection
        self._stream = SocketStream(connection, "the PyTorch RPC process")
        self._busy = threading.Lock()
        self._closed = threading.Event()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @classmethod
    def start(cls, build: BuildPipeline, settings: Settings) -> Self:
        """Start the process, idle.

        Raises:
            RefusedError: an unknown network interface.
        """
        spec = build.rpc
        assert spec is not None
        if spec.interface is not None:
            check_interface(spec.interface)
        runtime = settings.onnxruntime_options
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                command(
                    "--socket",
                    str(theirs.fileno()),
                    f"--store={settings.store}",
                    f"--slowdown={settings.slowdown}",
                    f"--provider={settings.provider}",
                    *(f"--onnxruntime-option={key}={value}" for key, value in runtime.items()),
                ),
                # The process ends when this pipe does: with us in any case.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment(spec.interface or interface_with(spec.address)),
                start_new_session=True,
            )
        return cls(process, ours)

    def build(self, build: BuildPipeline, abandoned: Callable[[], bool]) -> PipelineBuilt:
        """See `Pipeline.build`. Raises WorkerError: that failed there, or PyTorch is not available."""
        return self._ask(build, _BUILD_TIMEOUT_S, abandoned)

    def open(self, _sender: str, _connector: object) -> None:
        """Meet the other devices. Raises WorkerError: one is missing."""
        self._ask(OpenLinks(), _ASK_TIMEOUT_S)

    def run(self, run: Run, abandoned: Callable[[], bool]) -> RunDone:
        """See `Pipeline.run`."""
        return self._ask(run, run.timeout_s + _ASK_TIMEOUT_S, abandoned)

    def take_records(self, counted: tuple[int, int] | None = None) -> Records:
        """See `Pipeline.take_records`."""
        return self._ask(TakeRecords(counted=counted), _ASK_TIMEOUT_S)

    def time_stages(self, request: TimeStages, abandoned: Callable[[], bool]) -> StagesTimed:
        """See `Pipeline.time_stages`."""
        return self._ask(request, _BUILD_TIMEOUT_S, abandoned)

    def close(self) -> None:
        """Leave the other devices in order and end the process, by force if necessary."""
        self._closed.set()
        # A process busy with another thread's request is ended without asking.
        if self._process.poll() is None and self._busy.acquire(blocking=False):
            try:
                with contextlib.suppress(WorkerError):
                    self._exchange(ClosePipeline(), _CLOSE_TIMEOUT_S, lambda: False)
            finally:
                self._busy.release()
        self._end()
        self._stream.close()

    def _ask(
        self,
        request: Request[_ReplyT],
        timeout_s: float,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> _ReplyT:
        with self._busy:
            return self._exchange(request, timeout_s, lambda: self._closed.is_set() or abandoned())

    def _exchange(
        self, request: Request[_ReplyT], timeout_s: float, abandoned: Callable[[], bool]
    ) -> _ReplyT:
        deadline_s = clock() + timeout_s
        try:
            send_message(self._stream, request)
            while not select.select([self._socket], [], [], _LOOK_S)[0]:
                if abandoned():
                    self._end()
                    raise FailedError("the controller went away")
                if clock() > deadline_s:
                    self._end()
                    raise FailedError(
                        f"the PyTorch RPC process did not answer for {timeout_s:g} s and was ended"
                    )
            reply = receive_reply(self._stream, request, "PyTorch RPC", limit_bytes=_REPLY_LIMIT_BYTES)
        except PeerError as error:
            raise FailedError(f"the PyTorch RPC process was lost{self._how_it_ended()}") from error
        if reply is None:
            raise FailedError(f"the PyTorch RPC process ended{self._how_it_ended()}")
        return reply

    def _how_it_ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1.0)
            return f" by signal {-code}" if code < 0 else f" with code {code}"
        return ""

    def _end(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
