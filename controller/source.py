"""The controller as source and sink of a pipeline, in place of the first device."""

import socket
from typing import Self

from controller.pipeline import PipelinePlan
from exporter.bundle import Bundle
from worker.endpoint import ControllerSource, Samples
from worker.wire.messages import Run, RunDone, SentBytes

__all__ = ["Source"]


class Source:
    """An endpoint in this process, with a data port for the results.

    Attributes:
        address: Host and port that the last device sends results to.
    """

    def __init__(self, host: str) -> None:
        self._source = ControllerSource(host=host)
        self.address = (host, self._source.data_port)

    @classmethod
    def towards(cls, device_host: str) -> Self:
        """Listen on the address by which that device can reach us."""
        # Connecting a datagram socket sends nothing: it only makes the kernel choose the way.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((device_host, 9))
            return cls(probe.getsockname()[0])

    def build(self, plan: PipelinePlan, depth: int, bundle: Bundle) -> None:
        """Stand ready for the results' link.

        Raises:
            WorkerError: The samples do not fit the pipeline.
        """
        samples = bundle.samples()
        spec = plan.endpoint_spec
        self._source.build(
            plan.name,
            [link for link in plan.specs if link.name in (spec.outlet, spec.inlet)],
            Samples(inputs=samples.inputs, answers=samples.answers),
            outlet=spec.outlet,
            inlet=spec.inlet,
            depth=depth,
            batch=spec.batch,
            check_every=spec.check_every,
            prefetch=spec.prefetch,
            allowed_error=spec.allowed_error,
        )

    def open_links(self) -> None:
        """Connect to the first stage, once every worker is built.

        Raises:
            WorkerError: It cannot be reached.
        """
        self._source.open_links()

    def run(self, request: Run) -> RunDone:
        """Run requests; see `worker.endpoint.Endpoint.run`."""
        return self._source.run(
            request.requests,
            warmup=request.warmup,
            timeout_s=request.timeout_s,
            load=request.load,
            until_stable=request.until_stable,
            duration_s=request.duration_s,
        )

    def take_records(self) -> bytes:
        """Rows of the last run, as they would come from a worker."""
        return self._source.take_rows().tobytes()

    def take_sent(self) -> tuple[SentBytes, ...]:
        """What a codec on the way to the first stage made of the last run."""
        return self._source.take_sent()

    def close(self) -> None:
        """Leave the pipeline and stop listening."""
        self._source.close()
