"""How a worker is given its key, and what it serves without one."""

import subprocess
import sys
from pathlib import Path

from tests.integration.worker.access.clients import new_key
from tests.integration.worker.conftest import StartWorker
from worker.wire.messages import Query


def test_without_a_key_a_worker_serves_this_host_alone(start_worker: StartWorker, tmp_path: Path) -> None:
    worker = start_worker("pi")
    assert "worker pi has no key: every user of this host can use it" in worker.log.read_text()
    for host in ("0.0.0.0", ""):
        refused = serve("--host", host, "--store", str(tmp_path))
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: --host ") and refused.stderr.count("\n") == 1
        assert "--key-file" in refused.stderr and "--open-to-all" in refused.stderr
    everybodys = start_worker("everybodys", "--host", "0.0.0.0", "--open-to-all")
    assert "has no key: anyone who can reach it can use it" in everybodys.log.read_text()
    with everybodys.open() as connection:
        assert connection.ask(Query()).stamp["security"] == "none"


def test_a_bad_key_file_is_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.key"
    bad.write_text("secret words")
    bad.chmod(0o600)
    for path, says in ((bad, "does not hold 32 bytes"), (tmp_path / "absent", "cannot be read")):
        for command in (serve, ask):
            refused = command("--key-file", str(path))
            assert refused.returncode == 2
            assert refused.stderr.startswith(f"error: key file {path} {says}")
            assert refused.stderr.count("\n") == 1 and "secret" not in refused.stderr


def test_a_new_key_restarts_a_worker_in_the_background(tmp_path: Path) -> None:
    path = new_key(tmp_path / "lab.key")
    background = [
        "--name=pi",
        f"--store={tmp_path}",
        f"--key-file={path}",
        "--control-port=0",
        "--data-port=0",
    ]
    noted = [f"--pid-file={tmp_path / 'pid'}", f"--log={tmp_path / 'log'}"]
    try:
        for said in ("started\n", "already running\n", "restarted\n"):
            if said == "restarted\n":
                new_key(path)
            assert worker_command("start", *background, *noted).stdout == said
    finally:
        assert worker_command("stop", noted[0]).stdout == "stopped\n"


def serve(*options: str) -> "subprocess.CompletedProcess[str]":
    return worker_command("serve", "--name=pi", "--control-port=0", "--data-port=0", "--store=.", *options)


def ask(*options: str) -> "subprocess.CompletedProcess[str]":
    return worker_command("ask", *options)


def worker_command(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "worker", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
