"""State shared by all routes: data folder, batches, faults, and counts for `stats`."""

import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, cast

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from floridify_batch.sandbox.batch import Batches
from floridify_batch.sandbox.endpoint import Endpoint
from floridify_batch.sandbox.fault import Faults
from floridify_batch.sandbox.refusal import Refusal, by_status
from floridify_batch.sandbox.sandbox_settings import SandboxSettings
from floridify_batch.sandbox.storage import Folder

CHAT = "chat"
"""Takes the place of a batch id in the file name of immediate requests' digests."""

PAGE = "<html><body>The service is being updated.</body></html>"
"""A gateway's page, in place of a reply."""


class Service:
    """A running sandbox. Construction locks the data folder, or raises UsageError."""

    def __init__(self, settings: SandboxSettings, clock: Callable[[], float] = time.time) -> None:
        faults = Faults.parse(settings.faults, settings.seed)
        self.settings = settings
        self.endpoint = Endpoint(settings.answers_from, settings.answer_seconds) if settings.answers_from else None
        self.clock = clock
        self.folder = Folder(settings.data)
        self.batches = Batches(self.folder, settings, faults, self.endpoint, clock)
        self.chat_requests = 0
        self.first_chat: dict[str, Any] = {}
        self._second, self._in_second = 0, 0
        self.polls: Counter[str] = Counter()
        self.lost_ends: set[str] = set()
        self._spent: Counter[str] = Counter()

    @property
    def faults(self) -> Faults:
        """Return the active faults."""
        return self.batches.faults

    def set_faults(self, texts: Iterable[str]) -> None:
        """Replace the faults and reset their counts."""
        self.batches.faults = Faults.parse(texts, self.settings.seed)
        self._spent.clear()

    def spend(self, name: str) -> bool:
        """Whether a fault with a count strikes now; each strike reduces the count."""
        if self._spent[name] >= self.faults.count(name):
            return False
        self._spent[name] += 1
        return True

    def too_many_requests(self) -> Refusal:
        """Return the refusal of a rate limit, with the Retry-After header that a fault sets."""
        seconds = self.faults.seconds("retry_after")
        return by_status(429, {"retry-after": f"{seconds:g}"} if seconds else None)

    def has(self, name: str) -> bool:
        """Whether a fault is active."""
        return name in self.faults.by_name

    def chat_limit(self) -> dict[str, str]:
        """Apply the rate limit to an immediate request and return its rate-limit headers.

        Raises a 429 for a request above the limit.
        """
        cap, now = self.faults.count("chat_limit"), self.clock()
        if not cap:
            return {}
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        limit = {
            "x-ratelimit-limit-requests": str(cap),
            "x-ratelimit-remaining-requests": str(max(0, cap - self._in_second)),
            "x-ratelimit-reset-requests": f"{1000 - int(now % 1 * 1000)}ms",
        }
        if self._in_second > cap:
            raise by_status(429, limit | {"retry-after": "1"})
        return limit

    def note_chat(self, digest: bytes) -> None:
        """Record the body of an immediate request with a good answer."""
        with self.folder.bodies(CHAT).open("ab") as file:
            file.write(digest)

    def note_charge(self, chat: Mapping[str, Any], *, lost: bool) -> None:
        """Record the charge for an immediate request; `lost`: its answer does not arrive."""
        charge = {name: chat.get(name) for name in ("id", "model", "service_tier", "usage")} | {"lost": lost}
        with self.folder.charges().open("ab") as file:
            file.write(orjson.dumps(charge, option=orjson.OPT_APPEND_NEWLINE))

    def stats(self) -> dict[str, Any]:
        """Return the counts; those of immediate requests start with the process, all others with the data folder."""
        records = sorted(self.folder.batches.values(), key=lambda record: record.number)
        return {
            "batches_created": len(records),
            "files_uploaded": sum(file.purpose != "batch_output" for file in self.folder.files.values()),
            "lines_answered": sum(record.completed + record.failed for record in records),
            "chat_requests": self.chat_requests,
            "bodies_answered_more_than_once": self._repeated_bodies(),
            "batches": [
                {
                    "id": record.id,
                    "label": (record.metadata or {}).get("label"),
                    "metadata": record.metadata,
                    "status": record.status,
                    "model": record.model,
                    "counts": {"total": record.total, "completed": record.completed, "failed": record.failed},
                }
                for record in records
            ],
        }

    def _repeated_bodies(self) -> int:
        digests = array("Q")
        for path in self.folder.all_bodies():
            digests.frombytes(path.read_bytes())
        # A sorted array takes a tenth of the memory of a set of numbers.
        digests = array("Q", sorted(digests))
        repeats = {one for one, next_one in pairwise(digests) if one == next_one}
        return len(repeats)


def service_of(request: Request) -> Service:
    """Return the service of a request."""
    return cast("Service", request.app.state.service)


async def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request body; raise a 400 for anything else."""
    try:
        body = orjson.loads(await request.body())
    except ClientDisconnect:  # the client died while it sent this
        raise Refusal(400, "The connection was closed before the whole request was read.") from None
    except orjson.JSONDecodeError as problem:
        raise Refusal(400, f"We could not parse the JSON body of your request: {problem}.") from problem
    if not isinstance(body, dict):
        raise Refusal(400, "The JSON body of your request must be an object.")
    return body


def page_limit(request: Request, usual: int, most: int) -> int:
    """Return the `limit` of a list request; raise a 400 if it is out of range."""
    text = request.query_params.get("limit", str(usual))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Refusal(400, f"Invalid 'limit': expected a number from 1 to {most}.", code="invalid_value", param="limit")
    return int(text)


def lifetime(wanted: object, param: str) -> float | None:
    """Return the seconds of an `expires_after`; raise a 400 if it is invalid."""
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("anchor") != "created_at":
        raise Refusal(400, f"Invalid '{param}': expected the anchor 'created_at'.", code="invalid_value", param=param)
    seconds = str(wanted.get("seconds"))
    if not seconds.isdigit() or not 3_600 <= int(seconds) <= 2_592_000:  # noqa: PLR2004 - an hour and 30 days
        message = f"Invalid '{param}.seconds': expected 3600 to 2592000."
        raise Refusal(400, message, code="invalid_value", param=param)
    return float(seconds)


def cut_reply(request: Request, whole: Response) -> Response:
    """Return a response that closes the connection after half of its body."""

    async def half() -> AsyncIterator[bytes]:
        yield bytes(whole.body[: len(whole.body) // 2])
        await cut_connection(request)

    return StreamingResponse(half(), headers=dict(whole.headers))


async def cut_connection(request: Request) -> None:
    """Close the connection of a request, as a network failure would; bytes already sent still arrive."""
    transport = getattr(request.state, "transport", None)
    if transport is None:
        raise Refusal(500, "This server cannot close connections; start the sandbox with its own command.")
    transport.close()
    while not await request.is_disconnected():
        pass
