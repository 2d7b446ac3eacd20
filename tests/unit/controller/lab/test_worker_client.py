"""How a device was lost is told from what really happens on sockets; and what may pass is waited for."""

import socket
import threading

import pytest

from controller.errors import EXITED, NOT_RESPONDING, DeviceError
from controller.lab.inventory import Device
from controller.lab.worker_client import query
from worker.wire.security import OPEN


def device(port: int) -> Device:
    return Device(
        name="pi",
        kind="local",
        host="127.0.0.1",
        control_port=port,
        data_port=1,
        shaping="emulated",
        store="",
    )


def lost(port: int) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        query(device(port), OPEN, timeout_s=0.3)
    assert not caught.value.lasting
    return caught.value


def test_a_port_where_nobody_listens_is_that_of_a_worker_that_exited() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert lost(port).cause == EXITED


def test_a_worker_that_takes_connections_and_says_nothing_does_not_respond() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert lost(listener.getsockname()[1]).cause == NOT_RESPONDING


def test_a_worker_that_ends_while_one_connects_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take_and_close() -> None:
            listener.accept()[0].close()

        taking = threading.Thread(target=take_and_close)
        taking.start()
        assert lost(listener.getsockname()[1]).cause == EXITED
        taking.join()
