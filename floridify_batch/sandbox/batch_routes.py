"""Routes of the Batches endpoint."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from floridify_batch.sandbox.batch import MOVES, limit_message
from floridify_batch.sandbox.file_routes import is_pending
from floridify_batch.sandbox.refusal import Refusal, by_status, invalid, missing, not_found, quota_exceeded
from floridify_batch.sandbox.service import (
    PAGE,
    Service,
    cut_connection,
    cut_reply,
    json_object,
    lifetime,
    page_limit,
    service_of,
)
from floridify_batch.sandbox.storage import BatchRecord

_ENDPOINT = "/v1/chat/completions"
_QUEUE_FULL = limit_message(20_000)
_FOREIGN: tuple[Any, ...] = (
    None,
    {"object": "batch", "status": "completed"},
    {"id": "batch_foreign_1", "status": 7, "created_at": None, "usage": {"input_tokens": "many"}, "metadata": "none"},
    {"id": "batch_foreign_2", "status": "completed", "created_at": "2026-11-01T00:00:00Z", "request_counts": []},
)
"""Batches of another client, in forms that no documentation describes."""
_NO_FILES: Mapping[str, Any] = {"output_file_id": None, "error_file_id": None}
_WINDOW = "24h"
_ORDER = frozenset({"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"})
_PAIRS, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512
_PER_HOUR, _HOUR = 2_000, 3_600.0
_MOMENTS = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


async def create(request: Request) -> Response:
    """POST /v1/batches. Most of its faults strike after the batch was created, which is the hard case for clients."""
    service = service_of(request)
    order = await json_object(request)
    _check_order(service, order)
    if service.spend("create_429"):
        raise service.too_many_requests()
    if service.spend("create_error"):
        return JSONResponse(by_status(429).body())
    if service.spend("create_400"):
        raise by_status(400)
    if service.spend("queue_full"):
        raise Refusal(400, _QUEUE_FULL, code="token_limit_exceeded")
    if service.has("limit_at_creation") and (limit := service.batches.exceeded_limit(order["input_file_id"])):
        raise Refusal(400, limit_message(limit), code="token_limit_exceeded")
    record = service.batches.create(order, lifetime(order.get("output_expires_after"), "output_expires_after"))
    if hold := service.faults.seconds("create_hold"):
        await asyncio.sleep(hold)
    if service.spend("create_500"):
        raise by_status(500)
    if service.spend("create_drop"):
        await cut_connection(request)
    reply = JSONResponse(public(service, service.folder.batch(record.id)))
    return cut_reply(request, reply) if service.spend("create_cut") else reply


async def listing(request: Request) -> Response:
    """GET /v1/batches, newest first."""
    service, limit = service_of(request), page_limit(request, 20, 100)
    if service.spend("list_500"):
        raise by_status(500)
    newest_allowed = service.clock() - service.faults.seconds("list_lag")
    records = [record for record in service.folder.batches.values() if record.created <= newest_allowed]
    if service.has("list_empty"):
        records = []
    records.sort(key=lambda record: record.number, reverse=True)
    if service.has("list_loop"):
        return JSONResponse({"data": [public(service, record) for record in records[:limit]], "has_more": True})
    if after := request.query_params.get("after"):
        cursor = service.folder.batch(after).number
        records = [record for record in records if record.number < cursor]
    page = [public(service, record) for record in records[:limit]]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    if service.has("list_bare"):
        return JSONResponse(page)
    if service.has("foreign_batch"):
        page = [*_FOREIGN, *page]
    return JSONResponse({"object": "list", "data": page, **ends, "has_more": len(records) > limit})


async def retrieve(request: Request) -> Response:
    """GET /v1/batches/{id}."""
    service = service_of(request)
    record = service.folder.batch(request.path_params["id"])
    service.polls[record.id] += 1
    if service.faults.hits("poll_404", "", record.number) or service.spend("poll_denied"):
        raise not_found("Batch", record.id)
    poll = str(service.polls[record.id])
    for status in (500, 429):
        if service.faults.hits(f"poll_{status}", poll, record.number):
            raise by_status(status)
    if service.spend("poll_page"):
        return HTMLResponse(PAGE)
    if service.spend("poll_error"):
        return JSONResponse(by_status(429).body())
    shown = public(service, record)
    if service.spend("unknown_status"):
        shown["status"] = "paused_for_review"
    if record.status == "completed" and service.spend("no_files"):
        shown |= _NO_FILES
    elif record.status == "completed" and service.has("end_lost"):
        shown |= _lost_end(service, record)
    return JSONResponse(shown)


def _lost_end(service: Service, record: BatchRecord) -> Mapping[str, Any]:
    """Return what a service that has lost the end of a batch states instead."""
    if record.id not in service.lost_ends:
        service.lost_ends.add(record.id)
        return _NO_FILES
    return {**_NO_FILES, "status": "expired", "request_counts": None} if service.spend("end_lost") else {}


async def cancel(request: Request) -> Response:
    """POST /v1/batches/{id}/cancel."""
    service = service_of(request)
    record = service.folder.batch(request.path_params["id"])
    if service.has("cancel_400") and not MOVES[record.status]:
        raise Refusal(400, f"Batch {record.id} has ended.")
    record = service.batches.cancel(record)
    return JSONResponse(public(service, record))


ROUTES = (
    Route("/v1/batches", create, methods=["POST"]),
    Route("/v1/batches", listing, methods=["GET"]),
    Route("/v1/batches/{id}", retrieve, methods=["GET"]),
    Route("/v1/batches/{id}/cancel", cancel, methods=["POST"]),
)


def public(service: Service, record: BatchRecord) -> dict[str, Any]:
    """Return the batch object of the API."""
    return _odd(service, _documented(service, record))


def _odd(service: Service, batch: dict[str, Any]) -> dict[str, Any]:
    """Return a batch object with the deviations that faults set."""
    times = [name for name, value in batch.items() if name.endswith("_at") and value is not None]
    batch |= {name: batch[name] + int(service.faults.seconds("clock_offset")) for name in times}
    if service.has("upper_status"):
        batch |= {name: datetime.fromtimestamp(batch[name], UTC).isoformat() for name in times}
        batch["status"] = batch["status"].upper()
    if service.has("no_metadata"):
        batch["metadata"] = None
    if service.has("no_counts"):
        batch["request_counts"] = None
    if service.has("null_usage"):
        batch["usage"] = None
    if service.has("odd_usage") and batch["usage"]:
        batch["usage"] |= {"input_tokens_details": None, "output_tokens_details": None}
    return batch


def _documented(service: Service, record: BatchRecord) -> dict[str, Any]:
    moments = {f"{name}_at": _whole(record.entered.get(name)) for name in _MOMENTS}
    return {
        "id": record.id,
        "object": "batch",
        "endpoint": record.endpoint,
        "model": record.model,
        "errors": {"object": "list", "data": list(record.errors)} if record.errors else None,
        "input_file_id": record.input_file_id,
        "completion_window": record.completion_window,
        "status": record.status,
        "output_file_id": record.output_file_id,
        "error_file_id": record.error_file_id,
        "created_at": int(record.created),
        "expires_at": int(record.expires),
        **moments,
        "request_counts": _counts(service, record),
        "usage": _usage(record),
        "metadata": record.metadata,
    }


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def _counts(service: Service, record: BatchRecord) -> dict[str, int]:
    if record.status in ("in_progress", "finalizing", "cancelling"):
        share = service.batches.progress(record)
        failed = int(share * record.expected_failures)
        completed = int(share * (record.total - record.expected_failures))
        return {"total": record.total, "completed": completed, "failed": failed}
    return {"total": record.total, "completed": record.completed, "failed": record.failed}


def _usage(record: BatchRecord) -> dict[str, Any] | None:
    if record.status not in ("completed", "expired", "cancelled"):
        return None
    return {
        "input_tokens": record.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": record.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": record.input_tokens + record.output_tokens,
    }


def _check_order(service: Service, order: Mapping[str, Any]) -> None:
    if unknown := order.keys() - _ORDER:
        name = min(unknown)
        raise Refusal(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(order.get(name), str):
            raise missing(name)
    if order["endpoint"] != _ENDPOINT:
        raise invalid("endpoint", f"the sandbox serves {_ENDPOINT} only.")
    if order["completion_window"] != _WINDOW:
        raise invalid("completion_window", f"supported values are: '{_WINDOW}'.")
    _check_metadata(order.get("metadata"))
    file = service.folder.file(order["input_file_id"], service.clock())
    if is_pending(service, file):
        raise invalid("input_file_id", "the file is not processed yet.")
    if file.purpose != "batch":
        raise invalid("input_file_id", "the file must have been uploaded with the purpose 'batch'.")
    if "quota" in service.faults.by_name:
        raise quota_exceeded()
    recent = sum(record.created > service.clock() - _HOUR for record in service.folder.batches.values())
    if recent >= _PER_HOUR:
        raise by_status(429)


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or len(metadata) > _PAIRS:
        raise invalid("metadata", f"expected an object of at most {_PAIRS} pairs.", code="object_above_max_properties")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise invalid(f"metadata.{key}", "expected a string.", code="invalid_type")
        if len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
            why = f"keys have at most {_LONGEST_KEY} characters, values at most {_LONGEST_VALUE}."
            raise invalid(f"metadata.{key}", why, code="string_above_max_length")
