"""The lab's own certificate authority, for labs that use TLS.

Its folder stays with the controller:

    ca.pem, ca_key.pem   the authority; its key never leaves the controller
    device.pem           the controller's own certificate and its key
    issued.json          by device, the SHA-256 of its certificate, which saves reading it back

A device gets `ca.pem` and its own `device.pem`; the controller keeps no copy of its key.
"""

import datetime
import fcntl
import hashlib
import json
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from controller.atomic_file import replace_file
from controller.errors import LabError
from worker.wire.security import CERTIFICATE_FILE, CONTROLLER, IDENTITY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

__all__ = ["Authority", "Issued"]

# X.520's longest common name.
_LONGEST_NAME_BYTES = 64
_VALID = datetime.timedelta(days=3650)
_RENEWED_BEFORE = datetime.timedelta(days=365)
# The clock of a board without a battery starts years in the past.
_BEGINNING = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, as one file's text, which `repr` hides."""

    pem: bytes

    def __repr__(self) -> str:
        return "Issued()"


class Authority:
    """The authority of one lab's devices, locked by one process from enter to exit."""

    def __init__(self, folder: Path) -> None:
        """Use the authority in `folder`, which need not exist yet."""
        self._folder = folder
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Open the authority, or create it.

        Raises:
            LabError: The folder is not writable, or its content is unreadable.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        folder = self._folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            if not (folder / "ca.pem").exists():
                self._create()
            self.ca_pem = (folder / "ca.pem").read_bytes()
            self._ca = x509.load_pem_x509_certificate(self.ca_pem)
            self._key: Any = load_pem_private_key((folder / "ca_key.pem").read_bytes(), None)
            own = folder / CERTIFICATE_FILE
            if not own.exists() or self.needs(CONTROLLER, _digest(own.read_bytes())):
                replace_file(own, self.issue(CONTROLLER).pem, mode=0o600)
        except OSError as error:
            raise LabError(f"{error.filename or folder} cannot be used: {error.strerror}") from error
        except ValueError as error:
            raise LabError(
                f"{folder} holds no valid certificate authority ({error}); deploy with -e new_key=true to "
                f"create a new one"
            ) from error
        return self

    def __exit__(self, *_error: object) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def needs(self, device: str, installed: str) -> bool:
        """Whether a device needs a certificate: it has none of this authority, or one that expires soon.

        Args:
            device: Its name.
            installed: SHA-256 of its installed file, in hex; empty without one.
        """
        record = self._issued().get(device, {})
        until = datetime.datetime.fromisoformat(record.get("until", _BEGINNING.isoformat()))
        return record.get("digest") != installed or until - _now() < _RENEWED_BEFORE

    def issue(self, device: str) -> Issued:
        """Issue a new key and a certificate that names this device.

        Raises:
            LabError: A certificate cannot hold the device's name.
            OSError: The record of issued certificates is not writable.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import ExtendedKeyUsageOID

        if not device.isprintable() or not 1 <= len(device.encode()) <= _LONGEST_NAME_BYTES:
            raise LabError(
                f"device name {device[:80]!r} does not fit into a certificate; use 1 to "
                f"{_LONGEST_NAME_BYTES} printable bytes"
            )
        key = _new_key()
        until = min(_now() + _VALID, self._ca.not_valid_after_utc)
        identity = IDENTITY + urllib.parse.quote(device, safe="")
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(device, self._ca.subject, key, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=False
            )
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = _private_pem(key) + certificate.public_bytes(Encoding.PEM)
        record = {"digest": _digest(pem), "until": until.isoformat()}
        replace_file(
            self._folder / "issued.json",
            json.dumps(self._issued() | {device: record}, indent=1).encode(),
            mode=0o600,
        )
        return Issued(pem)

    def _create(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding

        key = _new_key()
        # Two labs of one name still have different authorities.
        name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, f"edgecut {os.urandom(8).hex()}")])
        certificate: Certificate = (
            _builder(name, name, key, _now() + _VALID)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        (self._folder / "issued.json").unlink(missing_ok=True)
        replace_file(self._folder / "ca_key.pem", _private_pem(key), mode=0o600)
        # Last: with it the authority counts as founded.
        replace_file(self._folder / "ca.pem", certificate.public_bytes(Encoding.PEM), mode=0o600)

    def _issued(self) -> dict[str, dict[str, str]]:
        try:
            issued: dict[str, dict[str, str]] = json.loads((self._folder / "issued.json").read_bytes())
        except FileNotFoundError:
            return {}
        return issued


def _builder(subject: Any, issuer: Any, key: "EllipticCurvePrivateKey", until: datetime.datetime) -> Any:
    from cryptography import x509

    if isinstance(subject, str):
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, subject[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGINNING)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _private_pem(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _digest(pem: bytes) -> str:
    return hashlib.sha256(pem).hexdigest()
