"""The library over HTTP: both modes, kills, faults, and every example of its documentation."""

import asyncio
import gc
import re
import signal
import subprocess
import sys
import time
import typing
from collections.abc import AsyncIterator
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import pytest

import floridify_batch
from floridify_batch import (
    AnswerError,
    BatchSynthesisCollector,
    FailureReason,
    InterceptingConnector,
    OpenAIBatches,
    OpenAIConnector,
    assess_definition_cefr,
    enhance_definitions_parallel,
    generate_definitions,
    generate_examples,
)
from floridify_batch.components.recipe import Scope
from floridify_batch.components.registry import RECIPES
from tests.acceptance.command import until
from tests.sandbox import Sandbox, sandbox_at

SECONDS = 0.2
ROOT = Path(__file__).parents[2]
DOCUMENTATION = (ROOT / "docs/library.md").read_text()
EXAMPLES = re.findall(r"^## (.+?)\n.*?```python\n(.*?)```", DOCUMENTATION, re.DOTALL | re.MULTILINE)
OF_DEFINITIONS = {component for component, recipe in RECIPES.items() if recipe.scope is Scope.DEFINITION}

PROGRAM = """
import asyncio, sys
from types import SimpleNamespace
from floridify_batch import OpenAIConnector, enhance_definitions_parallel

async def main():
    ai = OpenAIConnector("any", base_url=sys.argv[1])
    senses = [SimpleNamespace(text=text, part_of_speech="noun") for text in ("a river's side", "a keeper of money")]
    done = await enhance_definitions_parallel(senses, "bank", ai, batch_mode=True, poll_interval=0.1)
    print(len(done.filled), len(done.failed), senses[1].cefr_level)
    await ai.close()

asyncio.run(main())
"""


@pytest.fixture
async def collector(sandbox: Sandbox) -> AsyncIterator[BatchSynthesisCollector]:
    batches = OpenAIBatches("any", base_url=sandbox.url)
    yield BatchSynthesisCollector(batches, poll_interval=0.1)
    await batches.close()


@pytest.fixture
async def immediate(sandbox: Sandbox) -> AsyncIterator[OpenAIConnector]:
    connector = OpenAIConnector("any", base_url=sandbox.url)
    yield connector
    await connector.close()


def sense(text: str) -> SimpleNamespace:
    return SimpleNamespace(text=text, part_of_speech="noun")


async def test_both_modes(sandbox: Sandbox, immediate: OpenAIConnector) -> None:
    """A batch fills definitions with the same values as immediate requests, and is one batch."""
    before = sandbox.stats()["batches_created"]
    at_once, in_batch = ([sense("a feeling"), sense("a cause of it")] for _ in range(2))
    first = await enhance_definitions_parallel(at_once, "joy", immediate, OF_DEFINITIONS)
    second = await enhance_definitions_parallel(
        in_batch, "joy", immediate, OF_DEFINITIONS, batch_mode=True, poll_interval=0.1
    )
    assert first == second
    assert at_once == in_batch
    assert not first.failed
    assert sandbox.stats()["batches_created"] == before + 1


async def test_rounds(sandbox: Sandbox, collector: BatchSynthesisCollector) -> None:
    """Functions with two rounds of requests, the second of several, need two batches together."""
    ai = InterceptingConnector(collector)

    async def shown(word: str) -> list[str]:
        senses = (await generate_definitions(word, ai)).definitions
        asked = [generate_examples(word, sense(each.definition), ai) for each in senses]
        return [sentence for answer in await asyncio.gather(*asked) for sentence in answer.example_sentences]

    before = sandbox.stats()["batches_created"]
    sentences = await collector.gather(*(shown(f"round{number}") for number in range(30)))
    assert all(sentences)
    assert sandbox.stats()["batches_created"] == before + 2
    assert collector.usage.output > 0


async def test_faults(sandbox: Sandbox, collector: BatchSynthesisCollector) -> None:
    """Every failure of a request reaches its own caller, as its reason, and no other caller."""
    ai = InterceptingConnector(collector)
    faults = {
        "http_500=faulta": FailureReason.HTTP,
        "missing=faultb": FailureReason.MISSING,
        "refuse=faultc": FailureReason.REFUSED,
        "truncate=faultd": FailureReason.TRUNCATED,
        "malformed=faulte": FailureReason.MALFORMED,
        "null_response=faultf": FailureReason.HTTP,
        "not_json=faultg": FailureReason.MALFORMED,
    }
    words = [f"fault{letter}" for letter in "abcdefghij"]
    with sandbox.faults(*faults, "duplicate=0.5", "split=0.5", "unknown=0.3"):
        results = await collector.gather(
            *(assess_definition_cefr(sense(f"meaning of {word}"), word, ai) for word in words), return_exceptions=True
        )
    reasons = [result.reason for result in results if isinstance(result, AnswerError)]
    assert reasons == list(faults.values())
    assert not any(isinstance(result, BaseException) for result in results[len(faults) :])


@pytest.mark.parametrize("fault", ["create_500=1", "create_drop=1", "upload_500=1", "content_cut=1", "create_429=1"])
async def test_paid_for_once(sandbox: Sandbox, collector: BatchSynthesisCollector, fault: str) -> None:
    """After any ambiguous reply during a submission, there is exactly one batch."""
    ai = InterceptingConnector(collector)
    before = sandbox.next_batch()
    amount = f"{fault}@{before + 1}" if fault.startswith("create") else fault
    word = fault.partition("=")[0].replace("_", "")
    with sandbox.faults(amount):
        assert await assess_definition_cefr(sense(f"meaning of {word}"), word, ai)
    assert sandbox.stats()["batches_created"] == before + 1


async def test_cancelled(collector: BatchSynthesisCollector) -> None:
    """A cancellation with a batch in flight leaves no task, no open connection and no warning."""
    ai = InterceptingConnector(collector)
    tasks = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await collector.gather(*(assess_definition_cefr(sense(f"c {n}"), f"c{n}", ai) for n in range(200)))
    assert asyncio.all_tasks() == tasks
    gc.collect()


def test_killed(tmp_path: Path) -> None:
    """A program that is killed while it waits finds its batch after a restart: nothing is paid for twice."""
    with sandbox_at(tmp_path, 3600) as sandbox:
        command = [sys.executable, "-W", "error", "-c", PROGRAM, sandbox.url]
        for waiting in (0.1, 3.0):  # just after the creation, and while it waits for the batch that it adopted
            with subprocess.Popen(command, cwd=ROOT) as program:
                until(lambda: sandbox.stats()["batches_created"])
                time.sleep(waiting)
                assert program.poll() is None
                program.send_signal(signal.SIGKILL)
        sandbox.control(finish=True)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        filled, failed, level = done.stdout.split()
        assert (filled, failed) == ("16", "0")
        assert re.fullmatch(r"[ABC][12]", level)
        assert sandbox.stats()["batches_created"] == 1


@pytest.mark.parametrize(("title", "example"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
@pytest.mark.filterwarnings("error")
def test_examples(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mongo_url: str,
    database_name: str,
    title: str,
    example: str,
) -> None:
    """Each documented example of the library runs unchanged, prints output, and raises no warning."""
    program = tmp_path / "example.py"
    program.write_text(example)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.url)
    monkeypatch.setenv("MONGODB_URL", mongo_url)
    monkeypatch.setenv("BATCH_SYNTH_DATABASE", database_name)
    monkeypatch.chdir(tmp_path)
    run_path(str(program), run_name="__main__")
    gc.collect()  # an unclosed connection warns only now
    printed = capsys.readouterr()
    assert printed.err == "", title
    assert printed.out.strip()


def test_examples_are_there() -> None:
    """Every way to use the library has an example."""
    assert len(EXAMPLES) == 9


def test_the_table_of_results_names_fields_of_the_responses() -> None:
    """Each function in the documented table of results exists, and its response has the fields that the table names."""
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+(?:\\\|[^|]+)* \| (response[^|]*) \|$", DOCUMENTATION, re.MULTILINE)
    assert len(rows) >= 15
    for functions, result in rows:
        names = set(re.findall(r"(?:answer\.|`)([a-z_]+)", result.replace("`answer.", "answer.")))
        for function in re.findall(r"`(\w+)`", functions):
            response = typing.get_type_hints(getattr(floridify_batch, function))["return"]
            assert names & response.model_fields.keys(), function
