"""Bundles of small models, exported once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.bundle import Bundle
from exporter.export import ExportSettings, export

SMALL_MODELS = Path(__file__).parent / "small_models.py"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """Return a function that gives the bundle of a model of ``small_models.py``."""
    folder = tmp_path_factory.mktemp("small")
    made: dict[str, Bundle] = {}

    def get(name: str) -> Bundle:
        if name not in made:
            made[name] = export(ExportSettings(f"{SMALL_MODELS}:{name}", folder / name, samples=12))
        return made[name]

    return get


@pytest.fixture(scope="session")
def residual(small: Callable[[str], Bundle]) -> Bundle:
    """x -> stem (norm folded) -> Relu -+-> body.0 -> body.1 -> Add -> mean -> head; 7 nodes, 3 and 4 wide."""
    return small("residual")
