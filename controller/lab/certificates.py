"""The lab's own certificate authority: who is who in a lab that uses TLS.

Its folder stays with the controller:

    ca.pem, ca_key.pem   the authority; nobody but us ever has its key
    device.pem           our own certificate and its key
    issued.json          by device, the SHA-256 of what it was given, so that this need not be read back

A device gets `ca.pem` and a `device.pem` of its own, whose key is kept nowhere else.
"""

import datetime
import fcntl
import hashlib
import json
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from controller.atomic_file import replace_file
from controller.errors import LabError
from worker.wire.security import CERTIFICATE_FILE, CONTROLLER, IDENTITY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

__all__ = ["Authority", "Issued"]

# X.520 allows no longer common name.
_LONGEST_NAME_BYTES = 64
_VALID = datetime.timedelta(days=3650)
_RENEWED_BEFORE = datetime.timedelta(days=365)
# Boards without a battery begin with a clock of years ago.
_BEGINNING = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, as the text of one file; `repr` does not tell them."""

    pem: bytes

    def __repr__(self) -> str:
        return "Issued()"


class Authority:
    """Issues certificates for the devices of one lab; one process at a time, from enter to exit."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where it is, or is to be."""
        self._folder = folder
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Open the authority, or found one.

        Raises:
            LabError: The folder cannot be written, or what is there cannot be read.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        folder = self._folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            if not (folder / "ca.pem").exists():
                self._found()
            self.ca_pem = (folder / "ca.pem").read_bytes()
            self._ca = x509.load_pem_x509_certificate(self.ca_pem)
            self._key: Any = load_pem_private_key((folder / "ca_key.pem").read_bytes(), None)
            if not (folder / CERTIFICATE_FILE).exists() or self.needs(CONTROLLER, _digest(self._own())):
                replace_file(folder / CERTIFICATE_FILE, self.issue(CONTROLLER).pem, mode=0o600)
        except OSError as error:
            raise LabError(f"{error.filename or folder} cannot be used: {error.strerror}") from error
        except ValueError as error:
            raise LabError(
                f"{folder} holds no certificate authority ({error}): deploy with -e new_key=true for another"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def needs(self, device: str, installed: str) -> bool:
        """Whether a device needs a certificate: it has none of ours, or not for much longer.

        Args:
            device: Its name.
            installed: SHA-256 of the file that it has, in hex; empty where it has none.
        """
        record = self._issued().get(device, {})
        until = datetime.datetime.fromisoformat(record.get("until", _BEGINNING.isoformat()))
        return record.get("digest") != installed or until - _now() < _RENEWED_BEFORE

    def issue(self, device: str) -> Issued:
        """A new key and a certificate for it, which says that its holder is this device.

        Raises:
            LabError: No certificate can hold such a name.
            OSError: It cannot be put on record.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import ExtendedKeyUsageOID

        if not device.isprintable() or not 1 <= len(device.encode()) <= _LONGEST_NAME_BYTES:
            raise LabError(
                f"device name {device[:80]!r} cannot stand in a certificate: "
                f"1 to {_LONGEST_NAME_BYTES} bytes, printable"
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

    def _found(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding

        key = _new_key()
        # Two labs of one name have different authorities all the same.
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

    def _own(self) -> bytes:
        return (self._folder / CERTIFICATE_FILE).read_bytes()

    def _issued(self) -> dict[str, dict[str, str]]:
        try:
            found: dict[str, dict[str, str]] = json.loads((self._folder / "issued.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found


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
