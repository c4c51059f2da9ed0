"""The pure stations of a run, as functions of values: whatever does them needs neither network nor database.

What a station needs beside its values is the run's `Brief`; values and results can be pickled, and are made of few,
large parts, so that handing them to another process costs little of what the work itself does.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from floridify_batch.applying import Origin, Tally, applied, component_of, parser
from floridify_batch.changes import Change, Update, Writes, writes_of
from floridify_batch.chunks import Expected, Group, failure_line, group
from floridify_batch.failures import Failure, FailureReason
from floridify_batch.finishing import finish
from floridify_batch.planning import Brief, left_over, plan
from floridify_batch.pricing import Bills, Usage
from floridify_batch.results import IndexedBlock, Unanswered, index_block, settle
from floridify_batch.words import Entry

# ── planning ───────────────────────────────────────────────────────────────────────────────────────────────────────


class WordToPlan(NamedTuple):
    """A word of the list with all that its plan follows from.

    `asked`: the ids that its last chunk held; None for a word that comes from the list.
    """

    ordinal: int
    entries: Sequence[Entry]
    failures: Mapping[str, Failure]
    asked: frozenset[str] | None = None


class Finished(NamedTuple):
    """A word for which nothing is left to ask: processed, or failed for a reason; and what tidies it up."""

    ordinal: int
    reason: str | None
    updates: Sequence[Update] = ()


def plan_words(brief: Brief, words: Sequence[WordToPlan]) -> list[Group | Finished]:
    """What each word is asked, as the lines of a batch file, or how it has ended."""
    return [_plan_word(brief, word) for word in words]


def _plan_word(brief: Brief, word: WordToPlan) -> Group | Finished:
    failures = word.failures
    requests = [request for entry in word.entries for request in plan(entry, brief, failures)]
    vanished = {each.custom_id for each in requests if each.attempt == 1} & (word.asked or frozenset())
    if vanished:
        failures = {**failures, **{identity: _vanished(identity) for identity in vanished}}
        requests = [request for entry in word.entries for request in plan(entry, brief, failures)]
    if requests:
        return group(word.ordinal, requests, failures)
    reason = left_over(word.entries, brief, failures)
    tidy = reason is None and word.asked is not None
    return Finished(
        word.ordinal, reason, [update for entry in word.entries for update in finish(entry)] if tidy else ()
    )


def _vanished(identity: str) -> Failure:
    """An answer that was stored and is not found again: to ask for it once more would be to pay for ever."""
    return Failure(identity, FailureReason.ORPHANED, "it was answered and stored, but the database does not show it")


# ── settling ───────────────────────────────────────────────────────────────────────────────────────────────────────


class BlockToIndex(NamedTuple):
    """A block of whole lines of an answer file, with its place there, and bills with nothing on them."""

    offset: int
    block: bytes
    bills: Bills


def index_lines(_: Brief, piece: BlockToIndex) -> tuple[IndexedBlock, Bills]:
    """Where each line of a block stands, and the bills for those with an answer."""
    bills = piece.bills

    def paid(identity: str, usage: Usage) -> None:
        bills.add(component_of(identity), usage)

    return index_block(piece.block, paid), bills


class WordToSettle(NamedTuple):
    """A word with what it was asked, the lines that came back, and what is stored of it."""

    expected: Sequence[Expected]
    lines: Sequence[bytes | None]
    entries: Sequence[Entry]


class PageToSettle(NamedTuple):
    """Words of one batch."""

    words: Sequence[WordToSettle]
    unanswered: Unanswered
    origin: Origin


class SettledPage(NamedTuple):
    """What the answers about some words change, their failures as lines of a file, and both counted."""

    writes: Writes
    failures: bytes
    tally: Tally


def settle_words(brief: Brief, page: PageToSettle) -> SettledPage:
    """What became of every request of some words, and what the answers change."""
    tally = Tally()
    expected = [each for word in page.words for each in word.expected]
    lines = _Lines(page.words)
    outcomes = list(settle(expected, lines, parser(brief.by_component(), tally.dropped), page.unanswered))
    entries = (word.entries for word in page.words)
    changes: list[Change] = []
    failures: list[bytes] = []
    for outcome, made in zip(outcomes, applied(zip(outcomes, entries, strict=True), brief, page.origin), strict=True):
        failed = (*outcome.failures, *made.orphans)
        tally.count(outcome.answers, failed)
        changes += made.changes
        failures += [failure_line(outcome.ordinal, failure) for failure in failed]
    return SettledPage(writes_of(changes), b"".join(failures), tally)


class _Lines:
    """The lines that came with a page, by their ids."""

    def __init__(self, words: Sequence[WordToSettle]) -> None:
        self._lines = {
            each.custom_id: line for word in words for each, line in zip(word.expected, word.lines, strict=True)
        }

    def line(self, identity: str) -> Mapping[str, Any] | None:
        """An id's line, read."""
        line = self._lines[identity]
        parsed: Mapping[str, Any] | None = None if line is None else orjson.loads(line)
        return parsed
