"""An endpoint without a worker: the controller feeds a pipeline itself."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from worker.endpoint.endpoint import WORST_ALLOWED_ERROR, Endpoint
from worker.endpoint.samples import Samples
from worker.joining import receive_join
from worker.lifeline import Lifeline
from worker.links import Links, open_data_stream, serve_join
from worker.listener import Listener
from worker.wire.errors import RefusedError
from worker.wire.messages import JoinLink, LinkSpec, LoadSpec, RunDone, SentBytes
from worker.wire.stream import ConnectionKind, SocketStream

__all__ = ["ControllerSource"]

_CLOSED: Final = LoadSpec()


class ControllerSource:
    """Source and sink of a pipeline, in the controller's process, with a data port for the results.

    It is used as a worker is: `build`, `open_links` once every worker is built, `run`, `take_rows`, `close`.
    The receiving end of its `inlet` link is `host` and `data_port`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "controller",
        log: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Listen for the results' link. Raises UsageError: the port cannot be had."""
        self._name = name
        self._links: Links | None = None
        self._endpoint: Endpoint | None = None
        self._lifeline = Lifeline()
        self._listener = Listener(
            host, port, ConnectionKind.DATA, self._serve, log, option="the controller's data port"
        )
        self._listener.begin()
        self.data_port: Final = self._listener.port

    def build(
        self,
        pipeline: str,
        links: Sequence[LinkSpec],
        samples: Samples,
        *,
        outlet: str,
        inlet: str,
        depth: int,
        batch: int,
        check_every: int = 1,
        prefetch: int | None = None,
        allowed_error: float = WORST_ALLOWED_ERROR,
    ) -> None:
        """Stand ready; what was built before is dropped. The arguments are those of `BuildPipeline`.

        Raises:
            RefusedError: links and samples do not fit.
        """
        self.drop()
        lifeline = Lifeline()
        self._lifeline = lifeline
        made = Links(
            pipeline, links, depth, lifeline, inlets=(inlet,), outlets=(outlet,), source_outlet=outlet
        )
        self._endpoint = Endpoint(
            samples,
            made.outlet(outlet),
            made.inlet(inlet),
            lifeline,
            depth=depth,
            batch=batch,
            check_every=check_every,
            prefetch=prefetch,
            allowed_error=allowed_error,
        )
        self._links = made

    def open_links(self) -> None:
        """Connect to the first stage. Raises PeerError: it cannot be reached."""
        if self._links is None:
            raise RefusedError("no pipeline is built")
        self._links.open(self._name, open_data_stream)

    def run(
        self,
        requests: int,
        *,
        warmup: int = 0,
        timeout_s: float = 600.0,
        load: LoadSpec = _CLOSED,
        until_stable: bool = False,
        duration_s: float | None = None,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> RunDone:
        """See `Endpoint.run`."""
        return self._built().run(
            requests,
            warmup=warmup,
            timeout_s=timeout_s,
            load=load,
            until_stable=until_stable,
            duration_s=duration_s,
            abandoned=abandoned,
        )

    def take_rows(self) -> NDArray[np.void]:
        """See `Endpoint.take_rows`."""
        return self._built().take_rows()

    def take_sent(self) -> tuple[SentBytes, ...]:
        """What a codec on the way to the first stage made of the last run."""
        return self._links.take_sent() if self._links is not None else ()

    def drop(self) -> None:
        """Close the links and forget the pipeline."""
        self._lifeline.end()
        if self._links is not None:
            self._links.close()
        self._links = self._endpoint = None

    def close(self) -> None:
        """Drop the pipeline and stop listening."""
        self.drop()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _built(self) -> Endpoint:
        if self._endpoint is None:
            raise RefusedError("no pipeline is built")
        return self._endpoint

    def _serve(self, stream: SocketStream) -> None:
        join = receive_join(stream)
        if not isinstance(join, JoinLink):
            raise RefusedError("a controller takes no probes")
        serve_join(stream, join, self._links)
