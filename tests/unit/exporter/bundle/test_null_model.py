"""The null model: what crosses its cuts, and that it is one by its nodes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exporter.bundle import Bundle, export_null, run_chain
from exporter.bundle.bundle import NULL_OPERATORS
from exporter.errors import ModelError, OutputError

SIZES = (8, 3, 3, 20, 5)


@pytest.fixture(scope="module", name="null")
def fixture_null(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export_null(tmp_path_factory.mktemp("bundles") / "anything", SIZES)


def test_the_requested_values_cross_each_position(null: Bundle) -> None:
    crossing = [null.tensors_at(position) for position in range(null.node_count + 1)]
    assert [[tensor.shape for tensor in tensors] for tensors in crossing] == [[("batch", n)] for n in SIZES]
    assert null.block_cuts() == (1, 2, 3), "a sweep of blocks takes every cut"


def test_every_chain_gives_the_answers_of_the_whole(null: Bundle) -> None:
    samples = Bundle.open(null.path).samples()
    expected = np.zeros((8, 5), np.float32)
    expected[:, :3] = samples.inputs["t0"][:, :3]
    np.testing.assert_array_equal(samples.answers["t4"], expected)
    for cuts in ((), (1,), (2,), (3,), (1, 3), (0, 4)):
        np.testing.assert_array_equal(run_chain(null, cuts, samples.inputs, batch=3)["t4"], expected)


def test_a_model_is_null_by_its_operators_alone(null: Bundle, residual: Bundle) -> None:
    assert null.is_null
    assert not residual.is_null
    assert {node.op for node in null.manifest.nodes} == set(NULL_OPERATORS)


@pytest.mark.parametrize(
    ("sizes", "samples", "said"),
    [
        ((8,), 8, "sizes 8: list 2 to 1025 numbers"),
        ((8, 0), 8, "sizes 8,0: list 2"),
        ((8,) * 1026, 8, "sizes 8,8,8,8,8,8,8,8,...: list 2"),
        ((8, 1 << 25), 8, "numbers from 1 to 16777216"),
        ((8, 8), 0, "0 samples"),
        ((8, 1 << 24), 2, "2 samples: a null model of up to 16777216 values has 1 to 1 samples"),
    ],
)
def test_an_impossible_null_model_is_refused(
    tmp_path: Path, sizes: tuple[int, ...], samples: int, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        export_null(tmp_path / "null", sizes, samples=samples)
    assert not list(tmp_path.iterdir())


def test_a_bundle_that_is_there_stays(null: Bundle) -> None:
    with pytest.raises(OutputError, match="exists; add --force"):
        export_null(null.path, SIZES)


@pytest.mark.processes
def test_it_is_made_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from exporter.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "null", "4", "2", "--out", str(tmp_path / "null")]
    assert subprocess.run(command, check=False).returncode == 0
    assert Bundle.open(tmp_path / "null").is_null
