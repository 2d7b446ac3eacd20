"""The process with PyTorch: one pipeline over RPC, controlled by the worker beside it."""

import argparse
import logging
import os
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import Final, NoReturn

from worker.host.memory import keep_little
from worker.inference.provider import prepare
from worker.inference.session_options import parse_options
from worker.pipeline.loading import Loader
from worker.pipeline.pipeline import Pipeline
from worker.store import Store
from worker.terminal import show
from worker.wire.control import CLAIMED_LIMIT_BYTES, receive_message, request_decoder, send_message
from worker.wire.errors import FailedError, RefusedError, WorkerError
from worker.wire.messages import (
    BuildPipeline,
    ClosePipeline,
    Done,
    Message,
    OpenLinks,
    Request,
    Run,
    TakeRecords,
    TimeStages,
)
from worker.wire.stream import SocketStream

_log: Final = logging.getLogger("worker.rpc")


class _Child:
    """The pipeline handlers of `worker.service.session.Session`, for one pipeline."""

    def __init__(self, options: argparse.Namespace, stream: SocketStream) -> None:
        prepare(options.provider)
        self._loader = Loader(
            Store(options.store), options.provider, parse_options(options.onnxruntime_option)
        )
        self._slowdown = options.slowdown
        self._stream = stream
        self._pipeline: Pipeline | None = None

    def answer(self, request: Request[Message]) -> Message:
        match request:
            case BuildPipeline():
                # Not at the top: a failing import of PyTorch must become a refusal.
                from worker.rpc.links import RpcLinks

                self._pipeline = Pipeline(
                    request,
                    self._loader,
                    slowdown=self._slowdown,
                    make_links=RpcLinks,
                    abandoned=self._stream.has_ended,
                )
                return self._pipeline.built
            case OpenLinks():
                self._built().open("", _no_connector)
            case Run():
                return self._built().run(request, self._stream.has_ended)
            case TakeRecords():
                return self._built().take_records()
            case TimeStages():
                return self._built().time_stages(request, self._stream.has_ended)
            case ClosePipeline():
                if self._pipeline is not None:
                    self._pipeline.close()
            case _:
                raise RefusedError(f"{type(request).__name__} is not expected here")
        return Done()

    def _built(self) -> Pipeline:
        if self._pipeline is None:
            raise RefusedError("no pipeline is built")
        return self._pipeline


def _no_connector(_spec: object) -> NoReturn:
    raise RefusedError("PyTorch RPC connects by itself")


def _serve(options: argparse.Namespace) -> None:
    connection = socket.socket(fileno=options.socket)
    stream = SocketStream(connection, "the worker")
    child = _Child(options, stream)
    while True:
        request = receive_message(stream, request_decoder, limit_bytes=CLAIMED_LIMIT_BYTES)
        if request is None:
            return
        try:
            reply = child.answer(request)
        except WorkerError as error:
            reply = error.problem()
        except Exception as error:
            _log.exception("%s failed", type(request).__name__)
            reply = FailedError(f"{type(request).__name__}: {type(error).__name__}: {error}").problem()
        send_message(stream, reply)
        if isinstance(request, ClosePipeline):
            return


def _end_with_the_worker() -> None:
    """End this process with the worker, which holds the other end of our stdin and never writes to it."""
    sys.stdin.buffer.read()
    # At once, even while RPC waits.
    os._exit(0)


def _obstacle() -> str | None:
    """Why this PyTorch cannot do RPC; None if it can."""
    try:
        import torch
    except Exception as error:
        return f"PyTorch cannot be imported ({' '.join(str(error).split())})"
    import torch.distributed

    if not torch.distributed.is_available() or not torch.distributed.rpc.is_available():
        return (
            f"this build of PyTorch ({torch.__version__}, {sys.platform}) has no RPC; install one that has, "
            "such as the CPU build for Linux"
        )
    return None


def main() -> int:
    """Serve one pipeline, or with `--check` print what prevents it."""
    parser = argparse.ArgumentParser(prog="python -m worker.rpc", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check whether PyTorch has RPC")
    parser.add_argument("--socket", type=int, help="descriptor of the socket to the worker")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--slowdown", type=float, default=1.0)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--onnxruntime-option", action="append", default=[])
    options = parser.parse_args()
    if options.check:
        why = _obstacle()
        show(why or "")
        return 1 if why else 0
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # PyTorch's warnings about its own code.
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_the_worker, name="end with the worker", daemon=True).start()
    keep_little()
    try:
        _serve(options)
    finally:
        sys.stderr.flush()
        # RPC's threads may hang on lost neighbours; the others know all there is to know.
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
