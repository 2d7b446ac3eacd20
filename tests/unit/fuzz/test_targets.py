"""Every target of `make fuzz`, on its kept corpus (mended findings among it) and on mutations of that."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import CORPUS, TARGETS, run_one

KEPT = [(target, path.name) for target in TARGETS for path in sorted((CORPUS / target).iterdir())]

# A bundle is copied, and a results file is measured, for each.
_EXAMPLES = {"bundle": 60, "results": 40, "experiment": 60, "networks": 60}


@pytest.mark.parametrize(("target", "name"), KEPT)
def test_the_corpus_is_taken_or_refused(target: str, name: str) -> None:
    run_one(target, (CORPUS / target / name).read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@st.composite
def mutated(draw: st.DrawFn, target: str) -> bytes:
    """One of the corpus, with some of its bytes others."""
    data = bytearray(draw(st.sampled_from([path.read_bytes() for path in _corpus(target)])))
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


def _corpus(target: str) -> list[Path]:
    return sorted((CORPUS / target).iterdir())


@pytest.mark.parametrize("target", list(TARGETS))
def test_mutations_are_taken_or_refused(target: str) -> None:
    @settings(max_examples=_EXAMPLES.get(target, 200), deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(target))
    def run(data: bytes) -> None:
        run_one(target, data)

    run()
