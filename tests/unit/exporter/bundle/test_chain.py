"""Chains of shards compute what the whole graph computes."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import onnxruntime as ort
import pytest

from exporter.bundle import Bundle, accuracy, run_chain
from exporter.bundle.chain import score
from exporter.errors import BundleError, RangeError


@pytest.mark.parametrize("name", ["residual", "two_inputs", "tokens", "fixed_batch", "with_data"])
def test_every_split_into_two_and_three_gives_the_whole_graphs_answers(
    small: Callable[[str], Bundle], name: str
) -> None:
    bundle = small(name)
    samples = bundle.samples()
    ends = range(bundle.node_count + 1)
    splits = [(), *((cut,) for cut in ends), *combinations(ends, 2)]
    for cuts in splits:
        found = run_chain(bundle, cuts, samples.inputs)
        assert list(found) == [tensor.name for tensor in bundle.manifest.outputs]
        for output, expected in samples.answers.items():
            np.testing.assert_allclose(found[output], expected, rtol=1e-5, atol=1e-6)


def test_plain_onnx_runtime_loads_a_shard_from_bytes_with_the_weights_folder_named(residual: Bundle) -> None:
    options = ort.SessionOptions()
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(residual.path)
    )
    session = ort.InferenceSession(residual.shard(0, 7).graph, options, providers=["CPUExecutionProvider"])
    samples = residual.samples()
    (found,) = session.run(None, {"x": samples.inputs["x"]})
    np.testing.assert_allclose(found, samples.answers["output"], rtol=1e-5, atol=1e-6)


def test_types_and_shapes_of_what_crosses_are_what_comes_out(small: Callable[[str], Bundle]) -> None:
    bundle = small("tokens")
    found = run_chain(bundle, (), bundle.samples().inputs)
    for tensor in bundle.manifest.outputs:
        assert found[tensor.name].dtype.name == tensor.dtype
        assert found[tensor.name].shape == tensor.concrete(12)
    assert {tensor.dtype for tensor in bundle.manifest.inputs} == {"int64", "float32"}


def test_batches_may_be_smaller_than_the_samples(residual: Bundle) -> None:
    samples = residual.samples()
    whole, parts = (
        run_chain(residual, (2,), samples.inputs),
        run_chain(residual, (2,), samples.inputs, batch=5),
    )
    np.testing.assert_allclose(whole["output"], parts["output"], rtol=1e-5, atol=1e-6)


def test_a_fixed_batch_takes_whole_batches_only(small: Callable[[str], Bundle]) -> None:
    bundle = small("fixed_batch")
    assert bundle.manifest.batch == 4
    inputs = bundle.samples().inputs
    with pytest.raises(BundleError, match="batches of 4 only"):
        run_chain(bundle, (), {"x": inputs["x"][:3]})
    with pytest.raises(BundleError, match="batches of 4 only"):
        run_chain(bundle, (), inputs, batch=2)
    assert bundle.cut_points[0].bytes_per_sample == 6 * 4
    assert bundle.manifest.multiply_adds == 6 * 3


def test_wrong_cuts_and_inputs_are_named(residual: Bundle) -> None:
    inputs = residual.samples().inputs
    with pytest.raises(RangeError, match="not in order"):
        run_chain(residual, (4, 2), inputs)
    with pytest.raises(RangeError, match="out of range"):
        run_chain(residual, (9,), inputs)
    with pytest.raises(BundleError, match='input "x" is missing'):
        run_chain(residual, (), {"y": inputs["x"]})


def test_accuracy_by_the_models_metric(small: Callable[[str], Bundle], residual: Bundle) -> None:
    bundle = small("with_data")
    samples = bundle.samples()
    assert accuracy(bundle, samples.answers, samples.labels) == 1.0
    assert accuracy(bundle, samples.answers, None) is None
    # Random inputs have no labels.
    assert residual.samples().labels is None
    assert residual.manifest.metric is None


def test_top1_and_top5() -> None:
    scores = np.array([[0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]])
    assert score("top1", scores, np.array([5, 1])) == 0.5
    assert score("top5", scores, np.array([0, 4])) == 0.5
    segments = np.stack([np.zeros((1, 2, 2)), np.ones((1, 2, 2))], axis=1)
    assert score("top1", segments, np.ones((1, 2, 2), dtype=np.int64)) == 1.0
