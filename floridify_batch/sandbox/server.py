"""The ASGI application and its HTTP server: authentication, error responses, and the sandbox's own control routes."""

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import token_hex
from socket import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from floridify_batch.costs.tokenizer import count_tokens
from floridify_batch.errors import UsageError
from floridify_batch.sandbox import batch_routes, chat_routes, file_routes
from floridify_batch.sandbox.refusal import Refusal, by_status, wrong_key
from floridify_batch.sandbox.sandbox_settings import SandboxSettings
from floridify_batch.sandbox.service import Service, json_object, service_of

_BAD_KEY = "bad-key"
"""The only API key that is refused."""


def create_app(settings: SandboxSettings) -> Starlette:
    """Return the ASGI application; raise UsageError if the data folder is in use or a fault is invalid."""
    service = Service(settings)
    app = Starlette(
        routes=[*file_routes.ROUTES, *batch_routes.ROUTES, *chat_routes.ROUTES, *_OWN_ROUTES],
        middleware=[Middleware(_Authentication)],
        exception_handlers={Refusal: _refused, HTTPException: _not_served, Exception: _broken},
        lifespan=_lifespan,
    )
    app.state.service = service
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    service: Service = app.state.service
    service.batches.start()
    loading = asyncio.create_task(asyncio.to_thread(count_tokens, "load the ranks at start-up"))
    try:
        yield
    finally:
        await loading
        await service.batches.close()
        if service.endpoint:
            await service.endpoint.close()
        service.folder.close()


class _Authentication:
    """Middleware that checks the API key of a request and adds a request id to its response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("x-request-id", f"req_{token_hex(16)}")
            await send(message)

        key = Headers(scope=scope).get("authorization", "").removeprefix("Bearer").strip()
        if scope["path"].startswith("/v1/") and key in ("", _BAD_KEY):
            await _answer(wrong_key(key))(scope, receive, send_with_id)
            return
        await self._app(scope, receive, send_with_id)


async def stats(request: Request) -> Response:
    """GET /sandbox/stats: counts of requests and batches."""
    return JSONResponse(await asyncio.to_thread(service_of(request).stats))


async def control(request: Request) -> Response:
    """POST /sandbox/control: {"faults": [...]} replaces the faults, {"finish": true} finishes every batch."""
    service = service_of(request)
    orders = await json_object(request)
    if unknown := orders.keys() - {"faults", "finish"}:
        raise Refusal(400, f"Unknown keys {sorted(unknown)}; expected 'faults' or 'finish'.")
    if "faults" in orders:
        _set_faults(service, orders["faults"])
    if orders.get("finish"):
        await service.batches.finish()
    return JSONResponse({"faults": sorted(service.faults.by_name)})


def _set_faults(service: Service, texts: object) -> None:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "'faults' must be a list of strings like \"expire=0.1\".")
    try:
        service.set_faults(texts)
    except UsageError as problem:
        raise Refusal(400, str(problem)) from problem


_OWN_ROUTES = (
    Route("/sandbox/stats", stats, methods=["GET"]),
    Route("/sandbox/control", control, methods=["POST"]),
)


def _answer(refusal: Refusal) -> JSONResponse:
    return JSONResponse(refusal.body(), refusal.status, refusal.headers)


async def _refused(_: Request, refusal: Any) -> Response:
    return _answer(refusal)


async def _not_served(request: Request, problem: Any) -> Response:
    message = f"{problem.detail} ({request.method} {request.url.path})"
    return _answer(Refusal(problem.status_code, message, headers=problem.headers))


async def _broken(_: Request, problem: Any) -> Response:
    traceback.print_exception(problem, file=sys.stderr)
    return _answer(by_status(500))


class _CuttableProtocol(H11Protocol):
    """Exposes the transport to each request, since no ASGI message closes a connection without a response."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """A server that reports when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._listening()


def make_server(app: Starlette, listening: Callable[[], None]) -> uvicorn.Server:
    """Return a server without logging; it calls `listening` once it accepts requests."""
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
