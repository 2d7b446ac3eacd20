"""A stage: one shard in ONNX Runtime, running from slots into slots without a copy."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from worker.clock import clock, sharpen_sleep
from worker.inference.provider import PROVIDERS, check_used
from worker.inference.session_options import Options, session_options
from worker.inference.slowdown import Slowdown
from worker.links.slots import Array, Slot, SlotPool
from worker.wire.errors import FailedError, RefusedError, reason_of
from worker.wire.frames import LinkLayout

__all__ = ["BoundStage", "Stage"]

_ALONE_S: Final = 0.2
_LEAST_RUNS_ALONE: Final = 5
_MOST_BINDINGS: Final = 1024

_ELEMENT_TYPES: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    **{f"tensor({name})": name for name in ("bool", "int8", "int16", "int32", "int64")},
    **{f"tensor({name})": name for name in ("uint8", "uint16", "uint32", "uint64")},
}

_Binding = tuple[Any, list[Array | None]]
"""ONNX Runtime's binding, and the arrays that its inputs are bound to."""


class Stage:
    """A loaded shard; `load_s` is how long loading took."""

    def __init__(
        self,
        graph: bytes,
        weights_folder: Path | None,
        *,
        threads: int,
        label: str,
        provider: str = "cpu",
        options: Options | None = None,
    ) -> None:
        """Load a shard.

        Args:
            graph: the ONNX file's bytes.
            weights_folder: the folder of the files that its initializers point into; None if it needs none.
            threads: intra-op threads; a single one is the caller's.
            label: its name in errors.
            provider: one of `PROVIDERS`; tensors arrive and leave in the host's memory.
            options: further session options.

        Raises:
            RefusedError: ONNX Runtime does not accept it, or falls back to another provider.
        """
        began_s = clock()
        self.label = label
        try:
            self.session: Any = onnxruntime.InferenceSession(
                graph,
                session_options(weights_folder, threads, options or {}),
                providers=[PROVIDERS[provider]],
            )
        except Exception as error:
            raise RefusedError(f"{label} cannot be loaded: {reason_of(error)}") from error
        check_used(provider, self.session.get_providers(), label=label)
        self.load_s = clock() - began_s
        self.inputs = {node.name: node for node in self.session.get_inputs()}
        self.outputs = {node.name: node for node in self.session.get_outputs()}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once on the caller's arrays: the plain ONNX Runtime call.

        Raises:
            RefusedError: the inputs do not fit.
            FailedError: the shard cannot be computed.
        """
        if set(inputs) != set(self.inputs):
            raise RefusedError(f"{self.label} takes {sorted(self.inputs)}, not {sorted(inputs)}")
        for name, array in inputs.items():
            _check_fit(self.label, name, array.dtype.name, array.shape, self.inputs[name])
        try:
            results = self.session.run(list(self.outputs), dict(inputs))
        except Exception as error:
            raise FailedError(f"{self.label} cannot be run: {reason_of(error)}") from error
        return dict(zip(self.outputs, (np.ascontiguousarray(result) for result in results), strict=True))


class BoundStage:
    """A stage between an inlet and an outlet.

    A tensor with the same name in inlet and outlet passes on unchanged, without ONNX Runtime, which would not
    write an output that is an input of the graph.
    """

    def __init__(
        self,
        stage: Stage,
        inlet: LinkLayout,
        outlet: LinkLayout,
        *,
        slowdown: Slowdown,
        reuses_memory: bool = True,
    ) -> None:
        """Bind a stage.

        Args:
            inlet: layout of the arriving tensors.
            outlet: layout of the leaving tensors.
            slowdown: how long each run takes.
            reuses_memory: whether requests arrive in the same arrays again and again.

        Raises:
            RefusedError: the stage needs or produces tensors that the links do not carry.
        """
        self._stage = stage
        self._session = stage.session
        self._inlet, self._outlet = inlet, outlet
        self._slowdown = slowdown
        self.label = stage.label
        arriving = {tensor.name: index for index, tensor in enumerate(inlet.tensors)}
        self._inputs = [(name, arriving[name]) for name in stage.inputs if name in arriving]
        self._computed = [
            (tensor, index) for index, tensor in enumerate(outlet.tensors) if tensor.name not in arriving
        ]
        self.passed_on = [
            (arriving[tensor.name], index)
            for index, tensor in enumerate(outlet.tensors)
            if tensor.name in arriving
        ]
        self._check()
        self._reuses_memory = reuses_memory
        self._bindings: dict[tuple[Slot, int], _Binding] = {}

    def _check(self) -> None:
        stage, label = self._stage, self._stage.label
        carried = {tensor.name: tensor for tensor in self._inlet.tensors}
        for name, node in stage.inputs.items():
            if name not in carried:
                raise RefusedError(f"{label} needs {name}, which its inlet does not carry")
            _check_fit(label, name, carried[name].dtype.name, carried[name].shape, node)
        for tensor, _ in self._computed:
            if tensor.name not in stage.outputs:
                raise RefusedError(f"{label} does not produce {tensor.name}, which its outlet carries")
            _check_fit(label, tensor.name, tensor.dtype.name, tensor.shape, stage.outputs[tensor.name])
        for arriving, leaving in self.passed_on:
            one, other = self._inlet.tensors[arriving], self._outlet.tensors[leaving]
            if (one.dtype, one.shape) != (other.dtype, other.shape):
                raise RefusedError(f"{label}: {one.name} comes in one shape and leaves in another")

    def run(self, arrived: Slot, leaving: Slot, *, scheduled: bool = True) -> None:
        """Compute one request from slot to slot, and pass its planted time or sleep for the slowdown.

        Args:
            scheduled: Whether this is a run in a pipeline. Alone a planted stage takes its mean time.

        Raises:
            FailedError: ONNX Runtime cannot compute it.
        """
        began_s = clock()
        for source, target in self.passed_on:
            leaving.arrays[target] = arrived.arrays[source]
            leaving.buffers[target + 1] = arrived.buffers[source + 1]
        # Binding an input takes 3 us, but 70 us when a stage has just run through the cache. So each set of
        # arriving arrays has its binding, and after one round nothing needs binding again.
        key = leaving, id(arrived.arrays) if self._reuses_memory else 0
        binding, bound = self._bindings.get(key) or self._new_binding(key)
        for index, (name, source) in enumerate(self._inputs):
            array = arrived.arrays[source]
            if bound[index] is not array:
                bound[index] = array
                binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise FailedError(f"{self._stage.label} cannot be run: {reason_of(error)}") from error
        self._slowdown.stay(began_s, arrived.request, scheduled=scheduled)

    def _new_binding(self, key: tuple[Slot, int]) -> _Binding:
        if len(self._bindings) >= _MOST_BINDINGS:
            self._bindings.clear()
        leaving, _ = key
        binding = self._session.io_binding()
        for tensor, index in self._computed:
            array = leaving.arrays[index]
            binding.bind_output(tensor.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        bound: list[Array | None] = [None] * len(self._inputs)
        self._bindings[key] = binding, bound
        return binding, bound

    def fix_full_speed(self, inputs: Sequence[Slot], abandoned: Callable[[], bool]) -> float:
        """`time_alone` without the slowdown; from now on each run takes the slowdown's multiple of it."""
        with self._slowdown.lifted():
            full_speed_s = self.time_alone(inputs, abandoned)
        self._slowdown.fix(full_speed_s)
        return full_speed_s

    def time_alone(self, inputs: Sequence[Slot], abandoned: Callable[[], bool]) -> float:
        """Mean seconds of a run of this stage alone, slowdown included, after a run to warm up.

        As in a pipeline, each run has another input than the one before: the same input would still be in the
        core's cache, and the stage's first node unrealistically fast.

        Args:
            inputs: run in turn, each equally often, for 0.2 s and five runs at least.
            abandoned: called before each run; True ends this.

        Raises:
            FailedError: ONNX Runtime cannot compute it, its outputs differ in shape from the outlet, or
                `abandoned`.
        """
        sharpen_sleep()
        leaving = SlotPool(self._outlet, 0).slots[0]
        self.run(inputs[0], leaving, scheduled=False)
        runs, taken_s = 0, 0.0
        while taken_s < _ALONE_S or runs < _LEAST_RUNS_ALONE:
            for arrived in inputs:
                if abandoned():
                    raise FailedError("the controller went away")
                began_s = clock()
                self.run(arrived, leaving, scheduled=False)
                taken_s += clock() - began_s
            runs += len(inputs)
        self._bindings.clear()
        return taken_s / runs


def _check_fit(label: str, name: str, dtype: str, shape: Sequence[int], node: Any) -> None:
    """Refuse a tensor that does not match the graph's input or output; a symbolic size matches any."""
    expected_type = _ELEMENT_TYPES.get(node.type, node.type)
    if dtype != expected_type:
        raise RefusedError(f"{label}: {name} is {expected_type}, not {dtype}")
    fits = len(shape) == len(node.shape) and all(
        size == expected or not isinstance(expected, int)
        for size, expected in zip(shape, node.shape, strict=True)
    )
    if not fits:
        raise RefusedError(f"{label}: {name} has shape {node.shape}, not {list(shape)}")
