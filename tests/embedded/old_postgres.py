"""A server that says it is Postgres 15 and nothing more: enough of the protocol for a driver to connect to it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def greet(client: socket.socket, version: str, seen: list[bytes]) -> None:
    with client, suppress(OSError):
        while True:
            size, code = struct.unpack("!II", client.recv(8))
            client.recv(size - 8)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                break
            client.sendall(b"N")
        for name, value in (("server_version", version), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on")):
            client.sendall(message(b"S", f"{name}\0{value}\0".encode()) if name != "server_version" else b"")
            if name == "server_version":
                client.sendall(message(b"R", struct.pack("!I", 0)) + message(b"S", f"{name}\0{value}\0".encode()))
        client.sendall(message(b"K", struct.pack("!II", 1, 1)) + message(b"Z", b"I"))
        while data := client.recv(4096):
            seen.append(data)


@contextmanager
def postgres_that_says(version: str) -> Iterator[tuple[str, list[bytes]]]:
    """Its URL, and everything that it is asked after the greeting."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    greet(server.accept()[0], version, seen)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"postgresql://siaga@127.0.0.1:{server.getsockname()[1]}/theirs", seen
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
