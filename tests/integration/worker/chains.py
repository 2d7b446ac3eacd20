"""Chains of real workers."""

from collections.abc import Sequence

import msgspec

from tests.integration.labs import LabWorker
from tests.unit.worker.tiny import TinyBundle, link
from worker.wire.control import ControlConnection
from worker.wire.messages import (
    BuildPipeline,
    Emulation,
    EndpointSpec,
    HopSpec,
    LinkSpec,
    OpenLinks,
    PipelineBuilt,
    TensorSpec,
)


class Chain:
    """A pipeline over workers, the endpoint on the first: `cuts` has where each but the last ends."""

    def __init__(self, workers: Sequence[LabWorker], bundle: TinyBundle) -> None:
        self.workers = list(workers)
        self.bundle = bundle
        self.connections = [worker.claim() for worker in workers]

    @property
    def first(self) -> ControlConnection:
        return self.connections[0]

    def build(
        self,
        cuts: Sequence[int],
        *,
        depth: int = 4,
        batch: int = 1,
        check_every: int = 1,
        emulation: Emulation | None = None,
        codec: str = "none",
        allowed_error: float = 1e-4,
    ) -> list[PipelineBuilt]:
        """Build and open it; worker i has the nodes between cuts i-1 and i."""
        bounds = (0, *cuts, 4)
        links = [_between_devices(one, emulation, codec) for one in self._links(bounds, batch)]
        built = []
        for index, connection in enumerate(self.connections):
            hop = HopSpec(
                shard=self.bundle.ref(bounds[index], bounds[index + 1]),
                inlet=links[index].name,
                outlet=links[index + 1].name,
            )
            endpoint = None
            if index == 0:
                endpoint = EndpointSpec(
                    bundle=self.bundle.digest,
                    outlet=links[0].name,
                    inlet=links[-1].name,
                    batch=batch,
                    check_every=check_every,
                    allowed_error=allowed_error,
                )
            built.append(
                connection.ask(
                    BuildPipeline(
                        name="chain",
                        depth=depth,
                        links=tuple(links),
                        hops=(hop,),
                        endpoint=endpoint,
                    )
                )
            )
        for connection in self.connections:
            connection.ask(OpenLinks())
        return built

    def _links(self, bounds: Sequence[int], batch: int) -> list[LinkSpec]:
        """Source to first stage, stage to stage, last stage to sink."""
        ports = [worker.data_port for worker in self.workers]
        names = [f"link{index}" for index in range(len(bounds))]
        receivers: list[int | None] = [None, *ports[1:], ports[0] if len(ports) > 1 else None]
        width = self.bundle.inputs.shape[1]
        return [
            link(name, position, batch, port=port, width=width)
            for name, position, port in zip(names, bounds, receivers, strict=True)
        ]

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def _between_devices(spec: LinkSpec, emulation: Emulation | None, codec: str) -> LinkSpec:
    if spec.port is None:
        return spec
    return msgspec.structs.replace(spec, emulation=emulation, codec=codec)


def tensor(name: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype="float32", shape=shape)
