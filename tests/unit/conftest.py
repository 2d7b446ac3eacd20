"""What unit tests of the controller and of the known answers share: a lab that runs nowhere."""

import pytest

from controller.lab.inventory import Device, Lab


@pytest.fixture
def lab() -> Lab:
    """Three local devices with emulated links; nobody listens there."""
    return Lab(
        name="paper",
        devices=tuple(
            Device(
                name=name,
                kind="local",
                host="127.0.0.1",
                control_port=1 + 2 * i,
                data_port=2 + 2 * i,
                shaping="emulated",
            )
            for i, name in enumerate(("pi", "desk", "server"))
        ),
    )
