"""Watch the queueing disciplines of an interface, to notice a link that changes during a trial."""

import json
import os
import shutil
import subprocess
from typing import Any, Final

from worker.wire.errors import FailedError

__all__ = ["QdiscWatch"]

_TIMEOUT_S: Final = 10.0

# A service may lack these on its PATH.
_SYSTEM_FOLDERS: Final = "/usr/sbin:/sbin"


class QdiscWatch:
    """Reads the qdiscs of one interface by `tc -j qdisc show`; without an interface, nothing."""

    def __init__(self, interface: str | None) -> None:
        self._interface = interface
        self._noted: str | None = None

    def read(self) -> str | None:
        """The qdiscs as canonical JSON; None without an interface.

        Raises:
            FailedError: tc is missing, or does not know the interface.
        """
        if self._interface is None:
            return None
        path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}"
        tc = shutil.which("tc", path=path)
        if tc is None:
            raise FailedError(f"cannot read the link of {self._interface}: tc is missing, install iproute2")
        try:
            shown = subprocess.run(
                [tc, "-j", "qdisc", "show", "dev", self._interface],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise FailedError(f"tc cannot read the link of {self._interface}: {error}") from error
        try:
            if shown.returncode:
                raise ValueError(shown.stderr.strip() or f"exit code {shown.returncode}")
            return json.dumps(json.loads(shown.stdout), sort_keys=True, separators=(",", ":"))
        except ValueError as error:
            raise FailedError(f"tc cannot read the link of {self._interface}: {error}") from error

    def note(self) -> None:
        """Remember the current state."""
        self._noted = self.read()

    def check(self) -> None:
        """Raise FailedError: the state differs from the noted one."""
        qdiscs = self.read()
        if qdiscs != self._noted:
            raise FailedError(
                f"the link changed during the trial: interface {self._interface} had "
                f"{_in_words(self._noted)} and now has {_in_words(qdiscs)}"
            )


def _in_words(noted: str | None) -> str:
    """The qdiscs with their options, in one line."""
    qdiscs: list[dict[str, Any]] = json.loads(noted) if noted else []
    options = [json.dumps(qdisc.get("options") or {}, sort_keys=True) for qdisc in qdiscs]
    words = [f"{qdisc.get('kind')} {text}" for qdisc, text in zip(qdiscs, options, strict=True)]
    return " + ".join(words) or "no qdisc"
