"""Servers that treat whoever calls badly: they hang, drip, fail or lie, on real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from stage import free_port

# Whoever waited for one of these would wait for a minute.
PATIENCE = 60
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
TRUE = b'{"success": true}'
Manner = Callable[[socket.socket, threading.Event], None]


class Hostile:
    """A server that treats every connection in one ``manner``, and counts them."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self.over = threading.Event()
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", free_port()), backlog=200)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._treat, args=(peer,), daemon=True).start()

    def _treat(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            self._manner(peer, self.over)

    def close(self) -> None:
        """Let everybody go."""
        self.over.set()
        # A thread in accept() is woken by shutdown alone.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def silent(peer: socket.socket, over: threading.Event) -> None:
    over.wait(PATIENCE)


def closing(peer: socket.socket, over: threading.Event) -> None:
    peer.recv(65536)


def dripping(peer: socket.socket, over: threading.Event) -> None:
    peer.recv(65536)
    for byte in HEAD % PATIENCE:
        peer.sendall(bytes([byte]))
        if over.wait(1.0):
            return


def endless(peer: socket.socket, over: threading.Event) -> None:
    peer.recv(65536)
    peer.sendall(HEAD % 10**12)
    while not over.is_set():
        peer.sendall(b" " * 65536)


def halting(peer: socket.socket, over: threading.Event) -> None:
    peer.recv(65536)
    peer.sendall(HEAD % 1000 + TRUE)


def answering(status: str, body: bytes) -> Manner:
    """Whatever was asked, this."""

    def answer(peer: socket.socket, over: threading.Event) -> None:
        while peer.recv(65536):
            told = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            peer.sendall(told.encode() + body)

    return answer


MANNERS: dict[str, Manner] = {
    "silent": silent,
    "closing": closing,
    "dripping": dripping,
    "endless": endless,
    "500": answering("500 Internal Server Error", b"{}"),
    "429": answering("429 Too Many Requests", b"{}"),
    "a page": answering("200 OK", b"<!doctype html><h1>Hello</h1>"),
    "nothing": answering("200 OK", b""),
    "a list": answering("200 OK", b"[]"),
    "yes to everything": answering("200 OK", TRUE),
    "no to everything": answering("200 OK", b'{"success": false, "errorMsg": "No"}'),
    "half a yes": halting,
}
