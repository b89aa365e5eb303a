"""A private certificate authority, made anew for a test."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Authority:
    """Certificates of one authority: its own, a server's for 127.0.0.1, and a client's, each with its key."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings of a server that takes TLS alone, and only clients with a certificate of this authority."""
        return (
            "tls-port {port}",
            f"tls-cert-file {self.server}",
            f"tls-key-file {self.server_key}",
            f"tls-ca-cert-file {self.ca}",
            "tls-auth-clients yes",
            "tls-replication yes",
            "tls-cluster yes",
        )

    @property
    def admin(self) -> dict[str, Any]:
        """How redis-py connects to such a server."""
        return {
            "ssl": True,
            "ssl_ca_certs": str(self.ca),
            "ssl_certfile": str(self.client),
            "ssl_keyfile": str(self.client_key),
        }

    @property
    def options(self) -> str:
        """The same in Feast's connection string."""
        return f",ssl=true,ssl_ca_certs={self.ca},ssl_certfile={self.client},ssl_keyfile={self.client_key}"


def make_authority(directory: Path, now: datetime | None = None) -> Authority:
    """Make an authority and what it certifies, as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    directory.mkdir(parents=True, exist_ok=True)
    moment = now or datetime.now(timezone.utc)

    def write(name: str, issuer: x509.Name | None, signing: Any, *, server: bool = False) -> tuple[Any, x509.Name]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{directory.name} {name}")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment - timedelta(days=1))
            .not_valid_after(moment + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        if server:
            names = x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
            )
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(signing or key, hashes.SHA256())
        (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return key, subject

    ca_key, ca_name = write("ca", None, None)
    write("server", ca_name, ca_key, server=True)
    write("client", ca_name, ca_key)
    return Authority(
        directory / "ca.crt",
        directory / "server.crt",
        directory / "server.key",
        directory / "client.crt",
        directory / "client.key",
    )
