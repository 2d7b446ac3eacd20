"""Who may use a worker that has the lab's key: real processes, real sockets, on both ports."""

import contextlib
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from controller.lab.certificates import Authority
from tests.integration.labs import LabWorker
from tests.integration.worker.conftest import StartWorker
from worker.access.admission import BURST, MAX_PENDING
from worker.wire.control import ControlConnection, send_message
from worker.wire.errors import DeniedError, PeerError
from worker.wire.joining import open_data_connection
from worker.wire.messages import JoinLink, Query
from worker.wire.opening import shake_hands
from worker.wire.security import OPEN, KeySecurity, LabKey, Role, Security, read_key
from worker.wire.security.tls import TlsSecurity
from worker.wire.stream import PREAMBLE_BYTES, ConnectionKind, SocketStream, make_preamble

PORTS = ("control", "data")
KINDS = {"control": ConnectionKind.CONTROL, "data": ConnectionKind.DATA}


@dataclass(frozen=True)
class Access:
    """A kind of security: what the worker is told, who is let in and who is not.

    `says_bytes` is what a worker says of its own accord: a preamble, and a nonce where there is a key.
    """

    method: int
    options: tuple[str, ...]
    good: Security
    wrong: Security
    refusal: str
    requirement: str
    says_bytes: int


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def with_key(folder: Path) -> Access:
    path = _new_key(folder / "lab.key")
    return Access(
        method=1,
        options=("--key-file", str(path)),
        good=KeySecurity(read_key(path)),
        wrong=KeySecurity(LabKey(bytes(32), "a wrong one")),
        refusal=r":\d+ rejects the key a wrong one: it holds another",
        requirement="the lab's key",
        says_bytes=48,
    )


def certificates(folder: Path, *names: str) -> Path:
    """An authority's folder, and one for each device in it."""
    with Authority(folder) as authority:
        for name in names:
            (folder / name).mkdir()
            (folder / name / "ca.pem").write_bytes(authority.ca_pem)
            (folder / name / "device.pem").write_bytes(authority.issue(name).pem)
    return folder


@pytest.fixture(scope="module")
def authority(folder: Path) -> Path:
    return certificates(folder / "lab.tls", "pi", "server")


@pytest.fixture(scope="module")
def with_tls(folder: Path, authority: Path) -> Access:
    return Access(
        method=2,
        options=("--certificates", str(authority / "pi")),
        good=TlsSecurity(authority, "controller"),
        wrong=TlsSecurity(certificates(folder / "other.tls"), "controller"),
        refusal=r":\d+ has no certificate of this lab \(",
        requirement="TLS with a certificate of the lab",
        says_bytes=16,
    )


@pytest.fixture(params=["with_key", "with_tls"])
def access(request: pytest.FixtureRequest) -> Access:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Access)
    return found


@pytest.fixture
def worker(start_worker: StartWorker, access: Access) -> LabWorker:
    return start_worker("pi", *access.options)


def port_of(worker: LabWorker, name: str) -> int:
    return worker.control_port if name == "control" else worker.data_port


def is_served(worker: LabWorker, key: Security) -> int:
    """A good client is; returns how many were denied until now."""
    open_data_connection("127.0.0.1", worker.data_port, key).close()
    with ControlConnection.open("127.0.0.1", worker.control_port, key) as connection:
        return connection.ask(Query()).denied


def try_to_open(worker: LabWorker, port: str, security: Security, *, expected: str | None = None) -> None:
    if port == "control":
        ControlConnection.open("127.0.0.1", worker.control_port, security, expected=expected).close()
    else:
        open_data_connection("127.0.0.1", worker.data_port, security, expected=expected).close()


@pytest.mark.parametrize("port", PORTS)
def test_nobody_from_elsewhere_is_served(worker: LabWorker, access: Access, port: str) -> None:
    assert is_served(worker, access.good) == 0
    with pytest.raises(DeniedError, match=access.refusal):
        try_to_open(worker, port, access.wrong)
    with pytest.raises(DeniedError, match=f"requires {access.requirement}, this end nothing"):
        try_to_open(worker, port, OPEN)
    wait_until(lambda: is_served(worker, access.good) == 2)
    denied = [line for line in worker.log.read_text().splitlines() if "denied: " in line]
    assert len(denied) == 2 and all(f" {port} connection from 127.0.0.1:" in line for line in denied)


@pytest.mark.parametrize("port", PORTS)
def test_a_worker_from_elsewhere_is_not_believed(
    start_worker: StartWorker, access: Access, tmp_path: Path, port: str
) -> None:
    with pytest.raises(DeniedError, match=f"requires nothing, this end {access.requirement}"):
        try_to_open(start_worker("pi"), port, access.good)
    if access.method == 1:
        other = ("--key-file", str(_new_key(tmp_path / "other.key")))
    else:
        other = ("--certificates", str(certificates(tmp_path / "tls", "pi") / "pi"))
    with pytest.raises(DeniedError, match="rejects the key|has no certificate of this lab"):
        try_to_open(start_worker("other", *other), port, access.good)


@contextlib.contextmanager
def raw(worker: LabWorker, port: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port_of(worker, port))) as connection:
        connection.settimeout(10)
        yield connection


def heard(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(4096):
            found += part
    return found


@pytest.mark.parametrize("port", PORTS)
def test_what_a_good_client_said_lets_nobody_else_in(
    start_worker: StartWorker, with_key: Access, port: str
) -> None:
    key = with_key.good
    worker = start_worker("pi", *with_key.options)
    said = _recorded(worker, port, key)
    assert len(said) == 16 + 32 + 32
    for replayed in (said, said[:-1], said[:48], said[:20], said[:-32] + said[16:48]):
        with raw(worker, port) as connection:
            connection.sendall(replayed)
            connection.shutdown(socket.SHUT_WR)
            # Its preamble and nonce, and no proof.
            assert len(heard(connection)) == 48
    with raw(worker, port) as connection:
        # Its own words back to it.
        mirror = connection.recv(48, socket.MSG_WAITALL)
        connection.sendall(mirror + mirror[16:])
        assert heard(connection) == b""
    assert is_served(worker, key) == 6


class _Recorded(SocketStream):
    """Keeps what is sent on it."""

    said = b""

    def send(self, buffers: Sequence[memoryview]) -> None:
        self.said += b"".join(buffers)
        super().send(buffers)


def _recorded(worker: LabWorker, port: str, key: Security) -> bytes:
    """What a good client sends."""
    connection = socket.create_connection(("127.0.0.1", port_of(worker, port)))
    with contextlib.closing(_Recorded(connection, "worker")) as stream:
        shake_hands(stream, KINDS[port], Role.OPENER, key, timeout_s=5)
        return stream.said


@pytest.mark.parametrize("port", PORTS)
def test_garbage_is_denied_and_a_good_client_served(worker: LabWorker, access: Access, port: str) -> None:
    preamble = make_preamble(KINDS[port], access.method)
    garbage = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        secrets.token_bytes(5000),
        preamble[:7],
        preamble + bytes(500),
        preamble + secrets.token_bytes(64) + b"\xff" * 1000,
        make_preamble(KINDS[port], 0) + b"\x08\x00\x00\x00\x81\xa4type\xa5Query",
        make_preamble(KINDS[port], 77),
        make_preamble(KINDS["data" if port == "control" else "control"], access.method),
    ]
    for words in garbage:
        with raw(worker, port) as connection, contextlib.suppress(OSError):
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)
            # OpenSSL may tell why it closes.
            assert len(heard(connection)) <= access.says_bytes + 7
    assert is_served(worker, access.good) == len(garbage)


def test_who_is_slow_is_cut_off_and_holds_nobody_up(worker: LabWorker, access: Access) -> None:
    began_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(raw(worker, port)) for port in PORTS]
        slow = {port: stack.enter_context(raw(worker, port)) for port in PORTS}
        sent = 0
        # Byte by byte the preamble takes 8 s, of which each comes long before a worker is tired of waiting.
        with contextlib.suppress(OSError):
            while sent < PREAMBLE_BYTES:
                for port, connection in slow.items():
                    connection.sendall(make_preamble(KINDS[port], access.method)[sent : sent + 1])
                sent += 1
                if sent == 2:
                    assert is_served(worker, access.good) == 0
                time.sleep(0.5)
        assert sent < PREAMBLE_BYTES
        for connection in (*silent, *slow.values()):
            assert len(heard(connection)) == access.says_bytes
    assert time.monotonic() - began_s > 4
    assert is_served(worker, access.good) == 4
    assert "sent nothing in time" in worker.log.read_text()


def test_too_many_at_once_end_the_oldest_and_leave_nothing(worker: LabWorker, access: Access) -> None:
    process = psutil.Process(worker.process.pid)
    is_served(worker, access.good)
    before = process.num_threads(), process.num_fds()
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(raw(worker, "control")) for _ in range(MAX_PENDING + 8)]
        assert len(heard(waiting[0])) == access.says_bytes
        wait_until(lambda: process.num_fds() <= before[1] + MAX_PENDING)
        assert is_served(worker, access.good) >= 8
    wait_until(lambda: process.num_threads() <= before[0] and process.num_fds() <= before[1])


def test_an_address_that_fails_again_and_again_is_refused_for_a_while(
    worker: LabWorker, access: Access
) -> None:
    said = set()
    for _ in range(BURST + 10):
        with pytest.raises(PeerError) as denied:
            try_to_open(worker, "control", access.wrong)
        said.add(str(denied.value).partition(" ")[2])
    assert any("refuses this address for some seconds" in text for text in said)
    lines = worker.log.read_text().splitlines()
    assert BURST <= sum("denied: " in line for line in lines) <= BURST + 6
    assert sum(f"{BURST} failed attempts" in line for line in lines) == 1
    served = []

    def good_client_is_served() -> bool:
        with contextlib.suppress(DeniedError, PeerError):
            served.append(is_served(worker, access.good))
        return bool(served)

    wait_until(good_client_is_served)
    assert served[0] >= BURST + 10


def test_a_device_may_not_control_another_one_nor_speak_for_it(
    start_worker: StartWorker, with_tls: Access, authority: Path
) -> None:
    worker = start_worker("pi", *with_tls.options)
    server = TlsSecurity(authority / "server", "server")
    with pytest.raises(DeniedError, match="does not accept our certificate"):
        try_to_open(worker, "control", server)
    assert "is 'server' by its certificate, which may not control us" in worker.log.read_text()
    try_to_open(worker, "control", TlsSecurity(authority / "pi", "pi"))
    for port in PORTS:
        with pytest.raises(DeniedError, match="is 'pi' by its certificate, not 'server'"):
            try_to_open(worker, port, with_tls.good, expected="server")
    with contextlib.closing(open_data_connection("127.0.0.1", worker.data_port, server)) as stream:
        assert stream.identity == "pi"
        send_message(stream, JoinLink(pipeline="p", link="in", sender="desk"))
        assert stream.receive_into(memoryview(bytearray(1))) == 0
    assert "claims to be 'desk', but its certificate names 'server'" in worker.log.read_text()


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
    path = _new_key(tmp_path / "lab.key")
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
                _new_key(path)
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


def _new_key(path: Path) -> Path:
    path.touch(0o600)
    path.write_text(secrets.token_hex(32) + "\n")
    return path


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.05)
