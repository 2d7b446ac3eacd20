"""`edgecut demo`: from nothing to a report, on this machine alone; what is finished is kept."""

import hashlib
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from controller.errors import LabError
from controller.sweep.outcome import INTERRUPTED
from edgecut.demo_model import bundle_of
from edgecut.playbook import ROOT, Playbook, finish, is_interrupted, run, wait
from worker.terminal import say, show

__all__ = ["Demo"]

_NETWORKS: Final = ("wifi", "lan", "wan")
_MISSING: Final = 1
_BASE_PORT: Final = 7180
_BUSY: Final = 0.2


@dataclass(frozen=True)
class Demo:
    """The demo, or with `full` the one that measures every split.

    Attributes:
        results: The folder for everything; default: results/demo, or results/demo-full.
    """

    full: bool = False
    results: Path | None = None
    _began_s: float = field(default_factory=time.monotonic, init=False)

    @property
    def out(self) -> Path:
        """The folder for everything."""
        return self.results or ROOT / "results" / self._name

    def run(self) -> int:
        """Train and deploy, measure network after network, report; returns the exit code.

        Raises:
            ControllerError: There is no Ansible, or a file cannot be written.
        """
        if not self._experiment.is_file():
            raise LabError(
                f"no {self._experiment}; install edgecut from a clone of its repository (make venv)"
            )
        self.out.mkdir(parents=True, exist_ok=True)
        if self._is_done():
            show(*self._answers.read_text(encoding="utf-8").splitlines())
            show(f"All is done. To start over: rm -r {shlex.quote(str(self.out))}", f"report: {self._report}")
            return 0
        self._introduce()
        code = self._measure()
        if code not in (0, _MISSING):
            return code
        return self._write_report() or code

    # --- steps ------------------------------------------------------------------------------

    def _introduce(self) -> None:
        show(
            "Where should MobileNetV2 be cut between a slow device (pi) and a fast one (server)?",
            "The demo trains it on handwritten digits, puts two workers on this machine, profiles them, and "
            + ("measures every split" if self.full else "measures the splits that could be best")
            + " under three networks.",
        )
        if not self.full:
            show("On two idle cores: the answer for wifi within 2 minutes, the report on all three within 6.")
        if (share := _busy_share()) > _BUSY:
            say(
                f"warning: this machine is busy ({share:.0%} of its processors): the demo takes longer, and "
                f"its answers are less sure; better end what else runs"
            )

    def _measure(self) -> int:
        """Everything that needs the lab, which is gone afterwards."""
        has_model = (bundle_of(self.out) / "manifest.json").exists()
        self._step("deploy two workers" if has_model else "train and export the model, deploy two workers")
        with self._lab(), self._model() as model:
            if code := run(self._playbook("deploy")).code:
                return code
            if code := _code_of(*finish(model)):
                return code
            worst = 0
            for network in _NETWORKS:
                self._step(f"{network}: measure")
                code = _code_of(*wait(self._sweep(network)))
                if code not in (0, _MISSING):
                    return code
                worst = max(worst, code)
                self._step(f"{network}: the answer")
                show(*self._answer(network))
            return worst

    def _write_report(self) -> int:
        self._step("report")
        code, _ = wait(_python("analysis", "report", str(self._results), "--out", str(self.out)))
        if code == 0:
            self._answers.write_text("\n".join(self._answer()) + "\n", encoding="utf-8")
            self._ended.write_text(self._digest(), encoding="utf-8")
        return _code_of(code)

    # --- what they need ---------------------------------------------------------------------

    @contextmanager
    def _lab(self) -> Iterator[None]:
        """A lab beside the default one of deploy.yml; it is removed at the end, however that comes."""
        try:
            yield
        finally:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                run(self._playbook("teardown"))
            finally:
                signal.signal(signal.SIGINT, before)

    @contextmanager
    def _model(self) -> "Iterator[subprocess.Popen[str]]":
        """The process that makes the model; if it still runs at the end, it is ended."""
        command = _python("edgecut.demo_model", str(self.out))
        with subprocess.Popen(command, cwd=ROOT, text=True) as process:
            try:
                yield process
            finally:
                process.terminate()

    def _playbook(self, name: str) -> Playbook:
        settings: dict[str, Any] = {
            "edgecut_state_dir": str(self.out / "lab"),
            "base_port": _BASE_PORT,
            "workers": 2,
        }
        return Playbook(name, name, settings, Path("inventory/local"), arguments=("--skip-tags", "next"))

    def _sweep(self, network: str) -> list[str]:
        # Emulated links need no playbook to shape them.
        return _python(
            *("controller", "sweep", str(self._experiment), "--network", network),
            *("--lab", str(self.out / "lab" / "local.json"), "--results", str(self._results)),
            *("--device-profiles", str(self.out / "profiles"), "--bundles", str(bundle_of(self.out).parent)),
        )

    def _answer(self, network: str | None = None) -> list[str]:
        """The report's first table: of a network, or of all."""
        # Imported here: pandas takes a second.
        from analysis.data.sweep import load
        from analysis.report.summary import summary_rows
        from analysis.report.terminal import summary_lines
        from analysis.study import Study

        study = Study.of(load(self._results))
        rows = [row for row in summary_rows(study) if network in (None, row.network)]
        return summary_lines(study, rows)

    # --- files ------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return "demo-full" if self.full else "demo"

    @property
    def _experiment(self) -> Path:
        return ROOT / "ansible" / "experiments" / f"{self._name}.yml"

    @property
    def _results(self) -> Path:
        return self.out / "results.sqlite"

    @property
    def _report(self) -> Path:
        return self.out / "report.html"

    @property
    def _answers(self) -> Path:
        return self.out / "answers.txt"

    @property
    def _ended(self) -> Path:
        return self.out / ".ended"

    def _is_done(self) -> bool:
        """Whether it ended before, with what its results depend on as it is now."""
        return (
            self._report.is_file()
            and self._answers.is_file()
            and self._ended.is_file()
            and self._ended.read_text(encoding="utf-8") == self._digest()
        )

    def _digest(self) -> str:
        places = [
            self._experiment,
            ROOT / "ansible" / "networks.yml",
            ROOT / "inventory" / "local" / "hosts.yml",
        ]
        places += [Path(__file__), Path(__file__).with_name("demo_model.py")]
        return hashlib.sha256(b"".join(place.read_bytes() for place in places)).hexdigest()

    def _step(self, what: str) -> None:
        show(f"== {time.monotonic() - self._began_s:.0f} s: {what}")


def _busy_share(seconds: float = 1.0) -> float:
    """The share of this machine's processor time that is in use, over so many seconds."""
    return psutil.cpu_percent(interval=seconds) / 100


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _code_of(code: int, _screen: str = "") -> int:
    return INTERRUPTED if is_interrupted(code) else code
