"""The preflight of a large run, with a real database and a real service."""

from tests.workspace import Workspace

WORDS = [f"word{number}" for number in range(60)]


async def test_before_the_first_batch(workspace: Workspace) -> None:
    """A run of more than 1,000 requests first has one answered immediately; it counts like every other."""
    ended = await workspace.run(WORDS)
    first, *_ = ended.ledger.chunks
    assert (first.preflight, first.requests, first.answered) == (True, 1, 1)
    assert (ended.code, len(ended.ledger.processed_words)) == (0, len(WORDS))
    assert ended.ledger.spent["definitions"].answered == len(WORDS)
    assert set(workspace.database.synthesis_stamps.distinct("mode")) == {"immediate", "batch"}
    assert ended.ledger.preflight_model == ended.ledger.run.settings.model


async def test_switched_off(workspace: Workspace) -> None:
    """With --no-preflight, the first submission is a batch."""
    sent = await workspace.send(WORDS, preflight=False)
    assert [each.preflight for each in sent.ledger.chunks] == [False]
