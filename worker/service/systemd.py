"""Tell systemd that the worker serves, like sd_notify(3): it counts as started once it listens."""

import os
import socket

__all__ = ["tell_service_manager"]


def tell_service_manager() -> None:
    """Report that the worker is ready; does nothing without a service manager."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for the abstract namespace.
    path = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(b"READY=1", path)
