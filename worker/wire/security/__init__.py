"""Authentication of both ends of a connection, before anything else."""

from worker.wire.security.interface import (
    CERTIFICATE_FILE,
    CONTROLLER,
    IDENTITY,
    OPEN,
    Method,
    Role,
    Security,
)
from worker.wire.security.lab_key import KeySecurity, LabKey, read_key
from worker.wire.security.loading import load_security, secret_files

__all__ = [
    "CERTIFICATE_FILE",
    "CONTROLLER",
    "IDENTITY",
    "OPEN",
    "KeySecurity",
    "LabKey",
    "Method",
    "Role",
    "Security",
    "load_security",
    "read_key",
    "secret_files",
]
