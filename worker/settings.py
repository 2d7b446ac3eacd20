"""A worker's settings, and what follows from them: its command line and its security."""

import ipaddress
from dataclasses import asdict, dataclass
from pathlib import Path

from worker.inference.session_options import Options
from worker.wire.errors import UsageError
from worker.wire.security import OPEN, Security, load_security

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The options of `serve`, whose `--help` explains them. For a port of 0 the system chooses one."""

    name: str
    store: Path
    host: str
    control_port: int
    data_port: int
    kind: str
    slowdown: float
    threads: int
    provider: str
    onnxruntime_options: Options
    cpu: int | None
    telemetry_interval_s: float
    heartbeat: Path | None
    qdisc_of: str | None
    key_file: Path | None
    certificates: Path | None
    open_to_all: bool

    def command_line(self) -> list[str]:
        """The options of `serve` that give these settings."""
        values = asdict(self)
        runtime, open_to_all = values.pop("onnxruntime_options"), values.pop("open_to_all")
        return [
            *(
                f"--{name.removesuffix('_s').replace('_', '-')}={value}"
                for name, value in values.items()
                if value is not None
            ),
            *(f"--onnxruntime-option={key}={value}" for key, value in runtime.items()),
            *(["--open-to-all"] if open_to_all else []),
        ]

    def load_security(self) -> Security:
        """Load the worker's security: only the lab's members may use it, unless only this host can reach it.

        Raises:
            UsageError: A secret cannot be read; or other hosts could reach the worker without one, and
                `open_to_all` is not set.
        """
        security = load_security(self.key_file, self.certificates, name=self.name)
        if security is OPEN and not self.open_to_all and not _is_loopback(self.host):
            raise UsageError(
                f"--host {self.host or '(every address)'} can be reached from elsewhere: give the lab's key "
                f"with --key-file (`edgecut deploy` does), or let anyone use this worker with --open-to-all"
            )
        return security


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
