"""Route of the Chat Completions endpoint; it shares the generation of answers with batches."""

from secrets import token_hex

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from floridify_batch.sandbox.body import check_body
from floridify_batch.sandbox.fault import CONTENT_FAULTS
from floridify_batch.sandbox.refusal import Refusal, by_status, quota_exceeded, unsupported_model
from floridify_batch.sandbox.reply import completion, digest, prompt_tokens, reply
from floridify_batch.sandbox.service import Service, json_object, service_of


async def chat(request: Request) -> Response:
    """POST /v1/chat/completions."""
    service = service_of(request)
    body = await json_object(request)
    service.chat_requests += 1
    call = service.chat_requests - 1
    limit = service.chat_limit()
    if refusal := _fault(service, call) or check_body(body):
        raise refusal
    if service.faults.refuses_model(body["model"]):
        raise unsupported_model(body["model"])
    answered = digest(body)
    fault = service.faults.line(answered.hex(), call)
    name = fault.name if fault and fault.name in CONTENT_FAULTS else ""
    answer = reply(body, prompt_tokens(body), fault=name, fast=service.settings.fast)
    if answer.is_good and not name:
        service.note_chat(answered)
    return JSONResponse(completion(body, answer, token_hex(12), int(service.clock())), headers=limit)


ROUTES = (Route("/v1/chat/completions", chat, methods=["POST"]),)


def _fault(service: Service, call: int) -> Refusal | None:
    if "quota" in service.faults.by_name:
        return quota_exceeded()
    if service.faults.hits("chat_429", "", call):
        return by_status(429, {"retry-after": "1"})
    if service.faults.hits("chat_500", "", call):
        return by_status(500)
    return None
