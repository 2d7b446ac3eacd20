"""A worker in the background, noted in a pid file."""

import contextlib
import hashlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import psutil

from worker.clock import clock
from worker.host.device import source_digest
from worker.service.launch import WorkerProcess
from worker.settings import Settings
from worker.wire.control import ControlConnection
from worker.wire.errors import FailedError, UsageError, WorkerError
from worker.wire.messages import Query
from worker.wire.security import load_security, secret_files

__all__ = ["start", "stop"]

_STOP_TIMEOUT_S: Final = 10.0
_ASK_TIMEOUT_S: Final = 5.0


class _Note(msgspec.Struct):
    """What a pid file says of its worker; `began` tells the process from a later one with its pid."""

    pid: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    began: str | None = None
    digest: str = ""
    control_port: int = 0


def start(
    settings: Settings, pid_file: Path, log: Path
) -> Literal["started", "restarted", "already running"]:
    """Have a worker with these settings and this code serve in the background, and wait until it answers.

    Raises:
        UsageError: its port, store or pid file cannot be had.
        FailedError: it does not come up.
    """
    digest = _digest(settings)
    note = _read_note(pid_file)
    was_running = note is not None and _is_running(note)
    if note is not None and was_running:
        if note.digest == digest and _answers(settings, note):
            return "already running"
        _end(note)
    note = _spawn(settings, digest, pid_file, log)
    if not _answers(settings, note):
        _end(note)
        pid_file.unlink(missing_ok=True)
        raise FailedError(f"worker {settings.name} was started but does not answer; see {log}")
    return "restarted" if was_running else "started"


def stop(pid_file: Path) -> Literal["stopped", "not running"]:
    """End the worker that the pid file notes, if it is still that process.

    Raises:
        UsageError: the file is not a pid file.
    """
    note = _read_note(pid_file)
    if note is None or not _is_running(note):
        pid_file.unlink(missing_ok=True)
        return "not running"
    _end(note)
    pid_file.unlink(missing_ok=True)
    return "stopped"


def _spawn(settings: Settings, digest: str, pid_file: Path, log: Path) -> _Note:
    try:
        for path in (pid_file, log):
            path.parent.mkdir(parents=True, exist_ok=True)
        worker = WorkerProcess(settings.command_line(), log)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written ({error.strerror})") from error
    note = _Note(worker.pid, _began(worker.pid), digest)
    _write_note(pid_file, note)
    try:
        worker.wait_ready()
    except UsageError:
        pid_file.unlink(missing_ok=True)
        raise
    note.control_port = worker.control_port
    _write_note(pid_file, note)
    worker.release()
    return note


def _answers(settings: Settings, note: _Note) -> bool:
    try:
        host = settings.host
        security = load_security(settings.key_file, settings.certificates, name=settings.name)
        # "" and 0.0.0.0 listen on every address; loopback is one of them.
        reached = "127.0.0.1" if host in ("", "0.0.0.0") else host
        with ControlConnection.open(
            reached, note.control_port, security, timeout_s=_ASK_TIMEOUT_S, expected=settings.name
        ) as connection:
            connection.ask(Query(), timeout_s=_ASK_TIMEOUT_S)
    except WorkerError:
        return False
    return True


def _end(note: _Note) -> None:
    """End a worker, gently and then not."""
    for number, timeout_s in ((signal.SIGTERM, _STOP_TIMEOUT_S), (signal.SIGKILL, _STOP_TIMEOUT_S)):
        deadline_s = clock() + timeout_s
        with contextlib.suppress(ProcessLookupError):
            os.kill(note.pid, number)
        while clock() < deadline_s:
            if not _is_running(note):
                return
            time.sleep(0.02)
    raise FailedError(f"worker with pid {note.pid} does not end")


def _is_running(note: _Note) -> bool:
    """Whether the noted process still lives; another one under its pid does not count."""
    return note.began is not None and _began(note.pid) == note.began


def _began(pid: int) -> str | None:
    """What tells a process from a later one with the same pid; None when there is none, or it has ended."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if not psutil.LINUX:
            return f"{process.create_time():.2f}"
        # psutil's time moves when the host's clock is set; ticks since this boot do not.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (psutil.Error, OSError, IndexError):
        return None
    return f"{boot} {ticks}"


def _digest(settings: Settings) -> str:
    """Changes when the settings, the worker's code or its secrets do."""
    text = json.dumps(asdict(settings), sort_keys=True, default=str)
    digest = hashlib.sha256(f"{text}\0{source_digest()}\0{sys.executable}".encode())
    for path in secret_files(settings.key_file, settings.certificates):
        with contextlib.suppress(OSError):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read_note(pid_file: Path) -> _Note | None:
    try:
        return msgspec.json.decode(pid_file.read_bytes(), type=_Note)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{pid_file} is not a pid file of a worker: remove it") from error


def _write_note(pid_file: Path, note: _Note) -> None:
    partial = pid_file.with_name(f"{pid_file.name}.partial")
    partial.write_bytes(msgspec.json.encode(note))
    partial.replace(pid_file)
