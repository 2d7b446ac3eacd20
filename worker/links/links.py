"""All link ends of one device in a pipeline."""

from collections.abc import Collection, Sequence

from worker.links.cancel_scope import CancelScope
from worker.links.ends import Connector, Inlet, Outlet
from worker.links.in_process import InProcessLink
from worker.links.relay import Relay
from worker.links.tcp_inlet import TcpInlet
from worker.links.tcp_outlet import EmulatedOutlet, TcpOutlet
from worker.wire.errors import RefusedError
from worker.wire.joining import answering_join, ask_to_join, open_data_connection
from worker.wire.messages import JoinLink, LinkSpec, SentBytes
from worker.wire.security import OPEN, Security
from worker.wire.stream import Stream

__all__ = ["Links", "open_data_stream", "serve_join"]


class Links:
    """Make the link ends, connect them and end them together."""

    def __init__(
        self,
        pipeline: str,
        specs: Sequence[LinkSpec],
        depth: int,
        scope: CancelScope,
        *,
        inlets: Collection[str],
        outlets: Collection[str],
        source_outlet: str | None = None,
        relays: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Stand ready for the links of this device.

        Args:
            pipeline: its name; a connection for another one is an error.
            specs: the links; those between other devices are ignored.
            depth: requests that may be in flight.
            scope: ends them.
            inlets: names of the links that are received here.
            outlets: names of the links that are sent from here.
            source_outlet: the outlet that the source fills from its own memory.
            relays: names of an incoming link and of the outgoing link that continues it unchanged.

        Raises:
            RefusedError: a link is missing in `specs`, occurs twice, or lacks an end.
        """
        self.pipeline = pipeline
        self._scope = scope
        self._opened = False
        self._specs = {spec.name: spec for spec in specs}
        if len(self._specs) < len(specs):
            raise RefusedError(f"pipeline {pipeline} has two links with the same name")
        _check_names([*inlets, *(arriving for arriving, _ in relays)], self._specs)
        _check_names([*outlets, *(leaving for _, leaving in relays)], self._specs)
        self._in_process: dict[str, InProcessLink] = {}
        self._inlets: dict[str, TcpInlet] = {}
        self._outlets: dict[str, TcpOutlet] = {}
        for name in {*inlets, *outlets}:
            spec = self._specs[name]
            with_memory = name != source_outlet
            if spec.host is None or spec.port is None:
                if name not in inlets or name not in outlets:
                    raise RefusedError(f"link {name} stays on one device, but only one of its ends is here")
                self._in_process[name] = InProcessLink(spec, depth, scope, with_memory=with_memory)
                continue
            if name in outlets:
                self._outlets[name] = _new_outlet(spec, depth, scope, with_memory=with_memory)
            if name in inlets:
                self._inlets[name] = TcpInlet(spec, depth, scope)
        self.relays = tuple(self._make_relay(*names, depth) for names in relays)

    def _make_relay(self, arriving: str, leaving: str, depth: int) -> Relay:
        before, after = self._specs[arriving], self._specs[leaving]
        if None in (before.port, after.port) or (before.tensors, before.codec) != (
            after.tensors,
            after.codec,
        ):
            raise RefusedError(
                f"link {arriving} cannot continue as {leaving}: their tensors or codecs differ"
            )
        inlet = TcpInlet(before, depth, self._scope, passes_on=True)
        outlet = _new_outlet(after, depth, self._scope, with_memory=False, passes_on=True)
        self._inlets[arriving], self._outlets[leaving] = inlet, outlet
        return Relay(inlet, outlet, self._scope)

    def inlet(self, name: str) -> Inlet:
        """The receiving end of a link."""
        return self._in_process.get(name) or self._inlets[name]

    def outlet(self, name: str) -> Outlet:
        """The sending end of a link."""
        return self._in_process.get(name) or self._outlets[name]

    def accept(self, join: JoinLink, stream: Stream) -> None:
        """Take a neighbour's connection to this device's data port.

        Raises:
            RefusedError: it is not expected.
        """
        inlet = self._inlets.get(join.link) if join.pipeline == self.pipeline else None
        if inlet is None:
            raise RefusedError(f"link {join.link} of pipeline {join.pipeline} is not expected here")
        inlet.attach(stream, join.sender)

    def stand_ready(self) -> None:
        """Do nothing: the data port listens already."""

    def open(self, sender: str, connector: Connector) -> None:
        """Connect the outgoing links; `sender` is our name.

        Raises:
            PeerError: a neighbour cannot be reached, or refuses the link.
        """
        if self._opened:
            raise RefusedError(f"the links of pipeline {self.pipeline} are already open")
        self._opened = True
        for name, outlet in self._outlets.items():
            stream = connector(self._specs[name])
            try:
                ask_to_join(
                    stream, JoinLink(pipeline=self.pipeline, link=name, sender=sender), f"link {name}"
                )
            except BaseException:
                stream.close()
                raise
            outlet.attach(stream)

    def take_sent(self) -> tuple[SentBytes, ...]:
        """Bytes that the codecs of the outgoing links made of the last run."""
        results = (outlet.take_sent() for outlet in self._outlets.values())
        return tuple(sent for sent in results if sent is not None)

    def close(self) -> None:
        """Free the connections; the scope has ended, and no thread uses a link any more."""
        for inlet in self._inlets.values():
            inlet.close()
        for outlet in self._outlets.values():
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


def _new_outlet(
    spec: LinkSpec, depth: int, scope: CancelScope, *, with_memory: bool, passes_on: bool = False
) -> TcpOutlet:
    if spec.emulation is None:
        return TcpOutlet(spec, depth, scope, with_memory=with_memory, passes_on=passes_on)
    return EmulatedOutlet(spec, spec.emulation, depth, scope, with_memory=with_memory, passes_on=passes_on)
