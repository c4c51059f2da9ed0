"""Route of the Chat Completions endpoint; it shares the generation of answers with batches."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from floridify_batch.sandbox.body import check_body
from floridify_batch.sandbox.endpoint import Endpoint, refusal_of
from floridify_batch.sandbox.fault import CONTENT_FAULTS
from floridify_batch.sandbox.refusal import Refusal, by_status, quota_exceeded, unsupported_model
from floridify_batch.sandbox.reply import completion, digest, prompt_tokens, reply
from floridify_batch.sandbox.service import PAGE, Service, cut_connection, cut_reply, json_object, service_of


async def chat(request: Request) -> Response:
    """POST /v1/chat/completions."""
    service = service_of(request)
    body = await json_object(request)
    service.chat_requests += 1
    call = service.chat_requests - 1
    limit = service.chat_limit()
    if refusal := _fault(service, call) or check_body(body, any_model=service.endpoint is not None):
        raise refusal
    if service.faults.refuses_model(body["model"]):
        raise unsupported_model(body["model"])
    if service.first_chat and service.faults.hits("chat_repeat", "", call):
        return JSONResponse(service.first_chat, headers=limit)
    answered = digest(body)
    fault = service.faults.line(answered.hex(), call)
    name = fault.name if fault and fault.name in CONTENT_FAULTS else ""
    if service.endpoint and not name:
        return await _passed_on(request, service.endpoint, body, call)
    answer = reply(body, prompt_tokens(body), fault=name, fast=service.settings.fast)
    lost = _lost(service, call)
    if answer.is_good and not (name or lost):
        service.note_chat(answered)
    chat = completion(body, answer, token_hex(12), int(service.clock()))
    service.first_chat = service.first_chat or chat
    service.note_charge(chat, lost=bool(lost))
    return await _disturbed(request, JSONResponse(chat, headers=limit), lost, call)


async def _passed_on(request: Request, endpoint: Endpoint, body: Mapping[str, Any], call: int) -> Response:
    """Return the answer of another service."""
    service = service_of(request)
    passed = await endpoint.answer(body)
    if passed.error:
        raise refusal_of(passed)
    lost = _lost(service, call)
    if passed.is_answer and isinstance(passed.body, dict):
        service.note_charge(passed.body, lost=bool(lost))
        if not lost:
            service.note_chat(digest(body))
    return await _disturbed(request, JSONResponse(passed.body, passed.status), lost, call)


ROUTES = (Route("/v1/chat/completions", chat, methods=["POST"]),)


_LOST = ("chat_drop", "chat_cut", "chat_page")
"""Faults after which a request is billed, and its answer is lost."""


def _lost(service: Service, call: int) -> str:
    return next((fault for fault in _LOST if service.faults.hits(fault, "", call)), "")


async def _disturbed(request: Request, whole: Response, lost: str, call: int) -> Response:
    """Return a reply as a network or a gateway passes it on."""
    match lost:
        case "chat_drop":
            await cut_connection(request)
        case "chat_cut":
            return cut_reply(request, whole)
        case "chat_page":
            return HTMLResponse(PAGE)
    if service_of(request).faults.hits("chat_wrapped", "", call):
        return Response(b"\xef\xbb\xbf" + bytes(whole.body) + b"\n<!-- gateway -->", media_type="application/json")
    return whole


def _fault(service: Service, call: int) -> Refusal | None:
    if "quota" in service.faults.by_name:
        return quota_exceeded()
    if service.faults.hits("chat_429", "", call):
        return by_status(429, {"retry-after": "1"})
    if service.faults.hits("chat_500", "", call):
        return by_status(500)
    return None
