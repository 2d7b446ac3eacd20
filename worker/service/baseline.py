"""The baseline: the whole model in a bare ONNX Runtime loop, as this device runs it without edgecut."""

from collections.abc import Callable, Mapping, Sequence
from threading import Event

import numpy as np

from worker.clock import clock, sharpen_sleep
from worker.endpoint import batches_of
from worker.host.memory import check_room
from worker.inference.slowdown import Slowdown
from worker.inference.stage import BoundStage, Stage
from worker.links.slots import Array, SlotPool
from worker.pipeline.hop import input_count
from worker.pipeline.loading import Loader
from worker.wire.errors import FailedError, RefusedError
from worker.wire.frames import LinkLayout
from worker.wire.messages import INPUTS_ALONE, Baseline, BaselineDone, TensorSpec

__all__ = ["take_baseline"]


def take_baseline(
    request: Baseline, loader: Loader, slowdown: float, ended: Event, abandoned: Callable[[], bool]
) -> BaselineDone:
    """Time the runs of `request`.

    Args:
        slowdown: How many times slower to make this device.
        ended: Cuts sleeps short, and ends this.
        abandoned: Called before each run; True ends this.

    Raises:
        RefusedError: The request is out of bounds, or does not fit the model.
        WorkerError: The model cannot be loaded or run, or the controller has gone.
    """
    if request.requests < 1 or request.warmup < 0 or request.batch < 1:
        raise RefusedError(
            f"cannot time {request.requests} requests of batch {request.batch} after "
            f"{request.warmup} warm-up requests"
        )
    if request.planted is not None:
        loader.check_null(request.shard)
    slowed = Slowdown(slowdown, ended, request.planted)
    if request.full_speed_s is not None:
        slowed.fix(request.full_speed_s)
    stage = loader.load(request.shard, request.threads)
    inputs = _inputs(request, loader)

    def is_over() -> bool:
        return ended.is_set() or abandoned()

    full_speed_s = None
    if slowed.lacks_full_speed and not request.varies:
        full_speed_s = _fix_full_speed(stage, LinkLayout(request.inputs), inputs, slowed, is_over)
    sharpen_sleep()
    times_s = []
    for run in range(-request.warmup, request.requests):
        if is_over():
            raise FailedError("the controller went away")
        began_s = clock()
        stage.run(inputs[run % len(inputs)])
        slowed.stay(began_s, run, scheduled=run >= 0)
        times_s.append(clock() - began_s)
    return BaselineDone(compute_s=tuple(times_s[request.warmup :]), full_speed_s=full_speed_s)


def _fix_full_speed(
    stage: Stage,
    layout: LinkLayout,
    inputs: Sequence[Mapping[str, Array]],
    slowdown: Slowdown,
    abandoned: Callable[[], bool],
) -> float:
    """Time the model at full speed, as a pipeline's stage: the result holds for the stage, too."""
    keeps = input_count(min(len(inputs), INPUTS_ALONE), layout.payload_bytes)
    slots = SlotPool(layout, keeps - 1).slots
    for slot, arrays in zip(slots, inputs, strict=False):
        for copy, array in zip(slot.arrays, arrays.values(), strict=True):
            np.copyto(copy, array)
    outputs = stage.run(inputs[0])
    specs = [TensorSpec(name=name, dtype=out.dtype.name, shape=out.shape) for name, out in outputs.items()]
    return BoundStage(stage, layout, LinkLayout(specs), slowdown=slowdown).fix_full_speed(slots, abandoned)


def _inputs(request: Baseline, loader: Loader) -> list[dict[str, Array]]:
    """Every different batch of the bundle's samples."""
    layout = LinkLayout(request.inputs)
    check_room(layout.payload_bytes, "the inputs of a baseline")
    samples = loader.load_samples(request.shard.bundle)
    names = [tensor.name for tensor in layout.tensors]
    batches = batches_of(samples.inputs, layout, request.batch, "input")
    return [dict(zip(names, batch, strict=True)) for batch in batches]
