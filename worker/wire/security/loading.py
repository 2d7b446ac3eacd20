"""Load a process's security from its key file or its certificates."""

from pathlib import Path
from typing import Final

from worker.wire.security.interface import CERTIFICATE_FILE, OPEN, Security
from worker.wire.security.lab_key import KeySecurity, read_key

__all__ = ["load_security", "secret_files"]

_CERTIFICATES: Final = ("ca.pem", CERTIFICATE_FILE)


def secret_files(key_file: Path | None, certificates: Path | None) -> list[Path]:
    """The files that `load_security` reads."""
    if certificates is not None:
        return [certificates / name for name in _CERTIFICATES]
    return [] if key_file is None else [key_file]


def load_security(key_file: Path | None, certificates: Path | None, *, name: str) -> Security:
    """Read the lab's key, or the certificates in a folder; neither means no security.

    Args:
        key_file: 32 bytes in hex or base64.
        certificates: A folder with `ca.pem` and `device.pem`.
        name: Our name: the device's, or `controller`.

    Raises:
        UsageError: A file is missing or is not what it should be.
    """
    if certificates is not None:
        # OpenSSL takes a megabyte, which most labs save.
        from worker.wire.security.tls import TlsSecurity

        return TlsSecurity(certificates, name)
    return OPEN if key_file is None else KeySecurity(read_key(key_file))
