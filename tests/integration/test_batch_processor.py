"""The class over batches, used over HTTP as existing programs use it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, override

import pytest
from openai import AsyncOpenAI
from pymongo.database import Database

from floridify_batch import (
    BatchSynthesisProcessor,
    FailureReason,
    OpenAIBatches,
    OpenAIConnector,
    SynthesisBatchProcessor,
    UnknownBatch,
    UsageError,
)
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES
from floridify_batch.components.requests import parse_custom_id
from floridify_batch.providers.interface import TERMINAL, BatchJob, Submission
from floridify_batch.sandbox.process import running_sandbox
from tests.acceptance.command import until
from tests.sandbox import Sandbox

OF_DEFINITIONS = {str(component) for component, recipe in RECIPES.items() if recipe.scope is Scope.DEFINITION}
LEVEL = {"cefr_level"}
PAGE = b"<html>\n<body>Maintenance</body>\n</html>\n"


class Watched(OpenAIBatches):
    """The sandbox's batches, with the unfinished ones at each creation."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__("any", base_url=sandbox.url)
        self._sandbox = sandbox
        self.going: list[int] = []

    @override
    async def create(self, submission: Submission) -> BatchJob:
        """Create a batch."""
        self.going.append(sum(batch["status"] not in TERMINAL for batch in self._sandbox.stats()["batches"]))
        return await super().create(submission)


class BehindAGateway(OpenAIBatches):
    """The sandbox's batches behind a proxy that replaces the first answers by a page."""

    pages = 1

    @override
    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Download the answers, or a page."""
        await super().answers(job, output, errors)
        if self.pages:
            self.pages -= 1
            output.write_bytes(PAGE)  # noqa: ASYNC240  nobody waits for a line


@pytest.fixture
async def ai(sandbox: Sandbox) -> AsyncIterator[OpenAIConnector]:
    """A connector to the module's sandbox."""
    connector = OpenAIConnector("any", base_url=sandbox.url)
    yield connector
    await connector.close()


@pytest.fixture
async def processor(ai: OpenAIConnector) -> AsyncIterator[SynthesisBatchProcessor]:
    """A processor with that connector."""
    processor = SynthesisBatchProcessor(ai, poll_interval=0.1)
    yield processor
    await processor.close()


def sense(text: str, **fields: object) -> SimpleNamespace:
    """A caller's definition."""
    return SimpleNamespace(text=text, part_of_speech="noun", **fields)


def newest(sandbox: Sandbox) -> str:
    """Return the ID of the latest batch."""
    identity: str = sandbox.stats()["batches"][-1]["id"]
    return identity


def sizes(sandbox: Sandbox, since: int) -> list[int]:
    """Return the sizes of the batches after the first ones."""
    return [batch["counts"]["total"] for batch in sandbox.stats()["batches"][since:]]


async def test_a_word(sandbox: Sandbox, ai: OpenAIConnector) -> None:
    """A word's definitions are filled in place by one batch, also with the class's other name; existing values stay."""
    processor, before = BatchSynthesisProcessor(ai, poll_interval=0.1), sandbox.next_batch()
    definitions = [sense("a river's side"), sense("a keeper of money", synonyms=["lender"])]
    done = await processor.process_definitions(definitions, "bank", {"synonyms", "cefr_level"})
    assert (len(done.filled), done.failed) == (3, ())
    assert definitions[0].synonyms
    assert definitions[1].synonyms == ["lender"]
    assert all(each.cefr_level in {"A1", "A2", "B1", "B2", "C1", "C2"} for each in definitions)
    assert sizes(sandbox, before) == [3]
    again = await processor.process_definitions(definitions, "bank", {"synonyms", "cefr_level"})
    assert (again.filled, again.failed, sandbox.next_batch()) == ((), (), before + 1)
    await processor.close()


async def test_many_words(sandbox: Sandbox, ai: OpenAIConnector) -> None:
    """A list is processed in batches of a fixed number of words, and the outcome of each word is returned in order."""
    batches, before = Watched(sandbox), sandbox.next_batch()
    processor = SynthesisBatchProcessor(ai, batches=batches, poll_interval=0.1)
    words = [(f"manyword{number}", [sense(f"sense {number}")]) for number in range(5)]
    with sandbox.faults("refuse=manyword3"):
        done = await processor.process_words_batch(words, {"synonyms", "cefr_level"}, 2)
    assert [(len(each.filled), len(each.failed)) for each in done] == [(2, 0), (2, 0), (2, 0), (0, 2), (2, 0)]
    assert {each.reason for each in done[3].failed} == {FailureReason.REFUSED}
    assert [hasattr(definitions[0], "cefr_level") for _, definitions in words] == [True, True, True, False, True]
    assert sizes(sandbox, before) == [4, 4, 2]
    assert batches.going == [0, 0, 0]
    await processor.close()


async def test_a_word_that_is_there_twice(sandbox: Sandbox, processor: SynthesisBatchProcessor) -> None:
    """A repeated word is refused before any cost; homographs are different words."""
    before = sandbox.next_batch()
    twice = [("row", [sense("a line")]), ("oar", [sense("a tool")]), ("row", [sense("a line")])]
    with pytest.raises(UsageError, match="row appears twice"):
        await processor.process_words_batch(twice, LEVEL)
    assert sandbox.next_batch() == before
    homographs = [("row", [sense("a line")]), ("row", [sense("a quarrel")])]
    done = await processor.process_words_batch(homographs, LEVEL)
    assert [len(each.filled) for each in done] == [1, 1]
    assert sizes(sandbox, before) == [2]


async def test_how_a_batch_stands(tmp_path: Path) -> None:
    """A batch in progress has no results; a finished one has every answer in its component's type.

    A batch does not state its language, so the types are those of any language.
    """
    with running_sandbox(tmp_path, seconds=3600, validating_seconds=0) as url:
        sandbox, ai = Sandbox(url), OpenAIConnector("any", base_url=url)
        processor = SynthesisBatchProcessor(ai, poll_interval=0.1)
        filling = asyncio.create_task(processor.process_definitions([sense("a quarrel")], "row", OF_DEFINITIONS))
        await asyncio.to_thread(until, sandbox.next_batch)
        going = await processor.check_batch_status(newest(sandbox))
        early = await processor.process_batch_results(going.id)
        assert (going.terminal, going.output_file_id, early.answers, early.failures) == (False, None, {}, ())
        sandbox.control(finish=True)
        filled = (await filling).filled
        ended = await processor.check_batch_status(going.id)
        assert (ended.status, ended.done, ended.total) == ("completed", len(OF_DEFINITIONS), len(OF_DEFINITIONS))
        results = await processor.process_batch_results(ended.id, ended.output_file_id)
        parts = {parse_custom_id(custom_id): answer for custom_id, answer in results.answers.items()}
        held = {part.component: answer for part, answer in parts.items() if part}
        given = {str(each.component): each.answer.model_dump() for each in filled}
        assert {component: answer.model_dump() for component, answer in held.items()} == given
        types = {recipe.component: recipe.answer for recipe in RECIPES.values()}
        assert {component: type(answer) for component, answer in held.items()} == {each: types[each] for each in given}
        assert results.failures == ()
        await processor.close()
        await ai.close()


async def test_what_has_no_usable_answer(sandbox: Sandbox, processor: SynthesisBatchProcessor) -> None:
    """The results of a batch distinguish usable answers and failures with their reasons."""
    faults = {
        "http_500=heldworda": FailureReason.HTTP,
        "refuse=heldwordb": FailureReason.REFUSED,
        "truncate=heldwordc": FailureReason.TRUNCATED,
        "malformed=heldwordd": FailureReason.MALFORMED,
        "null_response=heldworde": FailureReason.HTTP,
    }
    with sandbox.faults(*faults, "missing=heldwordf"):
        words = [(f"heldword{letter}", [sense(f"sense {letter}")]) for letter in "abcdefgh"]
        await processor.process_words_batch(words, LEVEL)
    results = await processor.process_batch_results(newest(sandbox))
    reasons = {failure.custom_id.partition("-")[0]: failure.reason for failure in results.failures}
    assert reasons == {fault.partition("=")[2]: reason for fault, reason in faults.items()}
    assert {custom_id.partition("-")[0] for custom_id in results.answers} == {"heldwordg", "heldwordh"}


async def test_another_file(sandbox: Sandbox, processor: SynthesisBatchProcessor) -> None:
    """A named file's answers are read instead of the batch's own."""
    identities = []
    for word in ("ownfile", "otherfile"):
        await processor.process_definitions([sense(f"sense of {word}")], word, LEVEL)
        identities.append(newest(sandbox))
    other = await processor.check_batch_status(identities[1])
    results = await processor.process_batch_results(identities[0], other.output_file_id)
    assert [custom_id.partition("-")[0] for custom_id in results.answers] == ["otherfile"]


async def test_unknown(sandbox: Sandbox, processor: SynthesisBatchProcessor) -> None:
    """An unknown batch, or one without files, raises `UnknownBatch`."""
    await processor.process_definitions([sense("a thing")], "goneword", LEVEL)
    batch = newest(sandbox)
    with pytest.raises(UnknownBatch):
        await processor.check_batch_status("batch_of_nobody")
    with pytest.raises(UnknownBatch):
        await processor.process_batch_results("batch_of_nobody")
    with pytest.raises(UnknownBatch):
        await processor.process_batch_results(batch, "file-of-nobody")
    async with AsyncOpenAI(api_key="any", base_url=sandbox.url) as client:
        await client.files.delete((await processor.check_batch_status(batch)).output_file_id or "")
    with pytest.raises(UnknownBatch):
        await processor.process_batch_results(batch)


async def test_something_in_between(sandbox: Sandbox, ai: OpenAIConnector) -> None:
    """A page instead of a batch's answers is not taken for a batch without answers."""
    processor = SynthesisBatchProcessor(ai, poll_interval=0.1)
    await processor.process_definitions([sense("a door")], "gateword", LEVEL)
    await processor.close()
    behind = SynthesisBatchProcessor(ai, batches=BehindAGateway("any", base_url=sandbox.url))
    results = await behind.process_batch_results(newest(sandbox))
    assert (len(results.answers), results.failures) == (1, ())
    await behind.close()


async def test_the_database_of_a_list(
    sandbox: Sandbox,
    ai: OpenAIConnector,
    database: Database[dict[str, Any]],
    mongo_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A whole list needs a database: that of the connector, or an error that names the ways to give one."""
    for name in ("MONGODB_URL", "BATCH_SYNTH_MONGO_URL", "BATCH_SYNTH_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    before = len(sandbox.stats()["batches"])
    processor = SynthesisBatchProcessor(ai)
    checkpoint = tmp_path / "list.checkpoint.json"
    with pytest.raises(UsageError, match=r"pass store=MongoStore\(url, name\) .* or set MONGODB_URL"):
        await processor.run_full_batch_synthesis(["bank"], components=LEVEL, checkpoint=checkpoint)
    assert (len(sandbox.stats()["batches"]), checkpoint.exists()) == (before, False)
    named: Any = ai
    named.mongo_url, named.database = mongo_url, database.name
    totals = await processor.run_full_batch_synthesis(["bank"], 0.1, components=LEVEL, checkpoint=checkpoint)
    await processor.close()
    assert (totals.processed, database.words.count_documents({"text": "bank"})) == (1, 1)
