"""Connects to HOST PORT and hands the connection to ssh, its parent (ProxyUseFdpass): no byte passes here."""

import socket
import sys

__all__ = ["main"]


def main() -> int:
    """Connect to the arguments HOST and PORT; standard output is the socket on which ssh waits."""
    host, port = sys.argv[1:]
    try:
        connection = socket.create_connection((host, int(port)), timeout=5)
    except OSError as error:
        print(f"error: {host} port {port}: {error.strerror or error}", file=sys.stderr)
        return 2
    connection.setblocking(True)
    with socket.socket(fileno=sys.stdout.fileno()) as parent:
        socket.send_fds(parent, [b"\0"], [connection.fileno()])
        parent.detach()
    return 0


if __name__ == "__main__":
    sys.exit(main())
