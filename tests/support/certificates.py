"""Certificates for tests, in folders as an operator would mount them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def expired_ca() -> trustme.CA:
    """A CA whose own certificate ended yesterday; what it signs is in date."""
    ca = trustme.CA()
    old = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    key: Any = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=old.public_key(),
        serial_number=old.serial_number,
        not_valid_before=YESTERDAY - timedelta(days=30),
        not_valid_after=YESTERDAY,
        extensions=list(old.extensions),
    )
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return trustme.CA.from_pem(pem, ca.private_key_pem.bytes())


def expired_leaf(ca: trustme.CA, host: str) -> trustme.LeafCert:
    """A certificate of `ca` that ended yesterday."""
    return ca.issue_cert(host, not_before=YESTERDAY - timedelta(days=30), not_after=YESTERDAY)


def write_leaf(leaf: trustme.LeafCert, folder: Path, name: str) -> dict[str, Path]:
    """Settings ``tls_cert`` and ``tls_key`` with the files of `leaf`."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    key.chmod(0o600)
    return {"tls_cert": cert, "tls_key": key}


def write_ca(ca: trustme.CA, folder: Path, name: str) -> dict[str, Path]:
    """Setting ``tls_ca`` with the file of `ca`."""
    path = folder / f"{name}.pem"
    ca.cert_pem.write_to_path(path)
    return {"tls_ca": path}
