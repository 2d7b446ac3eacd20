"""A full sweep's results file, and what is made of it: read, computed and reported once for all tests."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # so that `tests.unit.analysis.synthetic` is found

from analysis.data.sweep import Sweep, load  # noqa: E402
from analysis.report import Report, write_report  # noqa: E402
from analysis.study import Study  # noqa: E402
from tests.unit.analysis.synthetic import write_sweep  # noqa: E402


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two devices, three networks, every trial finished."""
    return write_sweep(tmp_path_factory.mktemp("results") / "results.sqlite")


@pytest.fixture(scope="session")
def sweep(results: Path) -> Sweep:
    return load(results)


@pytest.fixture(scope="session")
def study(sweep: Sweep) -> Study:
    return Study.of(sweep)


@pytest.fixture(scope="session")
def report(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Its report, with its figures as SVG."""
    return write_report(sweep, tmp_path_factory.mktemp("report") / "new" / "out", ("svg",))


@pytest.fixture(scope="session")
def page(report: Report) -> str:
    """The report's page, as HTML."""
    return report.page.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Sweep]:
    """Give a small sweep with something special about it, written and read once."""
    folder = tmp_path_factory.mktemp("others")
    sweeps: dict[str, Sweep] = {}

    def read(**special: object) -> Sweep:
        small = {"cuts": (0, 12, 24, 48, 60)} | special
        key = repr(sorted(small.items()))
        if key not in sweeps:
            sweeps[key] = load(write_sweep(folder / f"{len(sweeps)}.sqlite", **small))  # type: ignore[arg-type]
        return sweeps[key]

    return read
