"""Each fault does to a real client what it says."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai
import orjson
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from floridify_batch.components.answer import wire_schema
from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.sandbox.process import running_sandbox

HOUR = 3600.0
SCHEMA = wire_schema(DomainIdentificationResponse)
BODY: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Word: calm"}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "domain", "strict": True, "schema": SCHEMA}},
}
IDS = [f"word-{number}" for number in range(20)]
TWENTY = b"".join(
    orjson.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": BODY}) + b"\n"
    for name in IDS
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sandbox whose clock is advanced by the test."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), seconds=HOUR, validating_seconds=0) as base:
        yield base


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="any", base_url=url, max_retries=0) as client:
        yield client
    await control(url, finish=True, faults=[])


async def control(url: str, **orders: Any) -> None:
    async with httpx2.AsyncClient(timeout=30) as http:
        reply = await http.post(f"{url.removesuffix('/v1')}/sandbox/control", json=orders)
        assert reply.status_code == 200, reply.text


async def upload(client: AsyncOpenAI) -> str:
    return (await client.files.create(file=("requests.jsonl", TWENTY), purpose="batch")).id


async def create(client: AsyncOpenAI, file_id: str, label: str = "a") -> Batch:
    return await client.batches.create(
        input_file_id=file_id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"label": label},
    )


async def reach(client: AsyncOpenAI, batch: Batch, *statuses: str) -> Batch:
    for _ in range(1_000):
        batch = await client.batches.retrieve(batch.id)
        if batch.status in statuses:
            break
        await asyncio.sleep(0.01)
    return batch


async def run(client: AsyncOpenAI, *faults: str) -> Batch:
    await control(str(client.base_url).rstrip("/"), faults=list(faults))
    batch = await create(client, await upload(client))
    await control(str(client.base_url).rstrip("/"), finish=True)
    return await client.batches.retrieve(batch.id)


async def raw(client: AsyncOpenAI, file_id: str | None) -> list[bytes]:
    return [] if file_id is None else (await client.files.content(file_id)).content.splitlines()


async def rows(client: AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    return [orjson.loads(row) for row in await raw(client, file_id)]


def choice_of(row: dict[str, Any]) -> dict[str, Any]:
    choice: dict[str, Any] = row["response"]["body"]["choices"][0]
    return choice


async def test_expire(client: AsyncOpenAI) -> None:
    """An expired batch has its finished lines in the output, and the others as batch_expired in the errors."""
    batch = await run(client, "expire=0.3")
    assert (batch.status, batch.expired_at is not None) == ("expired", True)
    good, bad = await rows(client, batch.output_file_id), await rows(client, batch.error_file_id)
    assert {row["custom_id"] for row in good + bad} == set(IDS)
    assert bad
    assert {(row["response"], row["error"]["code"]) for row in bad} == {(None, "batch_expired")}


@pytest.mark.parametrize("status", [0, 400, 429, 500])
async def test_http(client: AsyncOpenAI, status: int) -> None:
    """A line with an HTTP error status is in the error file, with the error's body and no `error`."""
    batch = await run(client, f"http_{status}=word-7")
    (bad,) = await rows(client, batch.error_file_id)
    assert (bad["custom_id"], bad["response"]["status_code"], bad["error"]) == ("word-7", status, None)
    assert bad["response"]["body"]["error"]["message"]
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (19, 1)


async def test_http_for_all_spares_later_batches(client: AsyncOpenAI) -> None:
    """If all requests fail, there is no output file; a fault of earlier batches does not affect later ones."""
    assert (await run(client, "http_500=1")).output_file_id is None
    assert (await run(client, "http_500=1@1")).error_file_id is None


async def test_null_response(client: AsyncOpenAI) -> None:
    """A missing response leaves a line with an error."""
    (bad,) = await rows(client, (await run(client, "null_response=word-3")).error_file_id)
    assert (bad["response"], bad["error"]["code"]) == (None, "server_error")


async def test_refuse(client: AsyncOpenAI) -> None:
    """A model's refusal has status 200 and no content."""
    batch = await run(client, "refuse=1")
    messages = [choice_of(row)["message"] for row in await rows(client, batch.output_file_id)]
    assert len(messages) == 20
    assert all(message["content"] is None and message["refusal"] for message in messages)


async def test_truncate(client: AsyncOpenAI) -> None:
    """A truncated answer has that finish reason and is incomplete."""
    choices = [choice_of(row) for row in await rows(client, (await run(client, "truncate=1")).output_file_id)]
    assert {choice["finish_reason"] for choice in choices} == {"length"}
    for choice in choices:
        with pytest.raises(ValueError, match="JSON"):
            DomainIdentificationResponse.model_validate_json(choice["message"]["content"])


async def test_malformed(client: AsyncOpenAI) -> None:
    """A malformed answer has the finish reason of a complete one and does not fit its schema."""
    for row in await rows(client, (await run(client, "malformed=1")).output_file_id):
        assert choice_of(row)["finish_reason"] == "stop"
        with pytest.raises(ValueError, match="DomainIdentificationResponse"):
            DomainIdentificationResponse.model_validate_json(choice_of(row)["message"]["content"])


async def test_not_json(client: AsyncOpenAI) -> None:
    """A truncated line cannot be parsed; the others can."""
    found = await raw(client, (await run(client, "not_json=word-11")).output_file_id)
    broken = [row for row in found if not row.endswith(b"}")]
    assert (len(found), len(broken)) == (20, 1)


async def test_missing_duplicate_unknown(client: AsyncOpenAI) -> None:
    """Lines are missing, duplicated, or not requested."""
    batch = await run(client, "missing=word-12", "duplicate=word-13", "unknown=word-14")
    names = [row["custom_id"] for row in await rows(client, batch.output_file_id)]
    assert ("word-12" in names, names.count("word-13"), names.count("word-14")) == (False, 2, 1)
    assert len(set(names) - set(IDS)) == 1


async def test_split(client: AsyncOpenAI) -> None:
    """Successes are in both files, each once."""
    batch = await run(client, "split=0.5")
    good, bad = await rows(client, batch.output_file_id), await rows(client, batch.error_file_id)
    assert good
    assert bad
    assert sorted(row["custom_id"] for row in good + bad) == sorted(IDS)
    assert {row["response"]["status_code"] for row in good + bad} == {200}


async def test_fail_batch(client: AsyncOpenAI) -> None:
    """The batch is rejected with the given code."""
    batch = await run(client, "fail_batch=1:billing_hard_limit_reached")
    assert batch.status == "failed"
    assert [error.code for error in batch.errors.data] == ["billing_hard_limit_reached"]  # type: ignore[union-attr]


async def test_token_limit(client: AsyncOpenAI) -> None:
    """A batch that exceeds the queue's limit together with unfinished ones is rejected; alone, it is not."""
    one = await run(client)
    assert one.usage is not None
    await control(str(client.base_url).rstrip("/"), faults=[f"token_limit={one.usage.input_tokens * 3 // 2}"])
    file_id = await upload(client)
    first = await reach(client, await create(client, file_id), "in_progress")
    second = await reach(client, await create(client, file_id), "failed")
    error = second.errors.data[0]  # type: ignore[index, union-attr]
    assert error.code == "token_limit_exceeded"
    assert (error.message or "").startswith("Enqueued token limit reached for gpt-4o-mini")
    await client.batches.cancel(first.id)
    await reach(client, first, "cancelled")
    await reach(client, await create(client, file_id), "in_progress")


async def test_partial_output(client: AsyncOpenAI) -> None:
    """A cancelled batch has its finished requests in the output file, and the others in none."""
    await control(str(client.base_url).rstrip("/"), faults=["partial_output=0.4"])
    batch = await reach(client, await create(client, await upload(client)), "in_progress")
    await client.batches.cancel(batch.id)
    batch = await reach(client, batch, "cancelled")
    assert len(await rows(client, batch.output_file_id)) == 8
    assert batch.error_file_id is None


async def test_cancelled_by_somebody_else(client: AsyncOpenAI) -> None:
    """A batch cancelled by another client has its finished answers."""
    batch = await run(client, "cancel=1", "partial_output=0.25")
    assert (batch.status, batch.cancelled_at is not None) == ("cancelled", True)
    assert len(await rows(client, batch.output_file_id)) == 5
    assert (await run(client, "cancel=1@1")).status == "completed"


async def test_fail_late(client: AsyncOpenAI) -> None:
    """A batch that fails after its start has the reason and its finished requests."""
    batch = await run(client, "fail_late=1:server_error", "partial_output=0.5")
    assert batch.status == "failed"
    assert [error.code for error in batch.errors.data] == ["server_error"]  # type: ignore[union-attr]
    assert len(await rows(client, batch.output_file_id)) == 10


async def test_answer_files_that_are_gone(client: AsyncOpenAI, url: str) -> None:
    """A known batch may have missing answer files; those of other batches exist."""
    gone = await run(client, "content_404=1")
    for file_id in (gone.output_file_id, gone.error_file_id):
        with pytest.raises(openai.NotFoundError):
            await client.files.content(file_id or "none")
    kept = await run(client)
    await control(url, faults=["content_500=1"])
    with pytest.raises(openai.InternalServerError):
        await client.files.content(kept.output_file_id or "")
    assert len(await rows(client, kept.output_file_id)) == 20


async def test_a_batch_that_is_forgotten(client: AsyncOpenAI) -> None:
    """Every poll of the batch returns 404, while another batch is known."""
    with pytest.raises(openai.NotFoundError):
        await run(client, "poll_404=1")
    assert (await run(client, "poll_404=1@1")).status == "completed"


async def test_listings_that_fail(client: AsyncOpenAI, url: str) -> None:
    """The first listings return 500, the next one lists everything."""
    batch = await create(client, await upload(client))
    await control(url, faults=["list_500=1"])
    with pytest.raises(openai.InternalServerError):
        await client.batches.list()
    assert (await client.batches.list()).data[0].id == batch.id


async def test_replies_that_are_cut_in_the_middle(client: AsyncOpenAI, url: str) -> None:
    """A truncated reply to an upload or a creation is unreadable, although the call took effect."""
    before = len((await client.files.list(purpose="batch")).data)
    await control(url, faults=["upload_429=1", "upload_cut=1", "create_cut=1"])
    with pytest.raises(openai.RateLimitError):
        await upload(client)
    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
        await upload(client)
    file_id = await upload(client)
    assert len((await client.files.list(purpose="batch")).data) == before + 2
    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
        await create(client, file_id, "cut-short")
    assert (await client.batches.list(limit=1)).data[0].metadata == {"label": "cut-short"}


async def test_creations_that_fail_after_they_took_effect(client: AsyncOpenAI, url: str) -> None:
    """A 500, a closed connection and a late reply each leave a batch, which is listed."""
    file_id = await upload(client)
    await control(url, faults=["create_500=1"])
    with pytest.raises(openai.InternalServerError):
        await create(client, file_id, "after-500")
    await control(url, faults=["create_drop=1"])
    with pytest.raises(openai.APIConnectionError):
        await create(client, file_id, "after-drop")
    await control(url, faults=["create_hold=6"])
    with pytest.raises(openai.APITimeoutError):
        await create(client.with_options(timeout=2), file_id, "after-hold")
    await control(url, faults=[])
    labels = [(batch.metadata or {})["label"] for batch in (await client.batches.list(limit=3)).data]
    assert labels == ["after-hold", "after-drop", "after-500"]


async def test_a_create_that_is_turned_away_makes_nothing(client: AsyncOpenAI, url: str) -> None:
    """A rate limit creates no batch, and the next creation succeeds."""
    file_id = await upload(client)
    await control(url, faults=["create_429=1"])
    with pytest.raises(openai.RateLimitError):
        await create(client, file_id, "turned-away")
    made = await create(client, file_id, "made")
    assert (await client.batches.list(limit=1)).data[0].id == made.id
    newest = (await client.batches.list(limit=2)).data[1]
    assert newest.metadata != {"label": "turned-away"}


async def test_uploads_that_fail_after_they_took_effect(client: AsyncOpenAI, url: str) -> None:
    """A failed upload has stored its file; the next one succeeds."""
    before = len((await client.files.list(purpose="batch")).data)
    await control(url, faults=["upload_500=1", "upload_drop=1"])
    with pytest.raises(openai.InternalServerError):
        await upload(client)
    with pytest.raises(openai.APIConnectionError):
        await upload(client)
    await upload(client)
    assert len((await client.files.list(purpose="batch")).data) == before + 3


async def test_content_cut(client: AsyncOpenAI) -> None:
    """A truncated download raises, and the next one is complete."""
    batch = await run(client, "content_cut=1")
    assert batch.output_file_id is not None
    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
        await client.files.content(batch.output_file_id)
    assert len(await rows(client, batch.output_file_id)) == 20


async def test_list_lag(client: AsyncOpenAI, url: str) -> None:
    """A new batch can be retrieved immediately, and is listed later."""
    await control(url, faults=["list_lag=3"])
    batch = await create(client, await upload(client))
    assert (await client.batches.retrieve(batch.id)).id == batch.id
    assert batch.id not in [listed.id for listed in (await client.batches.list()).data]
    for _ in range(600):
        if found := (await client.batches.list()).data[0].id == batch.id:
            break
        await asyncio.sleep(0.1)
    assert found


async def test_polls(client: AsyncOpenAI, url: str) -> None:
    """Some polls fail, without effect on the batch."""
    batch = await create(client, await upload(client))
    await control(url, faults=["poll_500=1"])
    with pytest.raises(openai.InternalServerError):
        await client.batches.retrieve(batch.id)
    await control(url, faults=["poll_429=0.5"])
    outcomes = [await poll(client, batch.id) for _ in range(20)]
    assert set(outcomes) == {200, 429}


async def poll(client: AsyncOpenAI, batch_id: str) -> int:
    try:
        await client.batches.retrieve(batch_id)
    except openai.RateLimitError as limited:
        return limited.status_code
    return 200


async def test_quota_and_chat_faults(client: AsyncOpenAI, url: str) -> None:
    """An exhausted quota and a rate limit have different codes; a rate limit has a Retry-After."""
    file_id = await upload(client)
    await control(url, faults=["quota"])
    for attempt in (create(client, file_id), client.chat.completions.create(**BODY)):
        with pytest.raises(openai.RateLimitError) as refused:
            await attempt
        assert refused.value.code == "insufficient_quota"
    await control(url, faults=["chat_429=1"])
    with pytest.raises(openai.RateLimitError) as limited:
        await client.chat.completions.create(**BODY)
    assert limited.value.response.headers["retry-after"] == "1"
    await control(url, faults=["chat_500=1"])
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(**BODY)
    await control(url, faults=["refuse=1"])
    assert (await client.chat.completions.create(**BODY)).choices[0].message.refusal


async def test_lost_replies(client: AsyncOpenAI, url: str) -> None:
    """An immediate reply is dropped, cut, replaced by a page or wrapped, always with status 200."""
    raw = client.chat.completions.with_raw_response
    for fault in ("chat_drop=1", "chat_cut=1"):
        await control(url, faults=[fault])
        with pytest.raises(openai.APIConnectionError):
            await client.chat.completions.create(**BODY)
    await control(url, faults=["chat_page=1"])
    assert (await raw.create(**BODY)).content.startswith(b"<html>")
    await control(url, faults=["chat_wrapped=1"])
    content = (await raw.create(**BODY)).content
    assert (content[:3], content[-4:]) == (b"\xef\xbb\xbf", b" -->")


async def test_faults_are_checked_at_run_time(client: AsyncOpenAI, url: str) -> None:
    """An unknown fault or command is refused, and nothing changes."""
    async with httpx2.AsyncClient() as http:
        for orders in ({"faults": ["rain=1"]}, {"faults": "quota"}, {"sleep": 3}):
            reply = await http.post(f"{url.removesuffix('/v1')}/sandbox/control", json=orders)
            assert reply.status_code == 400
    assert (await client.chat.completions.create(**BODY)).choices
