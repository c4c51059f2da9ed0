"""Routes of the Files endpoint; contents are streamed to and from disk."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from floridify_batch.sandbox.batch import MOVES
from floridify_batch.sandbox.refusal import Refusal, by_status, invalid, missing, not_found
from floridify_batch.sandbox.sandbox_settings import DAY
from floridify_batch.sandbox.service import Service, cut_connection, cut_reply, lifetime, page_limit, service_of
from floridify_batch.sandbox.storage import BLOCK, FileRecord

_PURPOSES = ("batch", "assistants", "fine-tune", "vision", "user_data", "evals")
_MAX_BYTES = 512 * 1024 * 1024
_BINARY = "application/octet-stream"


async def upload(request: Request) -> Response:
    """POST /v1/files."""
    service = service_of(request)
    if service.spend("upload_429"):
        raise service.too_many_requests()
    async with request.form(max_files=1, max_fields=20) as form:
        record = await _store(service, form)
    if service.spend("upload_500"):
        raise by_status(500)
    if service.spend("upload_drop"):
        await cut_connection(request)
    reply = JSONResponse(_public(service, record))
    return cut_reply(request, reply) if service.spend("upload_cut") else reply


async def listing(request: Request) -> Response:
    """GET /v1/files, newest first by default."""
    service, query = service_of(request), request.query_params
    now, limit = service.clock(), page_limit(request, 10_000, 10_000)
    files = [file for file in service.folder.files.values() if file.is_there(now)]
    files = [file for file in files if query.get("purpose") in (None, file.purpose)]
    files.sort(key=lambda file: file.number, reverse=query.get("order", "desc") == "desc")
    ids = [file.id for file in files]
    if after := query.get("after"):
        files = files[ids.index(after) + 1 :] if after in ids else []
    page = [file.public() for file in files[:limit]]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return JSONResponse({"object": "list", "data": page, **ends, "has_more": len(files) > limit})


async def retrieve(request: Request) -> Response:
    """GET /v1/files/{id}."""
    if service_of(request).has("file_404"):
        raise not_found("File", request.path_params["id"])
    return JSONResponse(_public(service_of(request), _file(request)))


async def content(request: Request) -> Response:
    """GET /v1/files/{id}/content."""
    service, record = service_of(request), _file(request)
    path = service.folder.content(record.id)
    if hold := service.faults.seconds("content_hold"):
        await asyncio.sleep(hold)
    if service.spend("content_500"):
        raise by_status(500)
    if service.spend("content_denied"):
        raise not_found("File", record.id)
    if service.spend("content_short"):
        lines = (await asyncio.to_thread(path.read_bytes)).splitlines(keepends=True)
        return Response(b"".join(lines[: len(lines) // 2]), media_type=_BINARY)
    if record.purpose == "batch_output" and (service.has("windows_lines") or service.has("indented")):
        return Response(_in_other_layout(service, await asyncio.to_thread(path.read_bytes)), media_type=_BINARY)
    if service.spend("content_cut"):
        headers = {"content-length": str(record.bytes)}
        return StreamingResponse(_half(request, path, record.bytes // 2), media_type=_BINARY, headers=headers)
    return FileResponse(path, media_type=_BINARY)


def _in_other_layout(service: Service, content: bytes) -> bytes:
    """Return an answer file as other services write it: indented, or with a byte order mark and CRLF."""
    if service.has("indented"):
        content = b"".join(map(_indented, content.splitlines(keepends=True)))
    if service.has("windows_lines"):
        content = b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
    return content


def _indented(line: bytes) -> bytes:
    with suppress(orjson.JSONDecodeError):  # a line that another fault has cut in half
        return orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return line


async def delete(request: Request) -> Response:
    """DELETE /v1/files/{id}; unfinished batches keep the content."""
    service, record = service_of(request), _file(request)
    service.folder.save_file(replace(record, deleted=True))
    in_use = {batch.input_file_id for batch in service.folder.batches.values() if MOVES[batch.status]}
    if record.id not in in_use:
        await asyncio.to_thread(service.folder.content(record.id).unlink, missing_ok=True)
    return JSONResponse({"id": record.id, "object": "file", "deleted": True})


ROUTES = (
    Route("/v1/files", upload, methods=["POST"]),
    Route("/v1/files", listing, methods=["GET"]),
    Route("/v1/files/{id}", retrieve, methods=["GET"]),
    Route("/v1/files/{id}", delete, methods=["DELETE"]),
    Route("/v1/files/{id}/content", content, methods=["GET"]),
)


def _public(service: Service, record: FileRecord) -> dict[str, object]:
    """Return the file object of the API; faults delay its processing, or its status alone."""
    if is_pending(service, record) or service.has("file_uploaded"):
        return record.public() | {"status": "uploaded"}
    return record.public() | ({"status": "pending"} if service.has("file_404") else {})


def is_pending(service: Service, record: FileRecord) -> bool:
    """Whether a file is not processed yet."""
    return service.clock() < record.created + service.faults.seconds("file_pending")


def _file(request: Request) -> FileRecord:
    service = service_of(request)
    return service.folder.file(request.path_params["id"], service.clock())


async def _store(service: Service, form: FormData) -> FileRecord:
    file, purpose = form.get("file"), form.get("purpose")
    if not isinstance(file, UploadFile):
        raise missing("file")
    if purpose is None:
        raise missing("purpose")
    if not isinstance(purpose, str) or purpose not in _PURPOSES:
        raise invalid("purpose", f"'{purpose}' is not one of {', '.join(_PURPOSES)}.")
    filename = file.filename or "upload"
    if purpose == "batch" and not filename.endswith(".jsonl"):
        raise Refusal(400, "Invalid file format for Batch API. Must be .jsonl.", code="invalid_file_format")
    if (file.size or 0) > _MAX_BYTES:
        raise Refusal(413, "The file is larger than 512 MB.", code="file_too_large", param="file")
    expires = lifetime(_expires_after(form), "expires_after") or (30 * DAY if purpose == "batch" else None)
    written = service.folder.partial()
    await asyncio.to_thread(_copy, file.file, written)
    now = service.clock()
    return service.folder.keep(
        written, purpose=purpose, filename=filename, created=now, expires=None if expires is None else now + expires
    )


def _expires_after(form: FormData) -> Mapping[str, object] | None:
    names = ("anchor", "seconds")
    given = {name: form[f"expires_after[{name}]"] for name in names if f"expires_after[{name}]" in form}
    return given or None


def _copy(source: IO[bytes], target: Path) -> None:
    source.seek(0)
    with target.open("wb") as file:
        shutil.copyfileobj(source, file, BLOCK)


async def _half(request: Request, path: Path, left: int) -> AsyncIterator[bytes]:
    """Stream the first `left` bytes of a file, then close the connection."""
    with await asyncio.to_thread(path.open, "rb") as file:
        while left and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block
    await cut_connection(request)
