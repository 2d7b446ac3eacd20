"""PyTorch RPC's processes of our workers, and one-line errors."""

import psutil

from tests.integration.commands import Ended


def rpc_processes() -> list[psutil.Process]:
    """The processes that our workers have for RPC."""
    return [process for process in psutil.Process().children(recursive=True) if _is_for_rpc(process)]


def _is_for_rpc(process: psutil.Process) -> bool:
    try:
        # The one that only looks for PyTorch has none.
        return "worker.rpc" in process.cmdline() and "--socket" in process.cmdline()
    except psutil.Error:
        return False


def assert_one_line(ended: Ended, says: str) -> None:
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert ended.stderr.startswith("error: ") and says in ended.stderr
