"""Real nginx and Caddy with the files of deploy/proxies, before a server of the test, by HTTPS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bazaar.server import processes
from tests.servers import ports
from tests.servers.clients import program
from tests.servers.remote import ROOT

FOLDER = ROOT / "deploy" / "proxies"


@dataclass(frozen=True)
class Front:
    """A front server that runs: its ports, and the certificate that clients trust."""

    name: str
    http_port: int
    https_port: int
    certificate: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key, as files of the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    # The clients of the tests compare it with the machine's own clock.
    begins = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins.replace(year=2100))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = folder / "certificate.pem", folder / "key.pem"
    found[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encryption = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    found[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    return found


def replaced(text: str, words: dict[str, str]) -> str:
    """The text with every word replaced. AssertionError if one is not in it."""
    for word, other in words.items():
        assert word in text, word
        text = text.replace(word, other)
    return text


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[Front]:
    """nginx with deploy/proxies/nginx.conf in front of a port of this machine."""
    binary = ports.require_tool("nginx")
    certificate, key = make_certificate(folder)
    http, https = ports.free_ports(2)
    site = replaced(
        (FOLDER / "nginx.conf").read_text(),
        {
            "server 127.0.0.1:8000": f"server 127.0.0.1:{upstream}",
            "listen 80;": f"listen 127.0.0.1:{http};",
            "listen [::]:80;": "",
            "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
            "listen [::]:443 ssl;": "",
            "hub.example.org;": "localhost;",
            "/etc/ssl/hub.example.org/fullchain.pem": str(certificate),
            "/etc/ssl/hub.example.org/privkey.pem": str(key),
            "/var/www/acme": str(folder / "acme"),
        },
    )
    config = folder / "nginx.conf"
    # The workers read the test's own folders, which other users may not.
    user = "user root;\n" if os.getuid() == 0 else ""
    logs = f"error_log {folder}/errors;\naccess_log off;\n"
    config.write_text(f"{user}pid {folder}/pid;\nevents {{}}\nhttp {{\n{logs}{site}\n}}\n")
    words: list[str | Path] = [binary, "-p", folder, "-c", config, "-g", "daemon off;"]
    yield from _running(Front("nginx", http, https, certificate, folder), words, {})


@contextmanager
def caddy(folder: Path, upstream: int) -> Iterator[Front]:
    """Caddy with deploy/proxies/Caddyfile in front of a port of this machine; its own authority signs."""
    binary = program("caddy")
    http, https = ports.free_ports(2)
    site = replaced(
        (FOLDER / "Caddyfile").read_text(),
        {
            "hub.example.org {": "localhost {",
            "reverse_proxy 127.0.0.1:8000": f"reverse_proxy 127.0.0.1:{upstream}",
        },
    )
    own = ["admin off", "local_certs", "skip_install_trust", f"storage file_system {folder}"]
    lines = ["{", *own, f"http_port {http}", f"https_port {https}", "}", site]
    config = folder / "Caddyfile"
    config.write_text("\n".join(lines))
    words: list[str | Path] = [binary, "run", "--config", config, "--adapter", "caddyfile"]
    root = folder / "pki" / "authorities" / "local" / "root.crt"
    yield from _running(Front("caddy", http, https, root, folder), words, {"HOME": str(folder)})


def _running(front: Front, words: list[str | Path], env: dict[str, str]) -> Iterator[Front]:
    with (front.folder / "log").open("wb") as log:
        process = processes.spawn(words, output=log, env={"PATH": "/usr/bin:/bin", **env})
        try:
            processes.wait_until(
                lambda: front.certificate.exists() and _takes_tls(front),
                what=f"{front.name} ({front.folder}/log)",
                process=process,
            )
            yield front
        finally:
            processes.stop(process)


def _takes_tls(front: Front) -> bool:
    """True if a client can connect and trusts the certificate."""
    try:
        with (
            socket.create_connection(("127.0.0.1", front.https_port), timeout=5) as plain,
            front.tls.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False
