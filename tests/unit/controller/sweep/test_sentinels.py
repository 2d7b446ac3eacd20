"""Sentinels of a block: devices over its visits, links at its beginning."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.errors import DeviceError
from controller.results import Block, Sentinel
from controller.sweep.context import SweepContext
from controller.sweep.sentinels import BlockSentinels
from tests.unit.analysis.synthetic import AT, BUNDLE
from tests.unit.controller.sweep.device_infos import device_info
from tests.unit.controller.sweep.test_recorder import Sweep
from worker.wire.messages import SentinelDone


class Lab:
    """Devices `pi` and `server` and a link between them, all with a count of how often each was timed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, server_slowdown: float = 1.0) -> None:
        self.sweep = Sweep(folder)
        self.lost: set[str] = set()
        self.fails = False
        self.failed: list[str] = []
        self._slowdowns = {"pi": 1.0, "server": server_slowdown}
        self._count = 0
        self.between = SimpleNamespace(sender="pi", receiver="server")
        monkeypatch.setattr("controller.sweep.sentinels.route", lambda _cell, _bundle: [self.between])
        monkeypatch.setattr("controller.sweep.sentinels.probe_round_trips", lambda *_ends: self.ask())

    def ask(self, _request: object = None, **_options: object) -> Any:
        if self.fails:
            raise DeviceError("lost", "server")
        self._count += 1
        return SentinelDone(times_s=(float(self._count),)) if _request else (float(self._count),)

    def visit(self, block: int, visits: int, more: int = 0) -> None:
        """Make the visits of a block, and some again at its end."""
        self.sweep.store.add(Block("lan", block, AT))
        workers = {
            name: SimpleNamespace(info=SimpleNamespace(slowdown=slowdown), ask=self.ask)
            for name, slowdown in self._slowdowns.items()
        }
        context = SimpleNamespace(
            pool=SimpleNamespace(workers=workers),
            recorder=self.sweep.recorder,
            resolved=SimpleNamespace(bundles={BUNDLE: None}),
            failures=SimpleNamespace(lost=self.lost, failed=lambda what, _error: self.failed.append(what)),
        )
        cells = [replace(cell, shaping="none") for cell in self.sweep.cells]
        sentinels = BlockSentinels(cast(SweepContext, context), Block("lan", block, AT), cells, visits)
        for _ in range(visits + more):
            sentinels.before_visit()

    def counts(self, block: int) -> dict[tuple[str, str], int]:
        rows = self.sweep.store.rows(Sentinel, network="lan", block=block)
        return {(row.device, row.receiver): len(row.times_s) for row in rows}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


@pytest.mark.parametrize(("visits", "times"), [(1, 1), (3, 3), (5, 5), (6, 5), (40, 5), (41, 5)])
def test_devices_are_timed_at_up_to_five_of_a_blocks_visits_and_links_once(
    lab: Lab, visits: int, times: int
) -> None:
    lab.visit(0, visits, more=3)
    assert lab.counts(0) == {("pi", ""): times, ("server", ""): times, ("pi", "server"): 1}


def test_a_resumed_block_adds_to_what_it_has(lab: Lab) -> None:
    lab.visit(0, 5)
    before = {(row.device, row.receiver): row for row in lab.sweep.store.rows(Sentinel)}
    lab.visit(0, 2)
    lab.visit(1, 2)
    assert lab.counts(0) == {("pi", ""): 7, ("server", ""): 7, ("pi", "server"): 1}
    assert lab.counts(1) == {("pi", ""): 2, ("server", ""): 2, ("pi", "server"): 1}
    for row in lab.sweep.store.rows(Sentinel, network="lan", block=0):
        assert row.times_s[: len(before[row.device, row.receiver].times_s)] == (
            before[row.device, row.receiver].times_s
        )


def test_a_link_keeps_its_name_where_later_cells_begin_at_its_other_end(lab: Lab) -> None:
    lab.visit(0, 1)
    lab.between = SimpleNamespace(sender="server", receiver="pi")
    lab.visit(1, 1)
    assert lab.counts(1).keys() == lab.counts(0).keys()


def test_a_slowed_device_has_no_sentinel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(tmp_path, monkeypatch, 4.0)
    lab.visit(0, 2)
    assert lab.counts(0) == {("pi", ""): 2, ("pi", "server"): 1}


def test_a_lost_device_has_none_either(lab: Lab) -> None:
    lab.lost.add("server")
    lab.visit(0, 2)
    assert lab.counts(0) == {("pi", ""): 2}


def test_a_device_that_does_not_answer_is_a_failure_by_its_name(lab: Lab) -> None:
    lab.fails = True
    lab.visit(0, 1)
    assert lab.counts(0) == {}
    assert lab.failed == [f"sentinel of {name}: lost: server" for name in ("pi", "server", "pi")]


def test_a_changed_device_has_times_of_its_own_and_the_others_keep_theirs(lab: Lab) -> None:
    lab.visit(0, 2)
    lab.sweep.environments.note([device_info("pi"), device_info("server", kernel="6.6")])
    lab.visit(0, 2)
    taken = lab.sweep.store.taken(Sentinel, network="lan", block=0)
    counts = {(number, row.device, row.receiver): len(row.times_s) for number, row in taken}
    assert counts == {
        (1, "pi", ""): 4,
        (1, "server", ""): 2,
        (1, "pi", "server"): 1,
        (2, "server", ""): 2,
        (2, "pi", "server"): 1,
    }
