"""What a live view shows, of boards whose sweep is made up."""

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from rich.console import Console, RenderableType

from controller.live.command import WatchOptions, follow
from controller.live.follower import Follower
from controller.live.live_file import LiveFile, live_path, note_sweep, read_now, swept_on
from controller.live.publisher import Publisher
from controller.live.snapshot import Stage, SweepSnapshot
from controller.live.view import line, panel
from controller.results import Results, Store, TrialsWanted
from tests.unit.analysis.synthetic import write_sweep


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "results.sqlite", cuts=(0, 24, 60))


def _text(shown: RenderableType) -> str:
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(shown)
        return console.export_text()


def _followed(results: Path) -> SweepSnapshot:
    follower = Follower(results)
    follower.look()
    assert follower.snapshot is not None
    return follower.snapshot


def test_what_runs_now_is_shown_with_its_last_trial_and_the_front(results: Path) -> None:
    with Results.open(results) as store:
        cell = next(c for c in store.cells() if c.network == "wifi" and c.depth > 1)
    LiveFile(results).tell(part="wifi", doing="x", done=3, total=6, left_s=75.0, cell=cell.id, number=1)
    snapshot = _followed(results)
    text = _text(panel(snapshot, 75.0))
    assert "wifi" in text
    assert "3/6" in text
    assert "1 min 15 s left" in text
    assert f"{cell.label} on pi -> server, depth 4, trial 2 of 3" in text
    assert "% busy" in text
    assert "in flight" in text
    assert "front so far: mobilenet_v2, wifi" in text
    told = line(snapshot, 75.0)
    assert told.startswith("wifi: 3/6  ")
    assert "busy pi " in told


def test_a_busy_share_that_is_unknown_is_shown_as_such(results: Path) -> None:
    with Results.open(results) as store:
        cell = next(c for c in store.cells() if c.network == "wifi" and c.depth > 1)
    LiveFile(results).tell(part="wifi", doing="x", done=3, total=6, left_s=75.0, cell=cell.id, number=1)
    snapshot = _followed(results)
    assert snapshot.last is not None
    snapshot.last = replace(snapshot.last, stages=(Stage("pi", None), Stage("server", 0.5)))
    assert "busy pi unknown, server 50%" in line(snapshot, 75.0)
    assert "unknown busy" in _text(panel(snapshot, 75.0))


def test_the_front_of_a_board_is_that_of_the_medians(results: Path) -> None:
    snapshot = _followed(results)
    cell = next(c for c in snapshot.cells.values() if c.network == "lan")
    front, measured = snapshot.front(cell)
    assert measured == 3
    latencies = [latency_s for _, (latency_s, _) in front]
    assert latencies == sorted(latencies)
    assert all(one.depth == 4 for one, _ in front)


def test_what_ran_at_a_rate_alone_is_on_no_front_of_a_board(results: Path) -> None:
    snapshot = SweepSnapshot("demo", TrialsWanted(3, 3))
    with Results.open(results) as store:
        cell = next(c for c in store.cells() if c.depth == 1)
        trial = next(store.trials(cell.id))
    snapshot.finished(replace(cell, load="poisson:2/s"), trial)
    assert snapshot.front(cell) == ([], 0)
    snapshot.finished(cell, trial)
    assert snapshot.front(cell)[1] == 1


def test_a_split_that_was_only_run_at_depth_1_is_on_no_front_yet(results: Path) -> None:
    snapshot = SweepSnapshot("demo", TrialsWanted(3, 3))
    with Results.open(results) as store:
        alone = next(c for c in store.cells() if c.depth == 1)
        deep = next(c for c in store.cells() if c.id == replace(alone, depth=c.depth).id and c.depth > 1)
        snapshot.want([alone, deep])
        snapshot.finished(alone, next(store.trials(alone.id)))
        assert snapshot.front(alone) == ([], 0)
        snapshot.finished(deep, next(store.trials(deep.id)))
    ((cell, _),), measured = snapshot.front(alone)
    assert (cell, measured) == (deep, 1)


def test_only_what_is_new_is_read_again(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(results)
    follower.look()
    read = []
    whole = Results.trials

    def counted(self: Results, cell: str | None = None, *, after: int = 0):  # type: ignore[no-untyped-def]
        for trial in whole(self, cell, after=after):
            read.append(trial.id)
            yield trial

    monkeypatch.setattr(Results, "trials", counted)
    follower.look()
    assert not read


def test_a_sweep_tells_how_it_ended(results: Path) -> None:
    with Store.append(results) as store, Publisher(store, is_shown=True) as work:
        work.end("complete: 3 trials done")
    assert _followed(results).now == read_now(results)
    assert "ended: complete" in line(_followed(results), None)
    with (
        Store.append(results) as store,
        pytest.raises(ValueError, match="disk"),
        Publisher(store, is_shown=False),
    ):
        raise ValueError("disk\nfull")
    assert "ended: disk full" in line(_followed(results), None)


def test_a_number_of_a_process_that_is_used_again_is_not_the_sweep(results: Path) -> None:
    file = LiveFile(results)
    file.tell(part="lan")
    assert not file.now.has_died
    assert msgspec.structs.replace(file.now, began_s=file.now.began_s - 60).has_died
    # Of another machine nobody can tell.
    elsewhere = msgspec.structs.replace(file.now, host="elsewhere", pid=2**22 + 1)
    assert not elsewhere.has_died
    live_path(results).write_bytes(msgspec.json.encode(elsewhere))
    assert "running on elsewhere, last seen at" in _text(panel(_followed(results), None))


@pytest.mark.parametrize("content", ["", "{}", '{"format": "another/1"}', "[1"])
def test_a_live_file_that_is_none_is_passed_over(results: Path, content: str) -> None:
    live_path(results).write_text(content)
    assert read_now(results) is None
    assert "no sweep is running" in line(_followed(results), None)


def test_a_folder_that_cannot_be_written_stops_no_sweep(tmp_path: Path) -> None:
    LiveFile(tmp_path / "gone" / "results.sqlite").tell(part="lan")
    note_sweep(tmp_path / "gone" / "lab.json", tmp_path / "results.sqlite")
    assert swept_on(tmp_path / "gone" / "lab.json") is None


def test_a_lab_knows_what_was_swept_last(tmp_path: Path) -> None:
    note_sweep(tmp_path / "lab.json", tmp_path / "a.sqlite")
    note_sweep(tmp_path / "lab.json", tmp_path / "b.sqlite")
    assert swept_on(tmp_path / "lab.json") == tmp_path / "b.sqlite"


def test_of_what_is_not_there_yet_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow(WatchOptions(None, tmp_path / "lab.json", once=True))
    follow(WatchOptions(tmp_path / "r.sqlite", tmp_path / "lab.json", once=True))
    told = " ".join(capsys.readouterr().out.split())
    assert f"no sweep on the lab of {tmp_path}/lab.json yet" in told
    assert f"no sweep into {tmp_path}/r.sqlite yet" in told
