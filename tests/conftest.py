"""What holds for every test."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from exporter.bundle import Bundle
from tests.bundles import export_tiny

# CI tries the same examples each time; elsewhere each run tries others. No time limits: machines are shared.
settings.register_profile("edgecut", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
settings.load_profile("edgecut")

_ON_REQUEST = ("lab", "arm64")
"""`make test-lab` and `make test-arm64` run them."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI is set, everything that a test may need is installed, so a skip hides something: it fails."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped, which CI does not allow: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that skips itself as a whole."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: skipped, which CI does not allow: {_reason(report.longrepr)}"
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs root, packages and minutes, unless -m asks for it; that is no skip."""
    unasked = [marker for marker in _ON_REQUEST if marker not in config.option.markexpr]
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in unasked)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


@pytest.fixture(scope="session")
def bundles_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundle `tiny`: x -> MatMul -> Relu -> MatMul -> Relu -> y, batch symbolic."""
    folder = tmp_path_factory.mktemp("bundles")
    export_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(bundles_folder: Path) -> Bundle:
    """The bundle `tiny`: 4 nodes, cut points 1 to 3, all clean."""
    return Bundle.open(bundles_folder / "tiny")
