"""All link ends of one device in a pipeline."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Generic, TypeVar

from worker.links.cancel_scope import CancelScope
from worker.links.emulation import EmulatedLinks
from worker.links.ends import Connector, Inlet, Outlet
from worker.links.in_process import InProcessLink
from worker.links.relay import Relay
from worker.links.tcp_inlet import TcpInlet
from worker.links.tcp_outlet import EmulatedOutlet, TcpOutlet
from worker.wire.errors import RefusedError
from worker.wire.joining import answering_join, ask_to_join, open_data_connection
from worker.wire.messages import (
    BuildPipeline,
    EndpointSpec,
    HopSpec,
    JoinLink,
    LinkAccount,
    LinkSpec,
    SentBytes,
)
from worker.wire.security import OPEN, Security
from worker.wire.stream import Stream

__all__ = ["LinkEnds", "Links", "ends_here", "open_data_stream", "serve_join"]

_InletT = TypeVar("_InletT", bound=Inlet)
_OutletT = TypeVar("_OutletT", bound=Outlet)


def ends_here(build: BuildPipeline) -> tuple[list[str], list[str]]:
    """Names of the links that are received on this device, and of those that are sent from it."""
    ends: list[HopSpec | EndpointSpec] = [*build.hops, *([build.endpoint] if build.endpoint else [])]
    return [end.inlet for end in ends], [end.outlet for end in ends]


class LinkEnds(ABC, Generic[_InletT, _OutletT]):
    """All link ends of one device in a pipeline, made, connected and ended together.

    A subclass makes those of links between devices; they are `inlets` and `outlets`, by name.
    """

    def __init__(self, build: BuildPipeline, scope: CancelScope) -> None:
        """Raises RefusedError: a link is not described, described twice, or lacks an end."""
        self.pipeline = build.name
        self.specs = {spec.name: spec for spec in build.links}
        if len(self.specs) < len(build.links):
            raise RefusedError(f"pipeline {build.name} has two links with the same name")
        inlets, outlets = ends_here(build)
        _check_names(inlets, self.specs)
        _check_names(outlets, self.specs)
        self.inlets: dict[str, _InletT] = {}
        self.outlets: dict[str, _OutletT] = {}
        self._in_process: dict[str, InProcessLink] = {}
        for name in {*inlets, *outlets}:
            spec = self.specs[name]
            # The source has memory of its own.
            with_memory = build.endpoint is None or name != build.endpoint.outlet
            if spec.host is None or spec.port is None:
                if name not in inlets or name not in outlets:
                    raise RefusedError(f"link {name} stays on one device, but only one of its ends is here")
                self._in_process[name] = InProcessLink(spec, build.depth, scope, with_memory=with_memory)
                continue
            if name in outlets:
                self.outlets[name] = self.new_outlet(spec, build.depth, scope, with_memory=with_memory)
            if name in inlets:
                self.inlets[name] = self.new_inlet(spec, build.depth, scope)

    def inlet(self, name: str) -> Inlet:
        """The receiving end of a link."""
        return self._in_process.get(name) or self.inlets[name]

    def outlet(self, name: str) -> Outlet:
        """The sending end of a link."""
        return self._in_process.get(name) or self.outlets[name]

    @abstractmethod
    def new_inlet(self, spec: LinkSpec, depth: int, scope: CancelScope) -> _InletT:
        """Make the receiving end of a link from another device."""

    @abstractmethod
    def new_outlet(self, spec: LinkSpec, depth: int, scope: CancelScope, *, with_memory: bool) -> _OutletT:
        """Make the sending end of a link to another device; without memory the source fills it."""

    @abstractmethod
    def stand_ready(self) -> None:
        """Note that everything is built here."""

    @abstractmethod
    def open(self, sender: str, connector: Connector) -> None:
        """Connect the outgoing links as the device `sender`. Raises PeerError: one cannot be connected."""

    def take_sent(self) -> tuple[SentBytes, ...]:
        """Bytes that the codecs of the outgoing links made of the last run."""
        return ()

    def accounts(self, counted: tuple[int, int]) -> tuple[LinkAccount, ...]:
        """How long outgoing links were in use among these requests of the last run, where that is known."""
        return ()

    @abstractmethod
    def close(self) -> None:
        """Free the connections; the scope has ended, and no thread uses a link any more."""


class Links(LinkEnds[TcpInlet, TcpOutlet]):
    """Links over our own sockets.

    Attributes:
        relays: Each continues an incoming link as an outgoing one, unchanged.
    """

    def __init__(
        self,
        build: BuildPipeline,
        scope: CancelScope,
        relays: Sequence[tuple[str, str]] = (),
        *,
        slowdown: float = 1.0,
    ) -> None:
        """Stand ready for the links of this device, and the links that `relays` names in pairs.

        `slowdown` is how many times slower to make codecs.

        Raises:
            RefusedError: see `LinkEnds`.
        """
        self._emulated = EmulatedLinks()
        self._slowdown = slowdown
        super().__init__(build, scope)
        self._opened = False
        inlets, outlets = ends_here(build)
        _check_names([*inlets, *(arriving for arriving, _ in relays)], self.specs)
        _check_names([*outlets, *(leaving for _, leaving in relays)], self.specs)
        self.relays = tuple(self._new_relay(*names, build.depth, scope) for names in relays)

    def new_inlet(self, spec: LinkSpec, depth: int, scope: CancelScope) -> TcpInlet:
        return TcpInlet(spec, depth, scope, slowdown=self._slowdown)

    def new_outlet(
        self, spec: LinkSpec, depth: int, scope: CancelScope, *, with_memory: bool, passes_on: bool = False
    ) -> TcpOutlet:
        outlet: Callable[..., TcpOutlet] = TcpOutlet
        if spec.emulation is not None:
            outlet = partial(EmulatedOutlet, emulated=self._emulated.towards_receiver_of(spec))
        return outlet(
            spec, depth, scope, with_memory=with_memory, passes_on=passes_on, slowdown=self._slowdown
        )

    def _new_relay(self, arriving: str, leaving: str, depth: int, scope: CancelScope) -> Relay:
        before, after = self.specs[arriving], self.specs[leaving]
        if None in (before.port, after.port) or (before.tensors, before.codec) != (
            after.tensors,
            after.codec,
        ):
            raise RefusedError(
                f"link {arriving} cannot continue as {leaving}: their tensors or codecs differ"
            )
        inlet = TcpInlet(before, depth, scope, passes_on=True)
        outlet = self.new_outlet(after, depth, scope, with_memory=False, passes_on=True)
        self.inlets[arriving], self.outlets[leaving] = inlet, outlet
        return Relay(inlet, outlet, scope)

    def accept(self, join: JoinLink, stream: Stream) -> None:
        """Take a neighbour's connection to this device's data port.

        Raises:
            RefusedError: it is not expected.
        """
        inlet = self.inlets.get(join.link) if join.pipeline == self.pipeline else None
        if inlet is None:
            raise RefusedError(f"link {join.link} of pipeline {join.pipeline} is not expected here")
        inlet.attach(stream, join.sender)

    def stand_ready(self) -> None:
        """Do nothing: the data port listens already."""

    def open(self, sender: str, connector: Connector) -> None:
        if self._opened:
            raise RefusedError(f"the links of pipeline {self.pipeline} are already open")
        self._opened = True
        for name, outlet in self.outlets.items():
            stream = connector(self.specs[name])
            try:
                ask_to_join(
                    stream, JoinLink(pipeline=self.pipeline, link=name, sender=sender), f"link {name}"
                )
            except BaseException:
                stream.close()
                raise
            outlet.attach(stream)

    def take_sent(self) -> tuple[SentBytes, ...]:
        results = (outlet.take_sent() for outlet in self.outlets.values())
        return tuple(sent for sent in results if sent is not None)

    def accounts(self, counted: tuple[int, int]) -> tuple[LinkAccount, ...]:
        results = (outlet.account(counted) for outlet in self.outlets.values())
        return tuple(account for account in results if account is not None)

    def close(self) -> None:
        for inlet in self.inlets.values():
            inlet.close()
        for outlet in self.outlets.values():
            outlet.close()


def open_data_stream(spec: LinkSpec, security: Security = OPEN) -> Stream:
    """Connect to the data port at the receiving end of a link.

    Raises:
        PeerError: it cannot be reached, is not a worker's data port, or does not belong to the lab.
    """
    if spec.host is None or spec.port is None:
        raise RefusedError(f"link {spec.name} stays on one device")
    return open_data_connection(spec.host, spec.port, security, expected=spec.receiver)


def serve_join(stream: Stream, join: JoinLink, links: Links | None) -> None:
    """Answer a neighbour that joins a link, and give its connection to the link.

    Raises:
        RefusedError: no pipeline here expects it; the neighbour gets the error.
    """
    with answering_join(stream):
        if links is None:
            raise RefusedError(f"link {join.link} of pipeline {join.pipeline} is not expected here")
        links.accept(join, stream)


def _check_names(names: Collection[str], specs: dict[str, LinkSpec]) -> None:
    if len(set(names)) < len(names):
        raise RefusedError("a link has two stages at one end")
    for name in names:
        if name not in specs:
            raise RefusedError(f"link {name} is used but not described")
