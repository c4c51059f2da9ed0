"""Small HTTP services of a test's own, on loopback."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """One request to a service."""

    def respond(self, body: bytes | None) -> None:
        """What the service does with a request, and with what was sent along."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Nothing was sent along."""
        self.respond(None)

    def do_POST(self) -> None:
        """Something was sent along."""
        self.respond(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def answer(self, status: int, kind: str, content: bytes) -> None:
        """Send this back."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(door: type[Handler]) -> Iterator[str]:
    """The address of a service that looks after each request in a thread of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@asynccontextmanager
async def fixed_response(body: bytes, kind: str | None = None) -> AsyncIterator[str]:
    """The address of a service in this very loop that answers everything with 200 and these bytes."""
    typed = f"content-type: {kind}\r\n" if kind else ""
    head = f"HTTP/1.1 200 OK\r\nconnection: close\r\n{typed}content-length: {len(body)}\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        length = [line.split(b":")[1] for line in asked.lower().splitlines() if line.startswith(b"content-length:")]
        await reader.readexactly(int(length[0]) if length else 0)
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
