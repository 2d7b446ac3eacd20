"""The controller's part of a pipeline, without a worker: source and sink, relays, or both."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from worker.access.listener import Listener
from worker.endpoint.endpoint import Endpoint
from worker.endpoint.samples import Samples
from worker.links.cancel_scope import CancelScope
from worker.links.links import Links, open_data_stream, serve_join
from worker.wire.errors import RefusedError
from worker.wire.joining import receive_join
from worker.wire.messages import (
    BuildPipeline,
    EndpointSpec,
    JoinLink,
    LinkAccount,
    LinkSpec,
    Run,
    RunDone,
    SentBytes,
)
from worker.wire.security import OPEN, Security
from worker.wire.stream import ConnectionKind, SocketStream

__all__ = ["StandaloneEndpoint"]


class StandaloneEndpoint:
    """The part of a pipeline in the controller's process, with its own data port.

    Use it like a worker: `build`, `open_links` once every worker is built, `run` if it has the endpoint,
    `take_rows`, `close`. Its incoming links end at `host` and `data_port`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "controller",
        security: Security = OPEN,
    ) -> None:
        """Listen for incoming links. Raises UsageError: the port is not available."""
        self._name = name
        self._security = security
        self._links: Links | None = None
        self._endpoint: Endpoint | None = None
        self._scope = CancelScope()
        self._listener = Listener(
            host,
            port,
            ConnectionKind.DATA,
            self._serve,
            lambda _line: None,
            option="the controller's data port",
            security=security,
        )
        self._listener.begin()
        self.data_port: Final = self._listener.port

    def build(
        self,
        pipeline: str,
        links: Sequence[LinkSpec],
        depth: int,
        *,
        endpoint: EndpointSpec | None = None,
        samples: Samples | None = None,
        relays: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Build this part; drop the one before.

        Args:
            pipeline: its name.
            links: the links that begin or end here.
            depth: requests that may be in flight.
            endpoint: source and sink, if they are here, fed from `samples`.
            relays: names of an incoming link and of the outgoing link that continues it.

        Raises:
            RefusedError: links and samples do not fit.
        """
        self.drop()
        scope = CancelScope()
        self._scope = scope
        build = BuildPipeline(name=pipeline, depth=depth, links=tuple(links), hops=(), endpoint=endpoint)
        self._links = Links(build, scope, relays)
        if endpoint is not None and samples is not None:
            self._endpoint = Endpoint(self._links, endpoint, samples, depth, scope)
        for relay in self._links.relays:
            relay.begin()

    def open_links(self) -> None:
        """Connect the outgoing links. Raises PeerError: a worker cannot be reached."""
        if self._links is None:
            raise RefusedError("no pipeline is built")
        self._links.open(self._name, partial(open_data_stream, security=self._security))

    def run(self, run: Run, abandoned: Callable[[], bool] = lambda: False) -> RunDone:
        """See `Endpoint.run`."""
        return self._built().run(run, abandoned)

    def take_rows(self) -> NDArray[np.void]:
        """See `Endpoint.take_rows`."""
        return self._built().take_rows()

    def take_sent(self) -> tuple[SentBytes, ...]:
        """Bytes that the codec between the source and the first stage made of the last run."""
        return self._links.take_sent() if self._links is not None else ()

    def accounts(self, counted: tuple[int, int]) -> tuple[LinkAccount, ...]:
        """See `LinkEnds.accounts`."""
        return self._links.accounts(counted) if self._links is not None else ()

    def drop(self) -> None:
        """Close the links and forget the pipeline."""
        self._scope.end()
        if self._links is not None:
            for relay in self._links.relays:
                relay.join()
            self._links.close()
        self._links = self._endpoint = None

    def close(self) -> None:
        """Drop the pipeline and stop listening."""
        self.drop()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _built(self) -> Endpoint:
        if self._endpoint is None:
            raise RefusedError("the controller holds no pipeline endpoint")
        return self._endpoint

    def _serve(self, stream: SocketStream) -> None:
        join = receive_join(stream)
        if not isinstance(join, JoinLink):
            raise RefusedError("a controller accepts no probes")
        serve_join(stream, join, self._links)
