"""Two ends that prove to each other that they hold the lab's key, and those that cannot."""

import base64
import contextlib
import pickle
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.memory_stream import MemoryStream, memory_pair
from worker.clock import clock
from worker.wire.errors import DeniedError, PeerError, UsageError, WorkerError
from worker.wire.security import LabKey, Role, read_key
from worker.wire.security.lab_key import prove
from worker.wire.security.proof import NONCE_BYTES, PROOF_BYTES, Proof

KEY = LabKey(bytes(range(32)), "here")
OTHER = LabKey(bytes(32), "there")
PREAMBLES = b"o" * 16 + b"l" * 16


def met(opener: Proof, listener: Proof, preambles: tuple[bytes, bytes] = (PREAMBLES, PREAMBLES)) -> None:
    assert opener.meet(preambles[0], listener.nonce)
    assert listener.meet(preambles[1], opener.nonce)


def test_two_ends_with_the_key_believe_each_other() -> None:
    opener, listener = Proof(KEY, Role.OPENER), Proof(KEY, Role.LISTENER)
    met(opener, listener)
    assert listener.is_right(opener.ours())
    assert opener.is_right(listener.ours())
    assert len(opener.nonce) == NONCE_BYTES
    assert len(opener.ours()) == PROOF_BYTES
    assert opener.ours() != listener.ours()


def test_another_key_or_a_part_of_the_proof_is_wrong() -> None:
    opener, listener = Proof(OTHER, Role.OPENER), Proof(KEY, Role.LISTENER)
    met(opener, listener)
    assert not listener.is_right(opener.ours())
    right = Proof(KEY, Role.OPENER)
    met(right, listener)
    assert not listener.is_right(right.ours()[:-1])
    assert not listener.is_right(b"")
    assert not listener.is_right(right.ours() + b"\0")


def test_what_one_end_has_sent_is_no_proof_of_the_other() -> None:
    opener, listener = Proof(KEY, Role.OPENER), Proof(KEY, Role.LISTENER)
    met(opener, listener)
    assert not opener.is_right(opener.ours())
    assert not listener.is_right(listener.ours())
    assert not opener.meet(PREAMBLES, opener.nonce)


def test_a_proof_is_of_one_connection() -> None:
    opener, listener = Proof(KEY, Role.OPENER), Proof(KEY, Role.LISTENER)
    met(opener, listener)
    recorded = opener.ours()
    later = Proof(KEY, Role.LISTENER)
    assert later.meet(PREAMBLES, opener.nonce)
    assert not later.is_right(recorded)


def test_preambles_that_were_changed_on_the_way_are_noticed() -> None:
    opener, listener = Proof(KEY, Role.OPENER), Proof(KEY, Role.LISTENER)
    met(opener, listener, (PREAMBLES, PREAMBLES[:-1] + b"m"))
    assert not listener.is_right(opener.ours())


# --- over a stream ------------------------------------------------------------------------------


@contextlib.contextmanager
def listening(timeout_s: float = 5.0) -> Iterator[tuple[MemoryStream, Callable[[], WorkerError | None]]]:
    """A listener that holds the key, whose nonce is sent; gives our end, and what the listener made of us."""
    ours, theirs = memory_pair("opener", "listener")
    found: list[WorkerError | None] = []
    proof = Proof(KEY, Role.LISTENER)
    theirs.send([memoryview(proof.nonce)])

    def listen() -> None:
        try:
            prove(theirs, proof, Role.LISTENER, PREAMBLES, clock() + timeout_s, source="there")
            found.append(None)
        except WorkerError as error:
            found.append(error)
            theirs.close()

    thread = threading.Thread(target=listen)
    thread.start()

    def outcome() -> WorkerError | None:
        thread.join(10)
        assert not thread.is_alive()
        return found[0]

    yield ours, outcome
    ours.close()
    thread.join(10)


def opened(stream: MemoryStream, key: LabKey) -> None:
    proof = Proof(key, Role.OPENER)
    stream.send([memoryview(proof.nonce)])
    prove(stream, proof, Role.OPENER, PREAMBLES, clock() + 5, source=key.source)


def test_proofs_go_over_a_stream() -> None:
    with listening() as (stream, outcome):
        opened(stream, KEY)
        assert outcome() is None


def test_a_wrong_key_is_told_to_both() -> None:
    with listening() as (stream, outcome):
        with pytest.raises(DeniedError, match="listener rejects the key there: it holds another"):
            opened(stream, OTHER)
        assert "opener does not hold the lab's key (there)" in str(outcome())


def test_a_listener_says_nothing_to_whoever_has_no_key() -> None:
    with listening() as (stream, outcome):
        stream.send([memoryview(secrets.token_bytes(NONCE_BYTES + PROOF_BYTES))])
        assert isinstance(outcome(), DeniedError)
        heard = bytearray(1000)
        assert stream.receive_into(memoryview(heard)) == NONCE_BYTES


@pytest.mark.parametrize("count", [0, 1, NONCE_BYTES - 1, NONCE_BYTES, NONCE_BYTES + PROOF_BYTES - 1])
def test_what_is_cut_short_is_denied(count: int) -> None:
    with listening() as (stream, outcome):
        stream.send([memoryview(secrets.token_bytes(count))])
        stream.close()
        assert isinstance(outcome(), DeniedError)


def test_who_is_silent_is_not_waited_for() -> None:
    with listening(timeout_s=0.05) as (_, outcome):
        assert isinstance(outcome(), PeerError)


def test_an_echo_is_not_believed() -> None:
    ours, echo = memory_pair("us", "echo")
    proof = Proof(KEY, Role.OPENER)
    echo.send([memoryview(proof.nonce)])
    with pytest.raises(DeniedError, match="echo echoes our nonce"):
        prove(ours, proof, Role.OPENER, PREAMBLES, clock() + 5, source="here")


def test_a_listener_without_the_key_is_not_believed() -> None:
    ours, theirs = memory_pair("us", "worker")
    proof = Proof(KEY, Role.OPENER)
    theirs.send([memoryview(secrets.token_bytes(NONCE_BYTES + PROOF_BYTES))])
    with pytest.raises(DeniedError, match=r"worker does not hold the lab's key \(here\)"):
        prove(ours, proof, Role.OPENER, PREAMBLES, clock() + 5, source="here")


# --- the file -------------------------------------------------------------------------------------


def key_file(folder: Path, text: bytes, mode: int = 0o600) -> Path:
    path = folder / "lab.key"
    path.write_bytes(text)
    path.chmod(mode)
    return path


def test_a_key_is_read_in_hex_and_in_base64(tmp_path: Path) -> None:
    secret = bytes(range(32))
    for text in (secret.hex(), secret.hex().upper() + "\n", base64.b64encode(secret).decode() + "\n"):
        assert read_key(key_file(tmp_path, text.encode())).mac(b"x") == KEY.mac(b"x")
    assert read_key(key_file(tmp_path, secret.hex().encode(), 0o640)).mac(b"x") == KEY.mac(b"x")


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"x", b"ab" * 31, b"ab" * 33, bytes(32), b"A" * 64_000, b"\xff" * 44]
)
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UsageError, match=r"lab\.key does not hold 32 bytes in hex or base64"):
        read_key(key_file(tmp_path, text))


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"open to every user of this host: chmod o-rwx .*lab\.key"):
        read_key(key_file(tmp_path, bytes(32).hex().encode(), 0o644))
    with pytest.raises(UsageError, match=r"absent cannot be read \(No such file or directory\)"):
        read_key(tmp_path / "absent")


def test_a_key_does_not_leak() -> None:
    secret = KEY._secret
    for said in (repr(KEY), str(KEY), f"{KEY!r:>3}"):
        assert said.strip() == "LabKey(of here)"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    for encode in (msgspec.msgpack.encode, msgspec.json.encode, msgspec.to_builtins):
        with pytest.raises(TypeError) as refused:
            encode(KEY)
        assert secret.hex() not in str(refused.value)
