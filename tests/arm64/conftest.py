"""Tests on the instruction set of a Raspberry Pi, emulated. Only `make test-arm64` runs them, as root."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave them out, and do not count them as skipped, unless they are asked for: -m arm64."""
    if "arm64" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("arm64")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
