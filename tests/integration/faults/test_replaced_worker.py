"""Another worker at the same address after a reconnect: what must stay is compared, and the rest noted."""

import csv
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.data.sweep import load
from analysis.exports import write_exports
from analysis.report.concerns import concerns
from controller.console import Screen
from controller.errors import ControllerError
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.results import BaselineTrial, Cell, Results, Sentinel, Store, TimeAlone, Trial
from controller.results.provenance import now
from controller.sweep.runner import run_sweep
from tests.integration.labs import LabWorker, add, write_experiment, write_lab


class Replacing(Screen):
    """Calls back once, when so many trials have finished, and keeps what the sweep says."""

    def __init__(self, trials: int, replace: Callable[[], None]) -> None:
        super().__init__()
        self._left, self._replace = trials, replace
        self.lines: list[str] = []

    def finished(self, cell: Cell, trial: Trial) -> None:
        self._left -= 1
        if self._left == 0:
            self._replace()

    def say(self, text: str) -> None:
        self.lines.append(text)


def sweep(
    folder: Path,
    bundles: Path,
    workers: dict[str, LabWorker],
    options: Sequence[str],
    on_failure: str,
    *,
    interrupted: bool = False,
) -> tuple[list[str], str]:
    """Sweep three cells twice, and after four trials put another worker in the server's place.

    Args:
        interrupted: The sweep also gets a Ctrl-C then, and is resumed.

    Returns what the sweep says, and its error.
    """
    experiment = write_experiment(folder, splits=[2], trials=2, wait_s=20, on_failure=on_failure)
    add(experiment, bundles=str(bundles))
    resolved = resolve(experiment, load_lab(write_lab(folder, workers.values())))
    server = workers["server"]

    def replace() -> None:
        server.kill()
        server._options = (*server._options, *options)
        server.start()
        if interrupted:
            os.kill(os.getpid(), signal.SIGINT)

    text, results = resolved.text, folder / "results.sqlite"
    with (
        Store.create(results, name="t", text=text, seed=0, trials=2, created_at=now()) as store,
        Replacing(4, replace) as screen,
    ):
        try:
            outcome = run_sweep(resolved, ["ideal"], store, screen)
            if interrupted:
                assert outcome.left
                run_sweep(resolved, ["ideal"], store, screen)
        except ControllerError as error:
            return screen.lines, str(error)
        return screen.lines, ""


def test_a_slower_one_is_given_up_and_measures_nothing(
    workers: dict[str, LabWorker], bundles_folder: Path, tmp_path: Path
) -> None:
    lines, error = sweep(tmp_path, bundles_folder, workers, ["--slowdown", "50", "--threads", "2"], "skip")
    assert not error
    (line,) = (line for line in lines if line.startswith("gave up on "))
    assert line.startswith(
        "gave up on server: at the start it was local, slowdown 1, threads 1, provider cpu, but now it is "
        "local, slowdown 50, threads 2, provider cpu; set it back"
    )
    with Results.open(tmp_path / "results.sqlite") as results:
        assert len(results.environments()) == 1
        assert {device.slowdown for device in results.devices()} == {1.0}
        # Those without the server went on.
        assert 4 <= len(results.finished()) < 6


def test_one_with_another_name_ends_a_sweep_that_waits(
    workers: dict[str, LabWorker], bundles_folder: Path, tmp_path: Path
) -> None:
    _, error = sweep(tmp_path, bundles_folder, workers, ["--name", "other"], "wait")
    port = workers["server"].control_port
    assert error.startswith(f"server: the worker at 127.0.0.1:{port} is 'other', another device; correct ")
    assert "waited" not in error and error.endswith("run the same command to resume")
    with Results.open(tmp_path / "results.sqlite") as results:
        assert len(results.finished()) == 4


def test_what_may_change_is_noted_with_later_trials(
    workers: dict[str, LabWorker], bundles_folder: Path, tmp_path: Path
) -> None:
    lines, error = sweep(tmp_path, bundles_folder, workers, ["--cpu", "0"], "wait")
    assert not error
    assert "server came back with other versions or settings; later trials carry them" in lines
    with Results.open(tmp_path / "results.sqlite") as results:
        environments = [trial.environment for trial in results.trials()]
        pinned = [
            {device.name: device.stamp["pinned_cores"] for device in results.devices(number)}["server"]
            for number, _, _ in results.environments()
        ]
    assert environments == [1, 1, 1, 1, 2, 2]
    assert pinned[0] != pinned[1] == "0"


def test_a_resumed_sweep_takes_nothing_of_before_for_what_the_device_is_now(
    workers: dict[str, LabWorker], bundles_folder: Path, tmp_path: Path
) -> None:
    """The block goes on, with times alone and sentinels of its own; report and export tell both apart."""
    _, error = sweep(tmp_path, bundles_folder, workers, ["--cpu", "0"], "wait", interrupted=True)
    assert not error
    path = tmp_path / "results.sqlite"
    with Results.open(path) as results:
        trials = list(results.trials())
        assert [trial.environment for trial in trials] == [1, 1, 1, 1, 2, 2]
        assert len({trial.number for trial in trials}) == 2
        (number,) = {trial.number for trial in trials if trial.environment == 2}
        alone = {
            (environment, row.start, row.stop)
            for environment, row in results.taken(TimeAlone, block=number)
            if row.device == "server"
        }
        for trial in trials[3:]:
            for hop in trial.hops:
                if hop.device == "server":
                    assert (trial.environment, hop.start, hop.stop) in alone
        sentinels = results.taken(Sentinel, block=number)
        assert {environment for environment, row in sentinels if row.device == "server"} == {1, 2}
        assert {environment for environment, row in sentinels if row.device == "pi"} == {1}
        assert len(results.taken(BaselineTrial)) == 4
    measured = load(path)
    (concern,) = (each for each in concerns(measured) if "changed after trial" in each.text)
    pinned = [d.device.stamp["pinned_cores"] for d in measured.found.descriptions("server")]
    assert concern.text.startswith(
        f"server changed after trial 4 of 6: pinned_cores from {pinned[0] or 'null'} to 0. "
        "Figures under ideal mix trials before and after;"
    )
    assert len({trial.block for cell in measured.cells for trial in cell.trials}) == 3
    write_exports(measured, tmp_path / "export")
    with (tmp_path / "export" / "device_metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["device"] == "server"]
    assert {(row["environment"], row["pinned_cores"]) for row in rows} == {("1", pinned[0] or ""), ("2", "0")}
