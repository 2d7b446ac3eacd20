"""What workers say of themselves, with a stamp of choice."""

from worker.wire.messages import DeviceInfo

__all__ = ["device_info"]


def device_info(name: str, **stamp: str | None) -> DeviceInfo:
    """A local device of full speed."""
    return DeviceInfo(
        name=name,
        kind="local",
        slowdown=1.0,
        threads=1,
        provider="cpu",
        data_port=1,
        holder=None,
        held_s=None,
        codecs=(),
        denied=0,
        stamp={"kernel": "6.1", **stamp},
    )
