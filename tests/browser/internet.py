"""A played internet: every name leads to this process, over real TLS, so that real host names are what is tested."""

from __future__ import annotations

import ssl
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from stage import free_port
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "https://addon.example.com"


@dataclass(frozen=True, slots=True)
class Hit:
    """A request as a server saw it: the address without its fragment, the headers, the answer's status."""

    method: str
    url: str
    headers: Mapping[str, str]
    status: int

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return "/".join(self.url.split("/", 3)[:3])


class Internet:
    """Our host at `HOST`, and at every other address the page that a test put there."""

    def __init__(self, host: WSGIApplication) -> None:
        self.host = host
        self.pages: dict[str, Response] = {}
        self.hits: list[Hit] = []

    def put(self, url: str, page: str, **headers: str) -> str:
        """Serve an HTML page at an address; returns the address."""
        self.pages[url] = Response(page, mimetype="text/html", headers=headers)
        return url

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, and note what it was."""
        request = Request(environ)
        served = self.host if request.host_url == f"{HOST}/" else self.pages.get(request.base_url, nothing)

        def noted(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self.hits.append(Hit(request.method, request.url, dict(request.headers), int(status[:3])))
            return start_response(status, headers, exc_info)

        return served(environ, noted)

    def to_host(self, since: int = 0) -> list[Hit]:
        """What our host was asked."""
        return [hit for hit in self.hits[since:] if hit.origin == HOST]


def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An address at which nothing was put."""
    return Response("<!doctype html>", 404, mimetype="text/html")(environ, start_response)


class Quiet(WSGIRequestHandler):
    """Says nothing: each hit is noted anyway."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Stay silent."""


class Encrypted(ThreadedWSGIServer):
    """Shakes hands in the thread of each connection: browsers open some on which they say nothing for long."""

    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection; one that ends in the middle is no matter."""
        try:
            with self.context.wrap_socket(request, server_side=True) as encrypted:
                super().finish_request(encrypted, client_address)
        except OSError:
            return


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the played internet is reached: the arguments with which Chromium takes it for the real one."""

    arguments: tuple[str, ...]


@contextmanager
def online(internet: Internet, folder: Path) -> Iterator[Lines]:
    """Serve plain HTTP and TLS while the block runs."""
    certificate = trustme.CA().issue_cert("addon.example.com")
    file = folder / "certificate.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    plain = make_server("127.0.0.1", free_port(), internet, threaded=True, request_handler=Quiet)
    secure = Encrypted("127.0.0.1", free_port(), internet, handler=Quiet)
    secure.context = secure.ssl_context = context
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in (plain, secure)]
    for thread in threads:
        thread.start()
    try:
        yield Lines(arguments(plain.port, secure.port, file.read_bytes()))
    finally:
        for server in (plain, secure):
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def arguments(plain: int, secure: int, certificate: bytes) -> tuple[str, ...]:
    """Every name but this machine's own, on any port; and our one certificate is good for all of them."""
    public = load_pem_x509_certificate(certificate).public_key()
    pin = b64encode(sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()
    rules = f"MAP *:80 127.0.0.1:{plain}, MAP * 127.0.0.1:{secure}, EXCLUDE 127.0.0.1, EXCLUDE *.localhost"
    return (f"--host-resolver-rules={rules}", f"--ignore-certificate-errors-spki-list={pin}")
