"""A peer that lies: whatever a worker answers, the sweep ends, no lie counts, and the file can be read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from analysis.data.sweep import load
from analysis.errors import ResultsError
from controller.console import Screen
from controller.errors import ControllerError, DeviceError
from controller.experiment.resolve import ResolvedExperiment, resolve
from controller.lab.inventory import load_lab
from controller.lab.worker_client import ClaimedWorker
from controller.lab.worker_pool import WorkerPool
from controller.pipeline.baseline import baseline_trial
from controller.results import Results, Store
from controller.results.check.command import findings
from controller.results.laws import broken_law
from controller.results.provenance import now
from controller.sweep.outcome import Outcome
from controller.sweep.runner import run_sweep
from exporter.bundle import Bundle
from tests.integration import commands
from tests.integration.faults.lying_proxy import LyingProxy
from tests.integration.faults.replay import Replay, Transcript, recorded
from tests.integration.labs import LabWorker, add, running_workers, write_experiment, write_lab
from tests.lies import Lie, lies_of
from worker.wire.messages import (
    Baseline,
    BuildPipeline,
    Claim,
    ClosePipeline,
    Have,
    Message,
    OpenLinks,
    Records,
    Request,
    Run,
    SampleTelemetry,
    TakeRecords,
    TimeSentinel,
    TimeStages,
)

OF_A_TRIAL = {BuildPipeline: 1, OpenLinks: 1, Run: 1, TakeRecords: 1, SampleTelemetry: 3, TimeStages: 1}
"""Requests whose replies a trial depends on, and how many honest ones make a whole trial between two lies."""

BESIDE = (Baseline, TimeSentinel, ClosePipeline)
BEFORE = (Claim, Have)


class Told(Screen):
    """Keeps what the sweep says."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclass(frozen=True)
class Swept:
    """How a sweep ended, and what it left."""

    results: Path
    lines: list[str]
    outcome: Outcome | None
    error: str = ""


@dataclass
class Sweep:
    """An experiment on a lab, as often as one likes."""

    resolved: ResolvedExperiment
    folder: Path
    count: int = field(default=0)

    def run(self, trials: int = 1) -> Swept:
        self.count += 1
        path = self.folder / f"{self.count}.sqlite"
        text = self.resolved.text
        experiment = msgspec.structs.replace(self.resolved.experiment, trials=trials)
        resolved = replace(self.resolved, experiment=experiment)
        with (
            Store.create(path, name="t", text=text, seed=0, trials=trials, created_at=now()) as store,
            Told() as screen,
        ):
            # Nobody pulls the plug here.
            store.connection.execute("PRAGMA synchronous = OFF")
            try:
                return Swept(path, screen.lines, run_sweep(resolved, ["ideal"], store, screen))
            except ControllerError as error:
                return Swept(path, screen.lines, None, str(error))


@pytest.fixture(scope="module")
def sweep(
    standing: dict[str, LabWorker], bundles_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Sweep:
    folder = tmp_path_factory.mktemp("lying")
    lab = write_lab(folder, [standing[name] for name in ("pi", "server")])
    chains = [{"devices": ["pi", "server"], "cuts": [2]}]
    experiment = write_experiment(folder, chains=chains, depths=[2], wait_s=0)
    add(experiment, bundles=str(bundles_folder))
    return Sweep(resolve(experiment, load_lab(lab)), folder)


@pytest.fixture(scope="module")
def transcript(sweep: Sweep) -> Iterator[Transcript]:
    made = Transcript()
    with pytest.MonkeyPatch.context() as patch, recorded(made, patch):
        swept = sweep.run()
    assert swept.outcome is not None and swept.outcome.left == 0, (swept.lines, swept.error)
    yield made


@pytest.fixture(scope="module")
def slower(
    standing: dict[str, LabWorker], bundles_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sweep]:
    """Of one split, whose links have a codec, and whose first device is an emulated slower one."""
    folder = tmp_path_factory.mktemp("slower")
    with running_workers(folder, ["pi"], "--slowdown", "2") as workers:
        lab = write_lab(folder, [workers["pi"], standing["server"]])
        chains = [{"devices": ["pi", "server"], "cuts": [2]}]
        experiment = write_experiment(
            folder, chains=chains, depths=[2], batches=[4], codecs=["uint8"], wait_s=0
        )
        add(experiment, bundles=str(bundles_folder))
        yield Sweep(resolve(experiment, load_lab(lab)), folder)


@pytest.fixture(scope="module")
def slower_transcript(slower: Sweep) -> Transcript:
    """Of two trials: the first has the replies that the others need not have."""
    made = Transcript()
    with pytest.MonkeyPatch.context() as patch, recorded(made, patch):
        swept = slower.run(2)
    assert swept.outcome is not None and swept.outcome.left == 0, (swept.lines, swept.error)
    return made


def check_readable(results: Path, trials: int) -> None:
    """Every trial is there, nothing is wrong with it, and what the report says of them are numbers."""
    with Results.open(results, whole=False) as opened:
        assert not list(findings(opened))
    sweep = load(results)
    assert not sweep.left_out
    cells = sweep.cells
    assert sum(len(cell.trials) for cell in cells) == trials
    for figure in [figure for cell in cells for figure in (cell.latency(), cell.throughput)]:
        assert figure.value is None or 0 < figure.value < 1e9
    with Results.open(results) as opened:
        depths = {cell.id: cell.depth for cell in opened.cells()}
        assert [broken_law(trial, depths[trial.cell]) for trial in opened.trials()] == [None] * trials


def voids(results: Path) -> list[tuple[str, str | None]]:
    with Results.open(results) as opened:
        return [(reason, device) for _, _, reason, device, _ in opened.voids()]


def swept_with(
    sweep: Sweep,
    transcript: Transcript,
    kind: type[Request[Message]],
    lies: list[Lie],
    monkeypatch: pytest.MonkeyPatch,
    trials: int,
    first: int = 0,
) -> Swept:
    """Sweep so many trials, with pi telling these lies after its first honest replies."""
    port = sweep.resolved.lab.device("pi").control_port
    replay = Replay(transcript, port, kind, lies, honest=OF_A_TRIAL.get(kind, 1), first=first)
    with replay.answering(monkeypatch):
        swept = sweep.run(trials)
    assert not replay.left, (swept.error, swept.lines, [lie.name for lie in replay.left])
    assert swept.outcome is not None and swept.outcome.left == 0, (swept.error, swept.lines)
    check_readable(swept.results, trials)
    return swept


def take_baseline(worker: ClaimedWorker, bundle: Bundle) -> None:
    """As a sweep does before its trials; the bundle is supplied first."""
    baseline_trial(worker, bundle, network="ideal", batch=1, number=0, threads=1, requests=12, warmup=2)


def test_nothing_is_asked_in_a_sweep_that_is_not_lied_about(transcript: Transcript) -> None:
    asked = {kind for _, kind, *_ in transcript.replies} - {"PutFile", "PutShard"}
    assert asked == {kind.__name__ for kind in (*OF_A_TRIAL, *BESIDE, *BEFORE)}


@pytest.mark.parametrize("kind", OF_A_TRIAL, ids=lambda kind: kind.__name__)
def test_a_plain_lie_voids_its_trial_and_names_the_device(
    kind: type[Request[Message]], sweep: Sweep, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = [lie for lie in lies_of(transcript.first(kind)) if lie.is_plain]
    swept = swept_with(sweep, transcript, kind, lies, monkeypatch, len(lies) + 1)
    found = voids(swept.results)
    assert {device for _, device in found} == {"pi"}
    for lie, (reason, _) in zip(lies, found, strict=True):
        assert reason.startswith("invalid reply: pi: 127.0.0.1:"), (lie.name, reason)
        assert f" sent an invalid reply to {kind.__name__}: " in reason, (lie.name, reason)


@pytest.mark.parametrize("kind", OF_A_TRIAL, ids=lambda kind: kind.__name__)
def test_a_subtle_lie_voids_its_trial_or_is_as_good_as_true(
    kind: type[Request[Message]], sweep: Sweep, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = [lie for lie in lies_of(transcript.first(kind)) if not lie.is_plain]
    swept = swept_with(sweep, transcript, kind, lies, monkeypatch, 2 * len(lies) + 1)
    found = voids(swept.results)
    assert len(found) <= len(lies)
    assert {device for _, device in found} <= {"pi", None}


@pytest.mark.parametrize("kind", BESIDE, ids=lambda kind: kind.__name__)
def test_a_lie_beside_trials_is_told_and_the_sweep_goes_on(
    kind: type[Request[Message]], sweep: Sweep, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = list(lies_of(transcript.first(kind)))
    if kind is Baseline:
        # The third failure in a call is the last.
        lies = lies[:2]
    swept = swept_with(sweep, transcript, kind, lies, monkeypatch, 2 * len(lies) + 1)
    assert not voids(swept.results)
    plain = sum(lie.is_plain for lie in lies)
    told = [line for line in swept.lines if f" sent an invalid reply to {kind.__name__}: " in line]
    # A pipeline that is taken down measures nothing.
    assert kind is ClosePipeline or len(told) >= plain
    assert all(line.endswith("; continuing") and ": pi: 127.0.0.1:" in line for line in told)


@pytest.mark.parametrize("kind", OF_A_TRIAL, ids=lambda kind: kind.__name__)
def test_a_device_that_always_lies_ends_no_sweep_early_and_none_late(
    kind: type[Request[Message]], sweep: Sweep, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = sweep.resolved.lab.device("pi").control_port
    lies = [next(lies_of(transcript.first(kind)))] * 1000
    with Replay(transcript, port, kind, lies, honest=0).answering(monkeypatch):
        swept = sweep.run(5)
    assert swept.outcome is not None and swept.outcome.left == 5 and not swept.outcome.done
    # Four tries in each of three blocks; then the cell is given up.
    assert [device for _, device in voids(swept.results)] == ["pi"] * 12
    with pytest.raises(ResultsError, match="has no finished trial"):
        load(swept.results)


@pytest.mark.parametrize("kind", [*BEFORE, Baseline], ids=lambda kind: kind.__name__)
def test_a_lie_outside_a_trial_is_an_error_that_names_the_device(
    kind: type[Request[Message]],
    sweep: Sweep,
    transcript: Transcript,
    tiny: Bundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = sweep.resolved.lab
    for lie in lies_of(transcript.first(kind)):
        with Replay(transcript, lab.device("pi").control_port, kind, [lie]).answering(monkeypatch):
            try:
                with WorkerPool(lab, ["pi"], 0.0) as pool:
                    take_baseline(pool.workers["pi"], tiny)
            except DeviceError as error:
                assert str(error).startswith("pi: ") and "\n" not in str(error), lie.name
            else:
                assert not lie.is_plain, lie.name


def test_a_lie_about_what_a_codec_sent_voids_its_trial(
    slower: Sweep, slower_transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [reply for reply in slower_transcript.of(TakeRecords) if isinstance(reply, Records) and reply.sent]
    # Not of the run before the first trial, on which a slower device is timed, and not the server's.
    lies = [lie for lie in lies_of(max(sent, key=lambda reply: len(reply.endpoint))) if ".sent" in lie.name]
    swept = swept_with(slower, slower_transcript, TakeRecords, lies, monkeypatch, 2 * len(lies) + 1, first=1)
    found = voids(swept.results)
    assert {device for _, device in found} == {"pi"}
    good = [lie.name for lie in lies if GOOD.match(lie.name)]
    assert len(found) == len(lies) - len(good), (good, [reason for reason, _ in found])


GOOD = re.compile(r"Records\.sent\[0\]\.(encoded_bytes|sent_raw) = \d{1,3}$")
"""As good as true: so many bytes a codec could have made, and could not have made less of so many tensors."""


@pytest.mark.parametrize("kind", [TimeStages, Baseline], ids=lambda kind: kind.__name__)
def test_a_lie_about_a_time_at_full_speed_is_told_and_the_sweep_goes_on(
    kind: type[Request[Message]],
    slower: Sweep,
    slower_transcript: Transcript,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sweep measures that time once, so each lie has a sweep of its own."""
    part = ".full_speed_s" if kind is Baseline else ".compute_s[0]"
    for lie in lies_of(slower_transcript.first(kind)):
        if part in lie.name:
            swept = swept_with(slower, slower_transcript, kind, [lie], monkeypatch, 2)
            found = [f"{device}: {reason}" for reason, device in voids(swept.results)]
            found += [line for line in swept.lines if line.startswith("baseline of pi: ")]
            assert len(found) <= 1
            assert all("pi: 127.0.0.1:" in line or "pi: a baseline with" in line for line in found)
            # Without that time, its slower runs would not be one device's.
            assert found or not (lie.is_plain or lie.name.endswith((" None", " nothing"))), lie.name


UNSOUND = re.compile(
    r"RunDone\.(elapsed_s|counted\[.\]|checked) |Records\.(endpoint|hops\[0\]\.rows) = b'(\\x00|')"
)
"""Lies that only the records, or only the request, give away."""


@pytest.mark.parametrize("keys", [{"depths": ["auto"]}, {"loads": ["constant:100/s"]}], ids=str)
def test_runs_that_no_law_covers_are_checked_as_well(
    keys: dict[str, object],
    lab: Path,
    bundles_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Short ones that find a depth, and those under an open load."""
    chains = [{"devices": ["pi", "server"], "cuts": [2]}]
    experiment = write_experiment(tmp_path, chains=chains, wait_s=0, **keys)
    add(experiment, bundles=str(bundles_folder))
    sweep, transcript = Sweep(resolve(experiment, load_lab(lab)), tmp_path), Transcript()
    with recorded(transcript, monkeypatch):
        assert (swept := sweep.run()).outcome is not None, swept.error
    port = sweep.resolved.lab.device("pi").control_port
    for kind in (Run, TakeRecords):
        lies = [
            lie for lie in lies_of(transcript.first(kind)) if not lie.is_plain and UNSOUND.match(lie.name)
        ]
        # One about each field.
        for lie in {lie.name.partition(" ")[0]: lie for lie in lies}.values():
            with Replay(transcript, port, kind, [lie]).answering(monkeypatch):
                swept = sweep.run()
            assert swept.outcome is not None and swept.outcome.left == 0, (lie.name, swept.error)
            found = voids(swept.results)
            assert [device for _, device in found] == ["pi"], (lie.name, found)
            assert found[0][0].startswith("invalid reply: pi: "), (lie.name, found)


WANTED = (
    ("BuildPipeline", ".load_s = {}"),
    ("BuildPipeline", ".load_s[0] = nan"),
    ("BuildPipeline", ".load_s = []"),
    ("OpenLinks", ": a Missing"),
    ("Run", ".elapsed_s = nan"),
    ("Run", ".elapsed_s = 0.0"),
    ("Run", ".elapsed_s = 1000000000.0"),
    ("Run", ".checked = 9223372036854775807"),
    ("Run", ".counted[0] = 0"),
    ("Run", ": no message"),
    ("TakeRecords", ".hops = []"),
    ("TakeRecords", ".hops[0].rows = b''"),
    ("TakeRecords", ".endpoint = b'\\xff"),
    ("TakeRecords", ".hops[0].start = 1"),
    ("TakeRecords", ".accounts[0].elapsed_s = inf"),
    ("TakeRecords", ".sent = []"),
    ("TakeRecords", ".sent[0].requests = 0"),
    ("SampleTelemetry", ".samples = []"),
    ("SampleTelemetry", ".samples[0].at_s = 'long'"),
    ("TimeStages", ".compute_s = []"),
    ("Baseline", ".compute_s[0] = -1e-09"),
    ("TimeSentinel", ".times_s = []"),
)
"""A request, and where its lie is and what stands there."""


def test_lies_over_a_real_connection_are_found_one_by_one(
    standing: dict[str, LabWorker], bundles_folder: Path, tmp_path: Path
) -> None:
    def lie_that(text: str) -> Callable[[Lie], bool]:
        return lambda lie: text in lie.name

    pi, server = (standing[name].device() for name in ("pi", "server"))
    with LyingProxy(pi["control_port"], [(kind, lie_that(text)) for kind, text in WANTED]) as proxy:
        lab = write_lab(tmp_path, [pi | {"control_port": proxy.port}, server])
        chains = [{"devices": ["pi", "server"], "cuts": [2]}]
        experiment = write_experiment(
            tmp_path, chains=chains, codecs=["uint8"], depths=[*range(1, len(WANTED) + 1)], wait_s=5
        )
        add(experiment, bundles=str(bundles_folder))
        swept = Sweep(resolve(experiment, load_lab(lab)), tmp_path).run()
    assert not proxy.left, ([kind for kind, _ in proxy.left], swept.lines, swept.error)
    assert swept.outcome is not None and swept.outcome.left == 0, (swept.lines, swept.error)
    check_readable(swept.results, len(WANTED))
    found = [(reason, device) for reason, device in voids(swept.results) if device is not None]
    assert {device for _, device in found} == {"pi"}
    beside = [line for line in swept.lines if line.startswith(("baseline of pi: ", "sentinel of pi: "))]
    assert (len(found), len(beside)) == (len(WANTED) - 2, 2), (found, beside)


@pytest.mark.parametrize(
    ("command", "kind", "text"),
    [
        ("selfcheck", "Run", ".elapsed_s = nan"),
        ("links --as-is", "ProbeRoundTrips", ".round_trips_s[0] = inf"),
        ("status", "Query", ".slowdown = -inf"),
    ],
)
def test_other_commands_name_the_device_in_a_line(
    command: str, kind: str, text: str, standing: dict[str, LabWorker], tmp_path: Path
) -> None:
    pi, server = (standing[name].device() for name in ("pi", "server"))
    with LyingProxy(pi["control_port"], [(kind, lambda lie: text in lie.name)]) as proxy:
        lab = write_lab(tmp_path, [pi | {"control_port": proxy.port}, server])
        ended = commands.controller(*command.split(), "--lab", lab)
    assert len(proxy.told) == 1
    said = ended.stdout + ended.stderr
    assert f"sent an invalid reply to {kind}" in " ".join(said.split()) and "Traceback" not in said
    assert ended.returncode == 2
    # The status is a table.
    assert command == "status" or re.match(r"error: (invalid reply: )?pi: ", ended.stderr.splitlines()[-1])
