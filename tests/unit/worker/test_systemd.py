"""The service manager hears that the worker serves."""

import socket
from pathlib import Path

import pytest

from worker.__main__ import _tell_service_manager


@pytest.mark.parametrize("abstract", [True, False])
def test_the_state_arrives_at_the_socket_that_systemd_names(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"\0edgecut-{tmp_path.name}-{tmp_path.parent.name}" if abstract else str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        _tell_service_manager()
        assert manager.recv(100) == b"READY=1"


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    _tell_service_manager()
