"""The baseline: the whole model alone on one device, in a bare ONNX Runtime loop."""

from collections.abc import Sequence

from controller.errors import InvalidReply
from controller.experiment.topology import tensor_specs
from controller.lab.upload import supply
from controller.lab.watchdog import Watchdog
from controller.lab.worker_client import ClaimedWorker
from controller.pipeline.deployment import known_full_speeds, varies_with_data
from controller.results import BaselineTrial, FullSpeed
from controller.results.provenance import now
from exporter.bundle import Bundle
from worker.wire.messages import Baseline, PlantedTime, ShardRef

__all__ = ["baseline_trial"]

_TIMEOUT_S = 600.0


def baseline_trial(
    worker: ClaimedWorker,
    bundle: Bundle,
    *,
    network: str,
    batch: int,
    number: int,
    threads: int,
    requests: int,
    warmup: int,
    planted: PlantedTime | None = None,
    full_speeds: Sequence[FullSpeed] = (),
) -> tuple[BaselineTrial, FullSpeed | None]:
    """Time `requests` runs of the whole model on the worker's device, in block `number` under `network`.

    Args:
        planted: The time that the null model takes, if any.
        full_speeds: What the sweep has measured so far of stages on slower devices.

    Returns:
        The baseline, and the model's time at full speed if the worker had to measure it.

    Raises:
        DeviceError: The worker was lost, cannot run the model, or gave a reply that cannot be true.
    """
    whole = bundle.shard(0, bundle.node_count)
    supply(worker, bundle, [whole])
    request = Baseline(
        shard=ShardRef(digest=whole.digest, bundle=bundle.digest, start=whole.start, stop=whole.stop),
        inputs=tensor_specs(whole.inputs, batch),
        batch=batch,
        threads=threads,
        warmup=warmup,
        requests=requests,
        full_speed_s=known_full_speeds(full_speeds, bundle, batch).get(
            (worker.name, whole.start, whole.stop, threads)
        ),
        varies=varies_with_data(bundle, whole.start, whole.stop),
        planted=planted,
    )
    taken_at = now()
    with Watchdog([worker]):
        done = worker.ask(request, timeout_s=_TIMEOUT_S)
    # A slower device takes a multiple of its time at full speed, which it measures only if it must.
    is_fixed = worker.info.slowdown > 1 and planted is None and not request.varies
    if (done.full_speed_s is not None) != (is_fixed and request.full_speed_s is None):
        raise InvalidReply(worker.name, f"a baseline with {done.full_speed_s} s at full speed")
    full_speed = None
    if done.full_speed_s is not None:
        stage = bundle.digest, worker.name, whole.start, whole.stop, batch, threads
        full_speed = FullSpeed(*stage, done.full_speed_s, taken_at)
    baseline = BaselineTrial(
        model=bundle.manifest.model,
        network=network,
        bundle=bundle.digest,
        device=worker.name,
        batch=batch,
        number=number,
        threads=threads,
        taken_at=taken_at,
        compute_s=done.compute_s,
        is_fixed=is_fixed,
    )
    return baseline, full_speed
