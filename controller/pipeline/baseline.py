"""The baseline: the whole model alone on one device, in a bare ONNX Runtime loop."""

from controller.experiment.topology import tensor_specs
from controller.lab.upload import supply
from controller.lab.watchdog import Watchdog
from controller.lab.worker_client import ClaimedWorker
from controller.results import BaselineTrial
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
) -> BaselineTrial:
    """Time `requests` runs of the whole model on the worker's device, in block `number` under `network`.

    Args:
        planted: The time that the null model takes, if any.

    Raises:
        DeviceError: The worker was lost, or cannot run the model.
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
        planted=planted,
    )
    taken_at = now()
    with Watchdog([worker]):
        done = worker.ask(request, timeout_s=_TIMEOUT_S)
    return BaselineTrial(
        model=bundle.manifest.model,
        network=network,
        bundle=bundle.digest,
        device=worker.name,
        batch=batch,
        number=number,
        threads=threads,
        taken_at=taken_at,
        compute_s=done.compute_s,
    )
