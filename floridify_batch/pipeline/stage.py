"""The pure stations of a run, from files to files: whatever does them needs neither network nor database.

What a station needs beside its values is the run's `Brief`. What is large stays where it is: lines are handed over as
a path, and as places in the file of that path. The rest are values that can be pickled, of few and large parts, so
that handing them to another process costs little of what the work itself does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from floridify_batch.components.change import Change, Update, Writes, writes_of
from floridify_batch.components.failure import Failure, FailureReason, Unanswered
from floridify_batch.costs.price import Bills, Usage
from floridify_batch.pipeline.chunk import failure_line, parsed_expected
from floridify_batch.pipeline.cleanup import finish
from floridify_batch.pipeline.outcome import Origin, Tally, applied, component_of, parser
from floridify_batch.pipeline.pack import Group, Planned, group, planned
from floridify_batch.pipeline.plan import Brief, left_over, plan
from floridify_batch.pipeline.settlement import AnswerIndex, IndexedBlock, Place, index_block, opened_answers, settle
from floridify_batch.words.entry import Entry

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


class PageToPlan(NamedTuple):
    """Words that are planned together, and the folder in which their lines are to be put down."""

    words: Sequence[WordToPlan]
    folder: str


class PlannedPage(NamedTuple):
    """What became of each word, and the file of their lines."""

    words: Sequence[Planned | Finished]
    piece: str


def plan_words(brief: Brief, page: PageToPlan) -> PlannedPage:
    """What each word is asked, as the lines of a batch file, or how it has ended."""
    # A name of its own for each attempt: whoever was given up for dead may still be writing.
    with NamedTemporaryFile(dir=page.folder, suffix=".jsonl", delete=False) as piece:
        outcomes = (_plan_word(brief, word) for word in page.words)
        words = [planned(each, piece) if isinstance(each, Group) else each for each in outcomes]
    return PlannedPage(words, piece.name)


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
    """A block of whole lines of the so-manieth answer file, and bills with nothing on them."""

    file: int
    path: str
    offset: int
    length: int
    bills: Bills


def index_lines(_: Brief, piece: BlockToIndex) -> tuple[int, IndexedBlock, Bills]:
    """The file, where each line of a block of it stands, and the bills for those with an answer."""
    bills = piece.bills

    def paid(identity: str, usage: Usage) -> None:
        bills.add(component_of(identity), usage)

    return piece.file, index_block(Path(piece.path), piece.offset, piece.length, paid), bills


class PageToSettle(NamedTuple):
    """Words of one batch: what they were asked, where its answers stand, and what is stored of each word.

    `expected` are lines of the chunk's file; to each, `places` has a place in the files of `paths`, or None.
    """

    expected: bytes
    places: Sequence[Place | None]
    paths: Sequence[str]
    entries: Sequence[Sequence[Entry]]
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
    expected = parsed_expected(page.expected)
    places = {each.custom_id: place for each, place in zip(expected, page.places, strict=True) if place}
    with opened_answers(map(Path, page.paths)) as files:
        index = AnswerIndex(files, places)
        outcomes = list(settle(expected, index, parser(brief.by_component(), tally.dropped), page.unanswered))
    changes: list[Change] = []
    failures: list[bytes] = []
    made_of = applied(zip(outcomes, page.entries, strict=True), brief, page.origin)
    for outcome, made in zip(outcomes, made_of, strict=True):
        failed = (*outcome.failures, *made.orphans)
        tally.count(outcome.answers, failed)
        changes += made.changes
        failures += [failure_line(outcome.ordinal, failure) for failure in failed]
    return SettledPage(writes_of(changes), b"".join(failures), tally)
