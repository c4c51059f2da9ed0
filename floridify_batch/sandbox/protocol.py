"""The web server under the application, fitted so that a fault can cut a connection."""

import asyncio
from collections.abc import Callable
from socket import socket

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol


class _CuttableProtocol(H11Protocol):
    """Shows each request the transport it came by: no ASGI message can close a connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._listening()


def server_of(app: Starlette, listening: Callable[[], None]) -> uvicorn.Server:
    """A quiet web server for the application; `listening` is called once requests are answered."""
    config = uvicorn.Config(
        app,
        http=_CuttableProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, listening)
