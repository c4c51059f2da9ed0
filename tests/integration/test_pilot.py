"""The pilot of a run: a sample is processed at once, then the rest in batches; nothing is requested twice."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from floridify_batch.cli import session
from floridify_batch.cli.context import ExitCode
from floridify_batch.cli.pilot import pilot_checkpoint, pilot_spec
from floridify_batch.errors import CheckpointError
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.run_settings import RunSpec
from floridify_batch.words.word_list import ListSource
from tests.documents import add_known
from tests.sandbox import Sandbox
from tests.workspace import Workspace

SIZE = 3


def add_words(workspace: Workspace, name: str) -> list[str]:
    """Store words with a definition each, which no other test requests."""
    words = [f"{name}{letter}word" for letter in "abcdefgh"]
    add_known(workspace.database, *words)
    return words


async def run(
    workspace: Workspace, words: list[str], *, only: bool = False, pilot: int = SIZE, **settings: Any
) -> tuple[int, Checkpoint]:
    """Run the list with a pilot; the exit code and the run's checkpoint."""
    asked = workspace.settings(words, components="synonyms,cefr_level,pronunciation", **settings)
    here = replace(workspace.session_of("words"), pilot=pilot, pilot_only=only)
    return await session.run(asked, here, ListSource((workspace.folder / "words.txt",)), dry_run=False), here.checkpoint


def stamps(workspace: Workspace) -> dict[str, int]:
    """The number of stored answers by mode."""
    found = workspace.database["synthesis_stamps"].aggregate([{"$group": {"_id": "$mode", "number": {"$sum": 1}}}])
    return {each["_id"]: each["number"] for each in found}


async def test_then_the_rest(workspace: Workspace, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """A sample is processed at once and shown with its measured figures; the run takes over its words and its cost."""
    words = add_words(workspace, "then")
    before = sandbox.stats()
    code, checkpoint = await run(workspace, words)
    ledger = checkpoint.load()
    assert code == 0
    assert ledger is not None
    assert sorted(ledger.processed_words) == words
    assert (ledger.carried_words, ledger.run.settings.pilot) == (SIZE, SIZE)
    assert sum(record.words for record in ledger.chunks) == len(words) - SIZE
    after = sandbox.stats()
    assert after["chat_requests"] - before["chat_requests"] == SIZE * 3
    assert after["bodies_answered_more_than_once"] == before["bodies_answered_more_than_once"]
    in_batches = await workspace.billed(record.batch_id or "" for record in ledger.chunks)
    assert ledger.carried_cost > 0
    assert ledger.totals().cost == ledger.carried_cost + in_batches
    assert not pilot_checkpoint(checkpoint).path.exists()
    printed = capsys.readouterr().out
    assert set(stamps(workspace)) == {"immediate", "batch"}
    assert "Pilot · gpt-5.4-nano" in printed
    assert printed.count("Estimate ·") == 2
    assert "With typical output lengths: $" in printed
    assert sum(f"\n{word}" in printed for word in ledger.processed_words[:SIZE]) == SIZE


@pytest.mark.parametrize("force", [False, True])
async def test_alone_and_then_on(workspace: Workspace, sandbox: Sandbox, force: bool) -> None:
    """A pilot alone sends no batch; the same command without --pilot-only goes on from it, and repeats no request."""
    words = add_words(workspace, f"alone{force}".lower())
    code, checkpoint = await run(workspace, words, only=True, force=force)
    assert (code, checkpoint.path.exists()) == (0, False)
    assert set(stamps(workspace)) == {"immediate"}
    before = sandbox.stats()
    code, checkpoint = await run(workspace, words, pilot=SIZE * force, force=force)
    ledger, after = checkpoint.load(), sandbox.stats()
    assert ledger is not None
    assert (code, sorted(ledger.processed_words), ledger.carried_words) == (0, words, SIZE)
    assert after["chat_requests"] == before["chat_requests"]
    assert after["bodies_answered_more_than_once"] == before["bodies_answered_more_than_once"]


@pytest.mark.parametrize("force", [False, True])
async def test_incomplete_words_are_planned_again(workspace: Workspace, sandbox: Sandbox, force: bool) -> None:
    """A word that the pilot left incomplete gets its missing request in a batch, and no other."""
    words = add_words(workspace, f"again{force}".lower())
    with sandbox.faults(f"refuse=1@{sandbox.stats()['chat_requests'] + 1}"):
        code, _ = await run(workspace, words, only=True, force=force)
    assert code == ExitCode.SOME_FAILED
    code, checkpoint = await run(workspace, words, force=force)
    ledger = checkpoint.load()
    assert ledger is not None
    assert (code, sorted(ledger.processed_words), ledger.carried_words) == (0, words, SIZE - 1)
    assert ledger.totals().requests == (len(words) - SIZE) * 3 + 1


async def test_a_pilot_of_other_settings(workspace: Workspace) -> None:
    """An unfinished pilot with other settings is not replaced: its answers are paid for."""
    words = add_words(workspace, "other")
    code, checkpoint = await run(workspace, words, only=True, max_cost=Decimal("0.001"))
    assert code == ExitCode.COST_LIMIT
    assert pilot_checkpoint(checkpoint).path.exists()
    with pytest.raises(CheckpointError, match="a different model"):
        await run(workspace, words, model="gpt-6-luna")


def test_the_sample(workspace: Workspace) -> None:
    """The sample follows from the list; it is requested in the tier flex of OpenAI, where each model has it."""
    words = [f"sample{letter}" for letter in "abcdefgh"]
    for model, tier in {
        "gpt-6-luna": "flex",
        "o4-mini": "flex",
        "gpt-4o-mini": None,
        "gpt-5-chat-latest": None,
    }.items():
        spec = RunSpec.of(workspace.settings(words, model=model, base_url=None), words)
        one, other = (pilot_spec(spec, SIZE, run_id=name) for name in ("one", "other"))
        assert [*one.words] == [*other.words]
        assert set(one.words) < set(words)
        assert len(one.words) == SIZE
        assert (one.info.settings.immediate, one.info.settings.service_tier) == (True, tier)
    assert len(pilot_spec(spec, 100, run_id="all").words) == len(words)
    elsewhere = RunSpec.of(workspace.settings(words, model="gpt-6-luna"), words)
    assert pilot_spec(elsewhere, SIZE, run_id="any").info.settings.service_tier is None
