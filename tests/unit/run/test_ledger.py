"""The ledger: every move that is allowed, and no other."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from floridify_batch.costs.usage import Usage
from floridify_batch.run.ledger import TRANSITIONS, ChunkRecord, ChunkState, IllegalMove, Ledger
from tests.ledgers import record, run_info

S = ChunkState
DIAGRAM = {
    (S.PLANNED, S.SUBMITTING),
    (S.SUBMITTING, S.SUBMITTED),
    (S.SUBMITTING, S.PLANNED),
    (S.SUBMITTING, S.SPLIT),
    (S.PLANNED, S.SPLIT),
    (S.SUBMITTED, S.ANSWERED),
    (S.SUBMITTED, S.PLANNED),
    (S.SUBMITTED, S.SPLIT),
    (S.SUBMITTED, S.LOST),
    (S.ANSWERED, S.STORED),
    (S.ANSWERED, S.SPLIT),
    (S.STORED, S.DONE),
    (S.SPLIT, S.DONE),
    (S.LOST, S.STORED),
}


def ledger(records: Iterable[ChunkRecord] = (), **more: Any) -> Ledger:
    return Ledger(start_time=1.0, run=run_info(), chunks=list(records), **more)


@pytest.mark.parametrize("to", S)
@pytest.mark.parametrize("state", S)
def test_moves(state: ChunkState, to: ChunkState) -> None:
    """A chunk makes the transitions of the diagram; any other raises an error and changes nothing."""
    book = ledger([record(state=state)])
    before = book.model_copy(deep=True)
    if (state, to) in DIAGRAM:
        assert book.move(1, to, batch_id="b").state is to
        assert (book.chunk(1).state, book.chunk(1).batch_id) == (to, "b")
    else:
        with pytest.raises(IllegalMove, match=f"chunk 1 cannot go from {state} to {to}"):
            book.move(1, to, batch_id="b")
        assert book == before


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(S)), max_size=25))
def test_any_moves(moves: list[tuple[int, ChunkState]]) -> None:
    """For any attempted moves, each chunk makes only allowed transitions and affects no other."""
    book = ledger([record(number) for number in (1, 2, 3)])
    for number, to in moves:
        before = list(book.chunks)
        try:
            book.move(number, to)
        except IllegalMove:
            assert book.chunks == before
            continue
        assert (before[number - 1].state, to) in DIAGRAM
        assert [each for each in book.chunks if each.number != number] == [
            each for each in before if each.number != number
        ]


def test_every_state_leads_home() -> None:
    """From every state there is a path to DONE: no chunk can be stuck because of its state."""
    reaches = {S.DONE}
    for _ in S:
        reaches |= {state for state, nexts in TRANSITIONS.items() if nexts & reaches}
    assert reaches == set(S)


def test_numbers_have_no_gaps() -> None:
    """Chunks are numbered from 1 without gaps."""
    book = ledger()
    book.add(record(1))
    for wrong in (0, 1, 3):
        with pytest.raises(IllegalMove):
            book.add(record(wrong))
    assert [each.number for each in book.chunks] == [1]


def test_note() -> None:
    """A record can be updated without a transition."""
    book = ledger([record(), record(2)])
    book.note(2, file_id="file-7")
    assert (book.chunk(2).file_id, book.chunk(2).state, book.chunk(1).file_id) == ("file-7", S.PLANNED, None)


def test_labels() -> None:
    """A resubmission has another label, so that a rejected batch is not taken for it."""
    assert record(7, submission=1).label("r") == "r/0007/1"
    assert record(7, submission=2).label("r") != record(7, submission=1).label("r")


def stored(number: int, **more: Any) -> ChunkRecord:
    facts: dict[str, Any] = {
        "answered": 6,
        "failures": {"expired": 1, "http 500": 1},
        "usage": Usage(input=100, cached=10, output=20),
        "cost": Decimal("0.1"),
    }
    return record(number, S.STORED, **facts | more)


def test_totals() -> None:
    """The figures of a run are the sums over its chunks, with pending requests where no answers have arrived yet."""
    book = ledger([stored(1), stored(2), record(3, S.SUBMITTED)], processed_words=["a"], failed_words={"b": "x"})
    totals = book.totals()
    assert (totals.words, totals.processed, totals.failed, totals.open_words) == (4, 1, 1, 2)
    assert (totals.requests, totals.answered, totals.failed_requests, totals.open_requests) == (24, 12, 4, 8)
    assert (totals.usage, totals.cost) == (Usage(200, 20, 40), Decimal("0.2"))


def test_counts_of_split_chunks() -> None:
    """A split chunk is not counted twice, before or after it is done."""
    done = record(1, S.SPLIT), record(2)
    assert ledger(done).totals().requests == 8
    assert ledger([record(1, S.DONE), record(2)]).totals().requests == 8


def test_an_unknown_price() -> None:
    """If the cost of one chunk is unknown, the total is unknown."""
    assert ledger([stored(1), stored(2, cost=None)]).totals().cost is None
    assert ledger([]).totals().cost == 0


@pytest.mark.parametrize(
    ("processed", "failed", "chunk", "finished"),
    [
        (["a", "b", "c", "d"], {}, S.DONE, True),
        (["a", "b", "c"], {"d": "x"}, S.DONE, True),
        (["a", "b", "c"], {}, S.DONE, False),
        (["a", "b", "c", "d"], {}, S.STORED, False),
    ],
)
def test_finished(processed: list[str], failed: dict[str, str], chunk: ChunkState, finished: bool) -> None:
    """A run is finished when every word is processed or failed and every chunk is done."""
    assert ledger([record(state=chunk)], processed_words=processed, failed_words=failed).finished is finished


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"list_digest": "m"}, ["a different word list"]),
        ({"template_digest": "u"}, []),
        ({"template_digest": "u", "templates": "mine"}, ["different templates"]),
        ({"templates": "mine"}, ["different templates"]),
        ({"counts": {"synonyms": 3}}, ["different counts"]),
        ({"model": "gpt-5-mini"}, ["a different model (gpt-6-luna, not gpt-5-mini)"]),
        ({"language": "fr"}, ["a different language (en, not fr)"]),
        ({"components": ("domain",)}, ["different components (the run: synonyms; this command: domain)"]),
        ({"model": "o3", "list_digest": "m"}, ["a different word list", "a different model (gpt-6-luna, not o3)"]),
        ({"id": "other", "poll_interval": 5.0, "batch_size": 9, "max_attempts": 1, "immediate": True}, []),
        ({"words_file": "moved.txt", "mongo_url": "mongodb://x", "database": "d"}, []),
    ],
)
def test_differences(change: dict[str, Any], message: list[str]) -> None:
    """The settings that make two runs differ are named; concurrency, database, cost limit and mode are not."""
    assert run_info().differences(run_info(**change)) == message


def test_retries_ask_again_about_unknown_words() -> None:
    """`--retry-failed` asks again about words that the model did not know in any batch until then."""
    book = ledger([record(1, S.DONE, batch_id="first"), record(2, S.PLANNED)], failed_words={"a": "no definitions"})
    book.retry({"a": 0})
    assert book.run.settings.reopened == ("first",)


def test_another_pace() -> None:
    """Resuming can change limits of a run; nothing else changes, and it remains the same run."""
    book = ledger()
    before = book.run
    book.change_execution_settings({"poll_interval": 2.5})
    assert book.run.settings.poll_interval == 2.5
    assert book.run.differences(before) == []
    assert book.run.settings.model_copy(update={"poll_interval": before.settings.poll_interval}) == before.settings
