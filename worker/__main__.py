"""Command line of the worker: `python -m worker serve|start|stop|ask|check`.

Modules that load ONNX Runtime are imported on use: on a small device that takes longer than most commands.
"""

import argparse
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NoReturn, TypeVar

from worker.host.device import pin_to_core
from worker.host.memory import keep_little
from worker.inference.provider import PROVIDERS
from worker.inference.session_options import parse_options
from worker.settings import Settings
from worker.store import inspect_bundle
from worker.terminal import one_line, run, say, show
from worker.wire.control import ControlConnection
from worker.wire.errors import UsageError, WorkerError
from worker.wire.messages import MOST_SLOWDOWN, MOST_THREADS, Query
from worker.wire.security import load_security

_NumberT = TypeVar("_NumberT", int, float)

_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130
_ASK_TIMEOUT_S = 10.0


class _OneLine(logging.Formatter):
    """Keep a record on one line: names come from others."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = one_line(record.message)
        return super().formatMessage(record)


class _Parser(argparse.ArgumentParser):
    """Report a wrong command line in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def _number(kind: Callable[[str], _NumberT], low: float, high: float, what: str) -> Callable[[str], _NumberT]:
    """Accept a number from `low` to `high`, or explain `what` it must be."""

    def parse(text: str) -> _NumberT:
        with contextlib.suppress(ValueError):
            if low <= (value := kind(text)) <= high:
                return value
        raise argparse.ArgumentTypeError(f"{text} is not {what}")

    return parse


_port = _number(int, 0, 65_535, "a port (0 to 65535)")
_threads = _number(int, 1, MOST_THREADS, f"a number of threads (1 to {MOST_THREADS})")
_slowdown = _number(float, 1.0, MOST_SLOWDOWN, f"a slowdown (1 to {MOST_SLOWDOWN:g})")
_interval = _number(float, 0.01, sys.float_info.max, "an interval in seconds (0.01 or more)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Errors are one line on stderr."""
    return run(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parse(arguments)
        return int(options.command(options))
    except WorkerError as error:
        say(f"error: {one_line(str(error))}")
        return _EXIT_BAD_INPUT
    except OSError as error:  # an impossible path, a full disk
        text = f"{error.filename or 'file'}: {error.strerror or error}"
        say(f"error: {one_line(text)}")
        return _EXIT_BAD_INPUT
    except KeyboardInterrupt:
        say("error: interrupted")
        return _EXIT_INTERRUPTED


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    for key, value in vars(options).items():
        # What argparse makes of `--store=--`.
        if value == [] and key not in ("bundles", "onnxruntime_options"):
            raise UsageError(f"--{key.replace('_', '-')} has no value")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m worker", description="Run stages of a model on this device.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    serve = commands.add_parser("serve", help="serve in the foreground until SIGTERM or Ctrl-C")
    _add_settings(serve)
    serve.add_argument(
        "--until-eof", action="store_true", help="also end when standard input does, as with who started it"
    )
    serve.set_defaults(command=_serve)

    starting = commands.add_parser("start", help="serve in the background")
    _add_settings(starting)
    starting.add_argument("--log", type=Path, required=True, help="append the log to this file")
    starting.set_defaults(command=_start)

    stopping = commands.add_parser("stop", help="stop the background worker")
    stopping.set_defaults(command=_stop)
    for command in (starting, stopping):
        command.add_argument(
            "--pid-file", type=Path, required=True, help="file that records the background worker"
        )

    asking = commands.add_parser("ask", help="print a worker's name, holder and stamp")
    asking.add_argument("--host", default="127.0.0.1", help="the worker's address (default: %(default)s)")
    asking.add_argument("--control-port", type=_port, default=7100, help="default: %(default)s")
    asking.add_argument("--name", help="device that its certificate must name")
    _add_secrets(asking)
    asking.set_defaults(command=_ask)

    checking = commands.add_parser("check", help="check bundles in a store against their digests")
    checking.add_argument("--store", type=Path, required=True, help="folder for bundles and shards")
    checking.add_argument("bundles", nargs="*", metavar="DIGEST", help="bundles to check")
    checking.set_defaults(command=_check)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--name", required=True, help="the device's name in the inventory and in results")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--control-port", type=_port, default=7100, help="0 chooses a free port (default: %(default)s)")
    add("--data-port", type=_port, default=7101, help="0 chooses a free port (default: %(default)s)")
    add("--store", type=_absolute, required=True, help="folder for bundles and shards")
    kinds = ("local", "namespace", "virtual", "real")
    add("--kind", choices=kinds, default="local", help="default: %(default)s")
    add("--slowdown", type=_slowdown, default=1.0, help="emulate a device this many times slower")
    add("--threads", type=_threads, default=1, help="threads of a stage (default: %(default)s)")
    add("--provider", choices=tuple(PROVIDERS), default="cpu", help="execution provider (default: cpu)")
    add(
        "--onnxruntime-option",
        dest="onnxruntime_options",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="graph_optimization_level=LEVEL or a session configuration entry; repeatable",
    )
    add("--cpu", type=int, help="run only on this core")
    add(
        "--telemetry-interval",
        dest="telemetry_interval_s",
        metavar="SECONDS",
        type=_interval,
        default=0.5,
        help="default: %(default)s",
    )
    add("--heartbeat", type=_absolute, help="file to renew while a controller is connected")
    add("--qdisc-of", metavar="INTERFACE", help="void a run in which this interface's qdisc changes")
    _add_secrets(parser)
    add("--open-to-all", action="store_true", help="listen beyond this host even without a key")


def _add_secrets(parser: argparse.ArgumentParser) -> None:
    secrets = parser.add_mutually_exclusive_group()
    secrets.add_argument("--key-file", type=_absolute, help="file with the lab's key")
    secrets.add_argument(
        "--certificates",
        type=_absolute,
        metavar="DIR",
        help="use TLS with the ca.pem and device.pem of this folder",
    )


def _settings(options: argparse.Namespace) -> Settings:
    values = {field.name: getattr(options, field.name) for field in fields(Settings)}
    return Settings(**values | {"onnxruntime_options": parse_options(options.onnxruntime_options)})


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def _put_at_eof(ended: SimpleQueue[int]) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ended.put(signal.SIGTERM)


def _serve(options: argparse.Namespace) -> int:
    from worker.service.server import Server

    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[to_stderr], force=True)
    settings = _settings(options)
    if settings.cpu is not None:
        try:
            pin_to_core(settings.cpu)
        except (OSError, NotImplementedError, ValueError) as error:
            cores = os.cpu_count() or 1
            raise UsageError(
                f"--cpu {settings.cpu}: {error}; this host has cores 0 to {cores - 1}"
            ) from error
    keep_little()
    # An event's lock may be held where a signal interrupts; a simple queue has none to wait for.
    ended: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: ended.put(number))
    if options.until_eof:
        Thread(target=_put_at_eof, args=(ended,), name="until-eof", daemon=True).start()
    server = Server(settings)
    server.begin()
    ports = {"control_port": server.control_port, "data_port": server.data_port, "pid": os.getpid()}
    show(json.dumps(ports))
    _tell_service_manager()
    logging.info("worker %s serves on %s: %s", settings.name, settings.host, json.dumps(ports))
    # Imported modules live for ever: spare the collector a look at them after each pipeline.
    gc.freeze()
    ended.get()
    server.close()
    logging.info("worker %s ends", settings.name)
    return 0


def _tell_service_manager() -> None:
    """Report to systemd, if there, that the worker listens, like sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for the abstract namespace.
    path = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(b"READY=1", path)


def _start(options: argparse.Namespace) -> int:
    from worker.service.daemon import start

    show(start(_settings(options), options.pid_file, options.log))
    return 0


def _stop(options: argparse.Namespace) -> int:
    from worker.service.daemon import stop

    show(stop(options.pid_file))
    return 0


def _ask(options: argparse.Namespace) -> int:
    security = load_security(options.key_file, options.certificates, name=options.name or "controller")
    with ControlConnection.open(
        options.host, options.control_port, security, timeout_s=_ASK_TIMEOUT_S, expected=options.name
    ) as connection:
        info = connection.ask(Query(), timeout_s=_ASK_TIMEOUT_S)
    show(json.dumps({"name": info.name, "holder": info.holder, "stamp": info.stamp}))
    return 0


def _check(options: argparse.Namespace) -> int:
    findings = {digest: asdict(inspect_bundle(options.store, digest)) for digest in options.bundles}
    show(json.dumps(findings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
