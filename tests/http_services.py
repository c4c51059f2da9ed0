"""Small HTTP services for tests, on loopback."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """One request to a service."""

    def respond(self, body: bytes | None) -> None:
        """Respond to a request with its body."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Respond to a request without a body."""
        self.respond(None)

    def do_POST(self) -> None:
        """Respond to a request with a body."""
        self.respond(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def answer(self, status: int, kind: str, content: bytes) -> None:
        """Send a response."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def served(door: type[Handler]) -> Iterator[str]:
    """Run a service with a thread per request and yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@asynccontextmanager
async def fixed_response(body: bytes, kind: str | None = None) -> AsyncIterator[str]:
    """Run a service in this loop that answers everything with 200 and these bytes; yield its address."""
    typed = f"content-type: {kind}\r\n" if kind else ""
    head = f"HTTP/1.1 200 OK\r\nconnection: close\r\n{typed}content-length: {len(body)}\r\n\r\n"
    async with raw_response(head.encode() + body) as (url, _):
        yield url


@asynccontextmanager
async def raw_response(response: bytes) -> AsyncIterator[tuple[str, Callable[[], int]]]:
    """Run a service in this loop that answers every request with these bytes, head included, and hangs up.

    Yields its address, and the number of requests so far.
    """
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        asked = await reader.readuntil(b"\r\n\r\n")
        length = [line.split(b":")[1] for line in asked.lower().splitlines() if line.startswith(b"content-length:")]
        await reader.readexactly(int(length[0]) if length else 0)
        requests += 1
        writer.write(response)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", lambda: requests
