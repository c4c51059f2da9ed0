"""The parser of batch objects: what is odd costs itself alone."""

from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from openai import APIStatusError

from floridify_batch.providers.batch_object import job_of, parsed_object
from floridify_batch.providers.error import Unreadable, from_status, identity_of, retry_after


def test_numbers_for_ids() -> None:
    """Numeric IDs are accepted: of a batch, of its files, and of an uploaded file."""
    job = job_of({"id": 17, "status": "completed", "output_file_id": 5, "input_file_id": 4, "error_file_id": ""})
    assert (job.id, job.output_file_id, job.input_file_id, job.error_file_id) == ("17", "5", "4", None)
    assert identity_of(SimpleNamespace(id=4)) == "4"


@pytest.mark.parametrize(
    "time", [-62_135_596_800, 10**14, "0001-01-01T00:00:00Z", "9999-12-31", float("nan"), True, {}]
)
def test_times_out_of_range(time: Any) -> None:
    """An impossible time is read as unknown, so that calculations stay within the calendar."""
    job = job_of({"id": "b", "created_at": time, "completed_at": time, "expires_at": time})
    assert 2020 < job.created_at.year < 2100
    assert (job.completed_at, job.expires_at) == (None, None)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("7", 7.0),
        ("1e9", 3600.0),
        ("Sat, 28 Nov 2026 12:00:20 GMT", 20.0),
        ("Sat, 28 Nov 2026 12:00:20 -0000", 20.0),
        ("Sat, 28 Nov 2099 12:00:20 GMT", 3600.0),
        *((odd, None) for odd in ("-3", "0", "inf", "nan", "soon", "", "Sat, 28 Nov 2026 11:59:00 GMT", "9" * 6000)),
    ],
)
def test_retry_after(stated: str, seconds: float | None) -> None:
    """A Retry-After in seconds or as a date is respected up to an hour; one that has passed, or cannot be read, leaves
    the pause to the backoff.
    """
    headers = {"retry-after": stated, "date": "Sat, 28 Nov 2026 12:00:00 GMT"}
    error = SimpleNamespace(response=SimpleNamespace(headers=headers))
    assert retry_after(error) == seconds


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("7", ""),
        ("-3", ""),
        ("soon", ""),
        ("300", " It asks for a pause of 5 min."),
        ("Sun, 29 Nov 2026 12:00:00 GMT", " It asks for a pause of 1 d."),
        ("1e300", " It asks for a pause of 366 d."),
    ],
)
def test_a_long_pause_is_stated(stated: str, shown: str) -> None:
    """The sentence on a refusal states the whole pause that it asks for, if that is a long one."""
    headers = {"retry-after": stated, "date": "Sat, 28 Nov 2026 12:00:00 GMT"}
    request = httpx2.Request("GET", "http://x")
    error = APIStatusError("Slow.", response=httpx2.Response(429, headers=headers, request=request), body=None)
    assert str(from_status(error)).endswith(f"(HTTP 429): Slow.{shown}")


def test_a_date_without_a_clock() -> None:
    """A date cannot be compared with this machine's clock, so one without the service's own time is ignored."""
    headers = {"retry-after": "Sat, 28 Nov 2026 12:00:20 GMT"}
    assert retry_after(SimpleNamespace(response=SimpleNamespace(headers=headers))) is None


@pytest.mark.parametrize(
    "errors", ["No such model", ["No such model"], {"data": ["No such model"]}, {"detail": "No such model"}]
)
def test_reasons_of_any_form(errors: object) -> None:
    """The reason of a rejected batch is kept if it is a text, or in another field than `message`."""
    assert list(map(str, job_of({"id": "b", "errors": errors}).errors)) == ["No such model"]


def test_lone_surrogates() -> None:
    """A lone surrogate in a reply affects neither its other fields nor the checkpoint that they are saved in."""
    reply = b'{"id":"b","status":"failed","errors":["no \\ud800"],"metadata":{"label":"\\ud800"},"x":NaN}'
    job = job_of(parsed_object(reply))
    assert (job.status, job.errors[0].message, job.label) == ("failed", "no ?", "?")


def test_numbers_out_of_range() -> None:
    """A usage whose cost is no amount of money is unknown, and such counts are none."""
    usage = {"input_tokens": 10**18, "output_tokens": 1}
    job = job_of({"id": "b", "usage": usage, "request_counts": {"total": 10**18, "completed": "9" * 5_000}})
    assert (job.usage, job.total, job.done) == (None, 0, 0)


@pytest.mark.parametrize("identity", ["", " ", "a b", "a\nb", "\x1b[2J", "\ud800", "x" * 501, -1, 10**50, True, [], {}])
def test_ids_that_no_address_holds(identity: object) -> None:
    """An id that cannot be part of an address is no id."""
    with pytest.raises(Unreadable):
        job_of({"id": identity})
    assert job_of({"id": "b", "output_file_id": identity}).output_file_id is None
