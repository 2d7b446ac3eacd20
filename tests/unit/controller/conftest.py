"""What controller tests share: a lab that nobody has to run."""

import pytest

from controller.lab import Device, Lab


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
                link="emulated",
            )
            for i, name in enumerate(("pi", "desk", "server"))
        ),
    )
