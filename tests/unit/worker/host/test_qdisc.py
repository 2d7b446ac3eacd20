"""A link that changes during a trial is noticed: against a tc of our own, and against the kernel's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker.host.qdisc import QdiscWatch
from worker.wire.errors import FailedError


@pytest.fixture
def tc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `tc` that says what is in the file of this path."""
    told = tmp_path / "told.json"
    told.write_text('[{"kind":"netem","root":true,"options":{"delay":{"delay":0.005}}}]')
    program = tmp_path / "bin" / "tc"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncat {told}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return told


def test_a_link_that_stays_is_right(tc: Path) -> None:
    watch = QdiscWatch("eth7")
    watch.note()
    watch.check()
    assert (tc.parent / "asked").read_text() == "-j qdisc show dev eth7\n"


def test_the_order_of_keys_is_no_change(tc: Path) -> None:
    watch = QdiscWatch("eth7")
    watch.note()
    tc.write_text('[{"root": true, "options": {"delay": {"delay": 0.005}}, "kind": "netem"}]')
    watch.check()


def test_a_link_that_changed_is_told_as_it_was_and_is(tc: Path) -> None:
    watch = QdiscWatch("eth7")
    watch.note()
    tc.write_text('[{"kind":"pfifo_fast","root":true}]')
    says = r"changed during the trial: interface eth7 had netem .*0\.005.* and now has pfifo_fast"
    with pytest.raises(FailedError, match=says) as caught:
        watch.check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", ["", "not JSON", "[{"])
def test_what_tc_says_must_be_understood(tc: Path, said: str) -> None:
    tc.write_text(said)
    with pytest.raises(FailedError, match="tc cannot read the link of eth7"):
        QdiscWatch("eth7").read()


def test_without_an_interface_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    watch = QdiscWatch(None)
    watch.note()
    watch.check()
    assert watch.read() is None


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(FailedError, match="tc cannot read the link of nope7"):
        QdiscWatch("nope7").read()


@pytest.mark.processes
def test_the_kernels_own_qdisc_is_read_and_its_change_noticed() -> None:
    """In a network namespace of its own, where the test may change what it likes."""
    code = (
        "import subprocess\n"
        "from worker.host.qdisc import QdiscWatch\n"
        "from worker.wire.errors import FailedError\n"
        "watch = QdiscWatch('lo'); watch.note(); watch.check()\n"
        "tbf = 'tc qdisc add dev lo root tbf rate 50mbit burst 32k latency 10ms'\n"
        "subprocess.run(tbf.split(), check=True)\n"
        "try:\n    watch.check()\nexcept FailedError as error:\n    print(error)\n"
    )
    words = ["unshare", "--net", sys.executable, "-c", code]
    path = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=path)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if "unshare:" in done.stderr:
        pytest.skip(f"no network namespace may be made here ({done.stderr.strip()})")
    assert "interface lo had no qdisc and now has tbf" in done.stdout, done.stderr
