"""Another worker at the same address after a reconnect: what must stay is compared, and the rest noted."""

from collections.abc import Callable, Sequence
from pathlib import Path

from controller.console import Screen
from controller.errors import ControllerError
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.results import Cell, Results, Store, Trial
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
    folder: Path, bundles: Path, workers: dict[str, LabWorker], options: Sequence[str], on_failure: str
) -> tuple[list[str], str]:
    """Sweep three cells twice, and after four trials put another worker in the server's place.

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

    text, results = resolved.text, folder / "results.sqlite"
    with (
        Store.create(results, name="t", text=text, seed=0, trials=2, created_at=now()) as store,
        Replacing(4, replace) as screen,
    ):
        try:
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
