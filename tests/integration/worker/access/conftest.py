"""A worker with a key, and one with certificates."""

from pathlib import Path

import pytest

from tests.integration.labs import LabWorker
from tests.integration.worker.access.clients import Access, certificates, new_key
from tests.integration.worker.conftest import StartWorker
from worker.wire.security import KeySecurity, LabKey, read_key
from worker.wire.security.tls import TlsSecurity


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def with_key(folder: Path) -> Access:
    path = new_key(folder / "lab.key")
    return Access(
        method=1,
        options=("--key-file", str(path)),
        good=KeySecurity(read_key(path)),
        wrong=KeySecurity(LabKey(bytes(32), "a wrong one")),
        refusal=r":\d+ rejects the key a wrong one: it holds another",
        words="the lab's key",
        says_bytes=48,
    )


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
        words="TLS with the lab's certificates",
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
