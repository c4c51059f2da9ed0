"""The sandbox through the real SDK: files, the life cycle of a batch, immediate requests, restarts."""

import asyncio
import io
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import orjson
import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from floridify_batch.components.answer import wire_schema
from floridify_batch.components.synonyms import SynonymGenerationResponse
from floridify_batch.errors import ServiceError, UsageError
from floridify_batch.sandbox.process import SandboxProcess, running_sandbox, serve
from floridify_batch.sandbox.sandbox_settings import SandboxSettings

SCHEMA = wire_schema(SynonymGenerationResponse)
HOUR = 3600.0


def line(custom_id: str, **changes: Any) -> dict[str, Any]:
    body = {
        "model": "gpt-5.4-nano",
        "messages": [{"role": "user", "content": f"Word: {custom_id}\nDefinition: a thing"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "synonyms", "strict": True, "schema": SCHEMA},
        },
    }
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body | changes}


def lines(*items: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(item) + b"\n" for item in items)


FIVE = lines(*(line(f"word-{number}") for number in range(5)))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A sandbox whose time advances only on request."""
    folder = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(folder, seconds=HOUR, validating_seconds=0) as base:
        yield base


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="any", base_url=url, max_retries=0) as client:
        yield client


async def own(client: AsyncOpenAI, path: str, orders: dict[str, Any] | None = None) -> Any:
    async with httpx2.AsyncClient(base_url=str(client.base_url).removesuffix("v1/"), timeout=30) as http:
        reply = await (http.get(f"/sandbox/{path}") if orders is None else http.post(f"/sandbox/{path}", json=orders))
        assert reply.status_code == 200, reply.text
        return reply.json()


async def submit(client: AsyncOpenAI, content: bytes, **more: Any) -> Batch:
    file = await client.files.create(file=("requests.jsonl", content), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more
    )


async def reach(client: AsyncOpenAI, batch: Batch, *statuses: str) -> Batch:
    for _ in range(1_000):
        batch = await client.batches.retrieve(batch.id)
        if batch.status in statuses:
            break
        await asyncio.sleep(0.01)
    return batch


async def finished(client: AsyncOpenAI, content: bytes) -> Batch:
    batch = await submit(client, content)
    await own(client, "control", {"finish": True})
    return await client.batches.retrieve(batch.id)


async def read(client: AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    content = await client.files.content(file_id)
    return [orjson.loads(row) for row in content.content.splitlines()]


async def test_files_are_kept_listed_and_deleted(client: AsyncOpenAI) -> None:
    """A file is returned byte for byte until it is deleted; afterwards it is a 404."""
    lifetime = {"anchor": "created_at", "seconds": 7200}
    file = await client.files.create(file=("a.jsonl", io.BytesIO(FIVE)), purpose="batch", expires_after=lifetime)  # type: ignore[arg-type]
    assert (file.bytes, file.filename, file.expires_at) == (len(FIVE), "a.jsonl", file.created_at + 7200)
    assert (await client.files.content(file.id)).content == FIVE
    assert (await client.files.retrieve(file.id)) == file
    assert file.id in [listed.id for listed in (await client.files.list(purpose="batch")).data]
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.content(file.id)
    assert file.id not in [listed.id for listed in (await client.files.list()).data]


async def test_a_batch_lives_from_validating_to_completed(client: AsyncOpenAI) -> None:
    """Statuses, counts, times, usage and both answer files match the API documentation."""
    refused = line("word-refused", temperature=0.5)
    batch = await submit(client, FIVE + lines(refused), metadata={"label": "run/1/1"})
    assert (batch.status, batch.metadata) == ("validating", {"label": "run/1/1"})
    assert batch.expires_at == batch.created_at + 86_400
    batch = await reach(client, batch, "in_progress")
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.usage, batch.model) == (6, None, "gpt-5.4-nano")
    await own(client, "control", {"finish": True})
    batch = await client.batches.retrieve(batch.id)
    assert batch.status == "completed"
    assert (batch.request_counts.completed, batch.request_counts.failed) == (5, 1)  # type: ignore[union-attr]
    assert batch.completed_at >= batch.finalizing_at >= batch.in_progress_at >= batch.created_at  # type: ignore[operator]
    good, bad = await read(client, batch.output_file_id), await read(client, batch.error_file_id)
    assert {row["custom_id"] for row in good} == {f"word-{number}" for number in range(5)}
    for row in good:
        choice = row["response"]["body"]["choices"][0]
        SynonymGenerationResponse.model_validate_json(choice["message"]["content"])
    usages = [row["response"]["body"]["usage"] for row in good]
    assert batch.usage is not None
    assert batch.usage.input_tokens == sum(usage["prompt_tokens"] for usage in usages)
    assert batch.usage.output_tokens == sum(usage["completion_tokens"] for usage in usages)
    assert [(row["custom_id"], row["response"]["status_code"]) for row in bad] == [("word-refused", 400)]
    assert bad[0]["response"]["body"]["error"]["param"] == "temperature"


async def test_a_batch_in_which_all_failed_has_no_output_file(client: AsyncOpenAI) -> None:
    """A batch whose requests were all refused has only an error file; one without refusals has only an output file."""
    failed = await finished(client, lines(line("a", max_tokens=5), line("b", messages=[])))
    assert (failed.status, failed.output_file_id) == ("completed", None)
    assert len(await read(client, failed.error_file_id)) == 2
    assert (await finished(client, FIVE)).error_file_id is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"{nonsense}\n", "invalid_json_line"),
        (lines(line("a"), line("a")), "duplicate_custom_id"),
        (lines(line("a"), line("b", model="gpt-4o")), "mismatched_model"),
        (lines(line("a", model="llama-9")), "model_not_found"),
        (lines(line("a") | {"url": "/v1/embeddings"}), "url_mismatch"),
        (lines({"method": "POST", "url": "/v1/chat/completions", "body": {}}), "missing_required_parameter"),
        (lines(line("no spaces, please")), "invalid_custom_id"),
        (lines({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}), "missing_required_parameter"),
        (b"".join(b'{"custom_id":"%d","method":"POST","url":"/v1/chat/completions",'
                  b'"body":{"model":"o3"}}\n' % number for number in range(50_001)), "too_many_tasks"),
        (b" " * 200_000_001, "file_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_an_unfit_input_ends_the_batch_as_failed(client: AsyncOpenAI, content: bytes, code: str) -> None:
    """An invalid input file fails the batch at validation, with errors and without files."""
    batch = await reach(client, await submit(client, content), "failed")
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert batch.errors.data[0].code == code
    assert (batch.output_file_id, batch.error_file_id, batch.in_progress_at) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"input_file_id": "file-none"}, 404),
        ({"endpoint": "/v1/embeddings"}, 400),
        ({"completion_window": "1h"}, 400),
        ({"metadata": {f"key{number}": "x" for number in range(17)}}, 400),
        ({"metadata": {"k" * 65: "x"}}, 400),
        ({"metadata": {"k": "x" * 513}}, 400),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, 400),
        ({"extra_body": {"priority": "high"}}, 400),
    ],
)
async def test_an_unfit_order_is_refused_at_once(client: AsyncOpenAI, changes: dict[str, Any], status: int) -> None:
    """An invalid creation creates no batch."""
    file = await client.files.create(file=("a.jsonl", FIVE), purpose="batch")
    before = (await own(client, "stats"))["batches_created"]
    order = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    with pytest.raises(openai.APIStatusError) as refused:
        await client.batches.create(**(order | changes))
    assert refused.value.status_code == status
    assert (await own(client, "stats"))["batches_created"] == before


async def test_listing_pages_newest_first(client: AsyncOpenAI) -> None:
    """Pages follow each other by `after` without gaps or repeats, and the SDK can iterate over them."""
    made = [(await submit(client, FIVE)).id for _ in range(5)][::-1]
    first = await client.batches.list(limit=2)
    assert ([batch.id for batch in first.data], first.has_more) == (made[:2], True)
    second = await client.batches.list(limit=2, after=made[1])
    assert [batch.id for batch in second.data] == made[2:4]
    walked = [batch.id async for batch in client.batches.list(limit=3)]
    assert walked[:5] == made
    assert len(walked) == len(set(walked)) == (await own(client, "stats"))["batches_created"]
    with pytest.raises(openai.BadRequestError):
        await client.batches.list(limit=101)


async def test_cancelling_ends_a_batch_and_an_ended_one_refuses(client: AsyncOpenAI) -> None:
    """A cancellation returns `cancelling`, ends in `cancelled`, is idempotent, and is a 409 after any other end."""
    batch = await reach(client, await submit(client, FIVE), "in_progress")
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    batch = await reach(client, batch, "cancelled")
    assert batch.cancelled_at is not None
    assert (await client.batches.cancel(batch.id)).status == "cancelled"
    done = await finished(client, FIVE)
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel(done.id)


async def test_polls_are_answered_while_a_batch_is_worked_on(client: AsyncOpenAI) -> None:
    """Generating thousands of answers does not block the web server."""
    batch = await reach(client, await submit(client, lines(*(line(f"w-{n}") for n in range(8_000)))), "in_progress")
    finishing = asyncio.create_task(own(client, "control", {"finish": True}))
    slowest, clock = 0.0, asyncio.get_running_loop().time
    while not finishing.done():
        asked = clock()
        await client.batches.retrieve(batch.id)
        slowest = max(slowest, clock() - asked)
    assert (await client.batches.retrieve(batch.id)).status == "completed"
    assert slowest < 0.5


async def test_immediate_answers_are_those_of_the_batch(client: AsyncOpenAI) -> None:
    """A body gets the same content immediately and in a batch, and counts as repeated."""
    asked = line("immediate-1")
    done = await finished(client, lines(asked))
    before = (await own(client, "stats"))["bodies_answered_more_than_once"]
    chat = await client.chat.completions.create(**asked["body"])
    content = chat.choices[0].message.content
    assert content is not None
    SynonymGenerationResponse.model_validate_json(content)
    rows = await read(client, done.output_file_id)
    assert rows[0]["response"]["body"]["choices"][0]["message"]["content"] == content
    assert (await own(client, "stats"))["bodies_answered_more_than_once"] == before + 1


async def test_immediate_requests_are_checked(client: AsyncOpenAI) -> None:
    """Refusals carry OpenAI's status and code, so that the SDK raises its specific errors."""
    body = line("x")["body"]
    with pytest.raises(openai.BadRequestError, match="max_completion_tokens"):
        await client.chat.completions.create(**body, max_tokens=5)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await client.chat.completions.create(**(body | {"model": "someone-9"}))
    loose = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}}
    with pytest.raises(openai.BadRequestError, match="additionalProperties"):
        await client.chat.completions.create(**(body | {"response_format": loose}))


async def test_keys_and_paths_are_checked(url: str, client: AsyncOpenAI) -> None:
    """An invalid key is a 401 and an unknown id or path a 404, each in OpenAI's format."""
    async with AsyncOpenAI(api_key="bad-key", base_url=url, max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.batches.list()
    with pytest.raises(openai.NotFoundError):
        await client.batches.retrieve("batch_none")
    with pytest.raises(openai.NotFoundError, match="models"):
        await client.models.list()


async def test_a_killed_sandbox_resumes(tmp_path: Path) -> None:
    """After kill -9 the next sandbox of the folder has the files and finishes the batches on schedule."""
    settings = SandboxSettings(tmp_path, port=0, validating_seconds=0, running_seconds=1.2)
    first = SandboxProcess.start(settings)
    async with AsyncOpenAI(api_key="any", base_url=first.url, max_retries=0) as client:
        batch = await reach(client, await submit(client, FIVE), "in_progress")
    with pytest.raises(ServiceError, match="Another sandbox serves"):
        SandboxProcess.start(settings)
    first.kill()
    second = SandboxProcess.start(settings)
    async with AsyncOpenAI(api_key="any", base_url=second.url, max_retries=0) as client:
        done = await reach(client, batch, "completed")
        assert done.in_progress_at == batch.in_progress_at
        assert len(await read(client, done.output_file_id)) == 5
    second.stop()
    assert second.process.returncode == 0


def test_a_sandbox_ends_with_its_parent(tmp_path: Path) -> None:
    """The sandbox exits and releases its folder if its parent process is killed."""
    starter = (
        "import sys, time; from pathlib import Path\n"
        "from floridify_batch.sandbox.process import SandboxProcess\n"
        "from floridify_batch.sandbox.sandbox_settings import SandboxSettings\n"
        "print(SandboxProcess.start(SandboxSettings(Path(sys.argv[1]), port=0)).url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starter, tmp_path], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        base = parent.stdout.readline().decode().strip()
        assert httpx2.get(f"{base}/batches").status_code == 401
        parent.send_signal(signal.SIGKILL)
    with pytest.raises(httpx2.TransportError):  # noqa: PT012 - until it is gone, it answers
        for _ in range(200):
            httpx2.get(f"{base}/batches")


def test_a_port_in_use_and_an_unknown_fault_are_refused(url: str, tmp_path: Path) -> None:
    """A used port or an unknown fault raises before the server starts."""
    port = httpx2.URL(url).port
    assert port is not None
    with pytest.raises(UsageError, match="choose another --port"):
        serve(SandboxSettings(tmp_path, port=port))
    with pytest.raises(ServiceError, match='Unknown fault "rain"'):
        SandboxProcess.start(SandboxSettings(tmp_path, port=0, faults=("rain=1",)))
