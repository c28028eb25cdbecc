"""Real collectors on loopback: rsyslog, and an HTTPS receiver that does what it is told."""

import datetime as dt
import gzip
import ipaddress
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.waiting import PATIENCE, until

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "collector")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    text, secret = folder / "cert.pem", folder / "key.pem"
    text.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(plain_key(key))
    return text, secret


def client(folder: Path, name: str, signer: tuple[Path, Path] | None = None) -> tuple[Path, Path]:
    """A client's certificate and key, signed by `signer`; by itself without one."""
    key = ec.generate_private_key(ec.SECP256R1())
    me = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    by, issuer = key, me
    if signer is not None:
        by_key = serialization.load_pem_private_key(signer[1].read_bytes(), None)
        assert isinstance(by_key, ec.EllipticCurvePrivateKey)
        by, issuer = by_key, x509.load_pem_x509_certificate(signer[0].read_bytes()).subject
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    made = x509.CertificateBuilder(issuer, me, key.public_key(), 2, now - day, now + day).sign(
        by, hashes.SHA256()
    )
    text, secret = folder / f"{name}.pem", folder / f"{name}.key"
    text.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(plain_key(key))
    return text, secret


def plain_key(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    """`key` as PEM, encrypted if there is a password."""
    how = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


PORTS = range(20_000, 30_000)
"""Below those that Linux, macOS and Windows give to whoever asks for any, or connects."""

_HELD: list[socket.socket] = []


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 on which nobody listens, this process's alone until it ends.

    A collector that is away for a while finds its port free when it comes back: no connection gets
    it meanwhile, and no other collector. The same number of the other kind is what is held.
    """
    other = socket.SOCK_DGRAM if kind is socket.SOCK_STREAM else socket.SOCK_STREAM
    for port in random.sample(PORTS, len(PORTS)):
        held = socket.socket(socket.AF_INET, other)
        try:
            held.bind(("127.0.0.1", port))
            with socket.socket(socket.AF_INET, kind) as found:
                found.bind(("127.0.0.1", port))
        except OSError:
            held.close()
            continue
        _HELD.append(held)
        return port
    pytest.fail(f"no port of {PORTS} is free")


CONFIG = """
global(workDirectory="{folder}" maxMessageSize="256k" defaultNetstreamDriverCAFile="{cert}"
  defaultNetstreamDriverCertFile="{cert}" defaultNetstreamDriverKeyFile="{key}")
module(load="imudp")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
module(load="mmjsonparse")
template(name="out" type="list" option.jsonf="on") {{
  property(outname="input" name="inputname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="pri" name="pri" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
  property(outname="json" name="$.parsed" format="jsonf")
  property(outname="seq" name="$!seq" format="jsonf")
  property(outname="target" name="$!target" format="jsonf")
}}
ruleset(name="all" parser=["rsyslog.rfc5424"]) {{
  action(type="mmjsonparse" cookie="")
  set $.parsed = $parsesuccess;
  action(type="omfile" file="{folder}/out.jsonl" template="out")
}}
"""

TLS = """
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all"
  streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="{mode}")
"""

INPUTS = {
    "plain": """
input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="all")
input(type="imtcp" address="127.0.0.1" port="{tcp}" ruleset="all")
input(type="imuxsock" socket="{folder}/sock" UseSpecialParser="off" ParseHostname="on"
  RateLimit.Interval="0" ruleset="all")
""",
    "tls": TLS.replace("{port}", "{tls}").replace("{mode}", "anon"),
    "mutual": TLS.replace("{port}", "{mutual}").replace("{mode}", "x509/certvalid"),
}
"""What each rsyslogd takes in. One that takes TLS takes nothing else: connections of several kinds
share its workers."""


PROGRAM = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin")


class Rsyslog:
    """An rsyslogd for each of `INPUTS`, and one file, `out`: an object a message, as parsed."""

    def __init__(self) -> None:
        if PROGRAM is None:
            pytest.fail("not found: apt-get install rsyslog rsyslog-gnutls (Debian)")
        self.folder = Path(tempfile.mkdtemp(prefix="mcpguard-rsyslog-"))
        self.out = self.folder / "out.jsonl"
        self.signer = self.cert, key = certificate(self.folder)
        self.port = {
            "udp": free_port(socket.SOCK_DGRAM), "tcp": free_port(), "tls": free_port(),
            "mutual": free_port(),
        }  # fmt: skip
        for name, inputs in INPUTS.items():
            config = (CONFIG + inputs).format(
                folder=self.folder, cert=self.cert, key=key, **self.port
            )
            (self.folder / f"{name}.conf").write_text(config, "utf-8")
        self._said = self.folder / "said"
        self.start()

    def start(self) -> None:
        with self._said.open("ab") as said:
            self._processes = [
                subprocess.Popen(
                    [str(PROGRAM), "-n", "-f", f"{place}.conf", "-i", f"{place}.pid"],
                    stdout=said,
                    stderr=subprocess.STDOUT,
                )
                for place in map(self.folder.joinpath, INPUTS)
            ]
        until(lambda: all(map(self._listens, ("tcp", "tls", "mutual"))), self.said)

    def _listens(self, kind: str) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port[kind]), 1).close()
        except OSError:
            return False
        return (self.folder / "sock").exists()

    def said(self) -> str:
        """What went wrong there: it quotes what it could not read, whatever bytes that is."""
        return self._said.read_text("utf-8", "replace")

    def stop(self) -> None:
        """As an administrator does: what it has taken is written."""
        for each in self._processes:
            each.send_signal(signal.SIGTERM)
        for each in self._processes:
            each.wait(PATIENCE)

    def where(self, kind: str) -> dict[str, str | int]:
        if kind == "unix":
            return {"to": f"unix://{self.folder / 'sock'}"}
        scheme = "tls" if kind == "mutual" else kind
        ca = {"ca": str(self.cert)} if scheme == "tls" else {}
        return {"to": f"{scheme}://127.0.0.1:{self.port[kind]}", **ca}

    def lines(self) -> list[bytes]:
        """What it wrote so far; a line that it is in the middle of is not there yet."""
        return self.out.read_bytes().split(b"\n")[:-1] if self.out.exists() else []

    def close(self) -> None:
        for each in self._processes:
            each.kill()
            each.wait()
        shutil.rmtree(self.folder)


class Post(NamedTuple):
    """One request."""

    path: str
    token: str
    media: str
    body: bytes
    coding: str = ""


class Receiver:
    """HTTPS on loopback. `answers`: statuses to give, first to last, then 200 for ever.

    0 is no answer: the connection ends when the request has been read. `mutual`: only for clients
    whose certificates are signed by `signer`.
    """

    def __init__(
        self, folder: Path, answers: list[int] | None = None, *, mutual: bool = False
    ) -> None:
        self.signer = self.cert, self._key = certificate(folder)
        self._mutual = mutual
        self.port = free_port()
        self.posts: list[Post] = []
        self.refused: list[Post] = []
        self.answers = answers or []
        self.said = b""
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self._key)
        if self._mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.cert)
        server = Quiet(("127.0.0.1", self.port), self._handler())
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            @override
            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        headers = request.headers
        coding = headers.get("Content-Encoding", "")
        plain = gzip.decompress(body) if coding == "gzip" else body
        post = Post(
            request.path, headers.get("Authorization", ""), headers["Content-Type"], plain, coding
        )
        status = self.answers.pop(0) if self.answers else 200
        (self.posts if status == 200 else self.refused).append(post)
        if status:
            request.send_response(status)
            request.send_header("Content-Length", str(len(self.said)))
            request.send_header("Content-Type", headers["Content-Type"])
            request.end_headers()
            request.wfile.write(self.said)
        request.close_connection = True


class Quiet(ThreadingHTTPServer):
    """Says nothing of connections that end."""

    daemon_threads = True
    allow_reuse_address = True

    @override
    def handle_error(self, *_: object) -> None:
        """A client that went away."""
