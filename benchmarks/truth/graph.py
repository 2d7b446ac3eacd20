"""A case that computes: a small convolutional network, timed beside the sweep in plain ONNX Runtime."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.truth.cases import Case
from benchmarks.truth.compared import ALLOWED, Compared, exact, number, share
from benchmarks.truth.comparison import Reported
from benchmarks.truth.labs import call
from controller.experiment.resolve import ResolvedExperiment
from controller.results import Cell
from exporter.bundle import Bundle, Samples

__all__ = ["GRAPH", "GraphTruth", "accuracy_figures"]

_NAME: Final = "graph"
_CHANNELS: Final = 64
_SIDE: Final = 112
_BLOCKS: Final = 5
_CLASSES: Final = 10
_INPUTS: Final = 40
_SAMPLES: Final = 8
_WRONG: Final = 3
"""One label of so many is a wrong one, so that the accuracy is not 1."""

_ROUND_S: Final = 0.4
"""As long as a trial of the sweep: so it sees as much of the machine's noise."""
_ROUNDS: Final = 8
_MOST_ERROR: Final = 1e-4
_MOST_NOISE: Final = 0.03
"""Half of what rounds differ by on an idle machine."""
_HANDOVERS: Final = 4

GRAPH: Final = Case(
    _NAME,
    "a convolutional network, against plain ONNX Runtime on this machine",
    {
        "models": [_NAME],
        "devices": ["pi", "server"],
        "splits": [6],
        "depths": [1, 4],
        "requests": {1: 16, 4: 24},
        "samples": _SAMPLES,
        "threads": 1,
        # Short, so that the rounds before and after are near: a virtual machine's speed wanders.
        "trials": 1,
    },
    {"free": {}},
    labs=("local",),
)


class GraphTruth:
    """The network: its file, its time in rounds before and after a sweep, its answers."""

    def __init__(self, folder: Path, bundles: Path) -> None:
        """Write the network and export it.

        Raises:
            ControllerError: The export failed.
        """
        model, data = folder / f"{_NAME}.onnx", folder / f"{_NAME}.npz"
        rng = np.random.default_rng(0)
        onnx.save(_network(rng), model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        inputs = rng.standard_normal((_INPUTS, 3, _SIDE, _SIDE), np.float32)
        labels = np.array([self._answer(each[None]).argmax() for each in inputs])
        # So every class has a label, too: the exporter leaves out labels of another number of classes.
        labels[::_WRONG] = _CLASSES - 1
        np.savez(data, inputs=inputs, labels=labels)
        self._rounds_s: list[list[float]] = []
        call(
            "exporter",
            "export",
            model,
            "--data",
            data,
            "--samples",
            _SAMPLES,
            "--force",
            "--out",
            bundles / _NAME,
        )
        self._samples = Bundle.open(bundles / _NAME).samples()

    def time(self) -> None:
        """Time it alone, in some rounds."""
        (inputs,) = self._samples.inputs.values()
        for _ in range(_ROUNDS):
            times: list[float] = []
            while sum(times) < _ROUND_S:
                began_s = time.perf_counter()
                self._answer(inputs[len(times) % _SAMPLES][None])
                times.append(time.perf_counter() - began_s)
            self._rounds_s.append(times)

    def compare(self, resolved: ResolvedExperiment, reported: Reported) -> list[Compared]:
        """Compare what a sweep reports of it."""
        (inputs,) = self._samples.inputs.values()
        answers = np.concatenate([self._answer(each[None]) for each in inputs])
        figures = list(accuracy_figures(answers, self._samples, reported))
        for cell in resolved.cells["free"]:
            if cell.cuts[0] in (0, resolved.bundles[cell.bundle].node_count):
                figures += self._end_figures(cell, reported)
            row = reported.row("cells", cell=cell.id)
            where = f"{cell.label}, depth {cell.depth}"
            figures.append(share(where, "worst error", row.get("worst_error"), 0.0, allowed=_MOST_ERROR))
        answer = next((a for a in reported.answers if a["objective"] == "throughput"), {})
        replicas = answer.get("replicas_per_s")
        figures.append(self._time("free", "time of replicas", 2 / replicas if replicas else None))
        return figures

    def _end_figures(self, cell: Cell, reported: Reported) -> Iterator[Compared]:
        """Of a cell that computes all of it in one stage."""
        where = f"{cell.label}, depth {cell.depth}"
        row = reported.row("cells", cell=cell.id)
        rate = row.get("throughput_per_s")
        yield self._time(where, "period", 1 / float(rate) if rate else None)
        if cell.depth == 1:
            yield self._time(where, "latency p50", row.get("latency_p50_s"))
        stages = reported.rows("device_metrics", cell=cell.id)
        for figure, column in (("stage compute", "compute_s"), ("time alone", "compute_alone_s")):
            values = [float(stage[column]) for stage in stages if stage.get(column)]
            yield self._time(where, figure, statistics.median(values) if values else None)

    def _time(self, where: str, figure: str, reported: str | float | None) -> Compared:
        """Within what most rounds differ by; more than on an idle machine is a busy one's doing."""
        of = statistics.median if figure == "latency p50" else statistics.fmean
        ordered = sorted(of(times) for times in self._rounds_s)
        true_s = statistics.median(ordered)
        most = ordered[len(ordered) // 6 : -(len(ordered) // 6)]
        noise = (most[-1] - most[0]) / 2 / true_s
        widest = max(most[-1] / true_s - 1, 1 - most[0] / true_s)
        return number(
            where,
            figure,
            reported,
            true_s,
            allowed=ALLOWED + min(noise, _MOST_NOISE),
            disturbed=max(0.0, widest - _MOST_NOISE),
            per_late_s=_HANDOVERS / true_s,
        )

    def _answer(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        (answer,) = self._session.run(None, {"image": inputs})
        answer_of: NDArray[np.float32] = answer
        return answer_of


def accuracy_figures(own: NDArray[np.float32], samples: Samples, reported: Reported) -> Iterator[Compared]:
    """The bundle's answers and the accuracy of all splits, beside those of one's own answers."""
    (answers,) = samples.answers.values()
    assert samples.labels is not None
    error = float(np.max(np.abs(own - answers)) / np.max(np.abs(own)))
    yield share(_NAME, "answers", error, 0.0, allowed=_MOST_ERROR)
    accuracy = float(np.mean(own.argmax(axis=1) == samples.labels))
    for row in reported.rows("accuracy") or [{}]:
        where = f"cut {row.get('cuts')}"
        yield exact(where, "accuracy", row.get("accuracy"), accuracy)
        yield exact(where, "accuracy of the whole graph", row.get("accuracy_whole"), accuracy)
        yield exact(where, "samples", row.get("samples"), len(own))
        yield share(where, "worst error", row.get("worst_error"), 0.0, allowed=_MOST_ERROR)


def _network(rng: np.random.Generator) -> onnx.ModelProto:
    """Convolutions with ReLU, then the mean of each channel and a linear layer; weights are random."""
    nodes, weights, before, channels = [], [], "image", 3
    for block in range(_BLOCKS):
        scale = np.float32(np.sqrt(2 / (9 * channels)))
        kernel = rng.standard_normal((_CHANNELS, channels, 3, 3), np.float32) * scale
        weights.append(numpy_helper.from_array(kernel, f"kernel{block}"))
        name = f"block{block}"
        nodes += [
            helper.make_node(
                "Conv", [before, f"kernel{block}"], [f"conv{block}"], f"{name}.conv", pads=[1, 1, 1, 1]
            ),
            helper.make_node("Relu", [f"conv{block}"], [f"relu{block}"], f"{name}.relu"),
        ]
        before, channels = f"relu{block}", _CHANNELS
    weights.append(numpy_helper.from_array(rng.standard_normal((_CHANNELS, _CLASSES), np.float32), "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [before], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("MatMul", ["flat", "head"], ["scores"], "head"),
    ]
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, _SIDE, _SIDE]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", _CLASSES]),
    ]
    graph = helper.make_graph(nodes, _NAME, ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
