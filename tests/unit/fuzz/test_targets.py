"""Every target of `make fuzz`, on its seeds (mended findings among them) and on mutations of these."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.data.sweep import load
from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS, run_one

SEEDS = [(target, name) for target in TARGETS for name in seeds(target)]

# A bundle is copied, and a results file is measured, for each.
_EXAMPLES = {"bundle": 60, "results": 40, "experiment": 60, "networks": 60}


@pytest.mark.parametrize(("target", "name"), SEEDS)
def test_seeds_are_taken_or_refused(target: str, name: str) -> None:
    run_one(target, seeds(target)[name])


def test_every_target_has_seeds() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
    assert all(seeds(target) for target in TARGETS)


def test_the_results_file_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "results.sqlite").write_bytes(seeds("results")["sweep"])
    assert len(load(tmp_path / "results.sqlite").cells) == 3 * 3 * 2  # networks, splits, depths


@st.composite
def mutated(draw: st.DrawFn, target: str) -> bytes:
    """A seed with some of its bytes others."""
    data = bytearray(draw(st.sampled_from(list(seeds(target).values()))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("change", "insert", "remove", "cut", "copy"))):
            case "change" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del data[at : at + draw(st.integers(1, 16))]
            case "cut":
                del data[at:]
            case "copy":
                start = draw(st.integers(0, len(data)))
                data[at:at] = data[start : start + draw(st.integers(1, 32))]
    return bytes(data)


@pytest.mark.parametrize("target", list(TARGETS))
def test_mutations_are_taken_or_refused(target: str) -> None:
    @settings(max_examples=_EXAMPLES.get(target, 200), deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(target))
    def run(data: bytes) -> None:
        run_one(target, data)

    run()
