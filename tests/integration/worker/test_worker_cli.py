"""The command line: one line for what is wrong, and the words that Ansible goes by."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.ports import free_ports
from tests.integration.worker.conftest import StartWorker
from worker.__main__ import main
from worker.wire.control import ControlConnection
from worker.wire.messages import Query


def worker(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "worker", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def background(tmp_path: Path) -> Iterator[list[str]]:
    """Arguments of `start`; what was started is stopped with the test."""
    pid_file = str(tmp_path / "run" / "pi.pid")
    port = free_ports(2)
    yield [
        *("--pid-file", pid_file, "--log", str(tmp_path / "log" / "pi.log")),
        *("--name", "pi", "--store", str(tmp_path / "store")),
        *("--control-port", str(port), "--data-port", str(port + 1)),
    ]
    worker("stop", "--pid-file", pid_file)


def note_of(background: list[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path(background[1]).read_text())
    return found


def test_start_and_stop_say_what_they_did(background: list[str]) -> None:
    pid_file = background[1]
    assert worker("start", *background).stdout == "started\n"
    first = note_of(background)
    assert worker("start", *background).stdout == "already running\n"
    assert note_of(background) == first

    assert worker("start", *background, "--slowdown", "2").stdout == "restarted\n"
    with ControlConnection.open("127.0.0.1", int(background[9])) as connection:
        assert connection.ask(Query()).slowdown == 2

    assert worker("stop", "--pid-file", pid_file).stdout == "stopped\n"
    assert worker("stop", "--pid-file", pid_file).stdout == "not running\n"
    assert not Path(pid_file).exists()


def test_a_worker_that_died_is_started_again(background: list[str]) -> None:
    worker("start", *background)
    os.kill(int(str(note_of(background)["pid"])), signal.SIGKILL)
    assert worker("start", *background).stdout == "started\n"


def test_another_process_under_the_noted_pid_is_left_alone(background: list[str], tmp_path: Path) -> None:
    worker("start", *background)
    note = note_of(background)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        other = tmp_path / "other.pid"
        other.write_text(json.dumps({**note, "pid": stranger.pid}))
        assert worker("stop", "--pid-file", other).stdout == "not running\n"
        assert psutil.Process(stranger.pid).is_running()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_background_worker_that_cannot_start_says_why(background: list[str]) -> None:
    with socket.create_server(("127.0.0.1", int(background[9]))):
        result = worker("start", *background)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: cannot listen on port {background[9]} of 127.0.0.1")
    assert result.stderr.count("\n") == 1
    assert not Path(background[1]).exists()


def test_a_taken_port_is_named(start_worker: StartWorker, tmp_path: Path) -> None:
    running = start_worker("pi")
    for option in ("--control-port", "--data-port"):
        port = running.control_port
        result = worker("serve", "--name", "x", "--store", tmp_path / "x", option, port)
        assert result.returncode == 2
        assert f"port {port} of 127.0.0.1 (Address already in use)" in result.stderr
        assert option in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(start_worker: StartWorker, number: signal.Signals) -> None:
    running = start_worker("pi")
    with running.claim():
        running.process.send_signal(number)
        assert running.process.wait(10) == 0
    assert "Traceback" not in running.log.read_text()


def test_the_worker_package_needs_neither_torch_nor_onnx() -> None:
    code = (
        "import sys, worker.service.server, worker.service.daemon, worker.__main__;"
        "print([name for name in ('torch', 'onnx', 'pandas', 'rich', 'yaml') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_a_worker_is_asked_who_it_is(start_worker: StartWorker, capsys: pytest.CaptureFixture[str]) -> None:
    worker = start_worker("pi7", "--provider", "cpu")
    assert main(["ask", "--control-port", str(worker.control_port)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "pi7" and told["holder"] is None
    assert told["stamp"]["provider"] == "cpu" and "cpu" in told["stamp"]["providers"]
    worker.stop()
    assert main(["ask", "--control-port", str(worker.control_port)]) == 2
    assert str(worker.control_port) in capsys.readouterr().err
