"""Mail over TLS: begun by STARTTLS or from the first byte, and only to a server whose certificate is trusted."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509.oid import NameOID

from alerts.channels.email_smtp import EmailSmtp
from alerts.channels.ports import Transient
from alerts.settings_groups import MailTls
from tests.channels.test_email_smtp import config, message
from tests.sandbox.world import closing


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For `localhost`, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path = tmp_path / "localhost.pem"
    signed = builder.sign(key, hashes.SHA256())
    path.write_bytes(signed.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


class Kept:
    """A handler of the mail server's library: keeps what came, and whether it came protected."""

    def __init__(self) -> None:
        self.got: list[bool] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's form
        self.got.append(session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None)
        return "250 2.0.0 Ok: queued as x"


@pytest.mark.parametrize("tls", [MailTls.STARTTLS, MailTls.IMPLICIT])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_the_way_is_protected_and_a_strangers_certificate_gets_nothing(certificate: Path, tls: MailTls, *, is_trusted: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    kept = Kept()

    def talk() -> SMTP:
        return SMTP(kept, tls_context=context if tls is MailTls.STARTTLS else None, require_starttls=tls is MailTls.STARTTLS)

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(talk, "127.0.0.1", 0, ssl=context if tls is MailTls.IMPLICIT else None)
        port = server.sockets[0].getsockname()[1]
        ca_path = str(certificate) if is_trusted else ""
        async with closing(mail := EmailSmtp(config(port, host="localhost", tls=tls, ca_path=ca_path))):
            if is_trusted:
                await mail.send(message())
            else:
                with pytest.raises(Transient):
                    await mail.send(message())
        server.close()

    asyncio.run(scene())
    assert kept.got == ([True] if is_trusted else [])
