"""The outcome of settled answers: the changes that they make to what is stored.

Pure functions of plain values, the same for a run's chunk and for a recovered batch, in this process or in a worker.
Only the `Brief`, which holds compiled templates, is built where it is used.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any, NamedTuple

from floridify_batch.components.change import Change, Provenance, Writes, writes_of
from floridify_batch.components.failure import Failure, FailureReason, Unanswered
from floridify_batch.components.recipe import Target
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.request import AnswerError, parse_answer
from floridify_batch.pipeline.chunk import failure_line, parsed_expected
from floridify_batch.pipeline.plan import Brief, Question
from floridify_batch.pipeline.settlement import (
    Answered,
    AnswerIndex,
    Parse,
    Place,
    WordOutcome,
    component_of,
    opened_answers,
    settle,
)
from floridify_batch.words.entry import Entry, Stamp, clusters_of, derived_id
from floridify_batch.words.language import language_name

SAMPLES = 5
"""The number of failures of a batch that are shown as examples."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The run and the batch that answers come from, as far as stamps record them. Times are aware UTC.

    `templates` stands for every template's fingerprint where the run's own templates are not available. `late`: the
    answers are stored long after the request, so that any other stored value is newer.
    """

    run: str
    batch_id: str
    created: datetime
    completed: datetime
    model: str
    mode: str
    language: str
    rare_first: bool = False
    templates: str | None = None
    late: bool = False

    def stamp(self, question: Question) -> Stamp:
        """The stamp on every document that an answer of this batch changes."""
        return Stamp(
            derived_id("stamp", self.run, self.batch_id, question.recipe.component),
            self.run,
            self.batch_id,
            self.created,
            self.model,
            self.templates or question.template.fingerprint,
            self.mode,
        )


class Fate(Enum):
    """The fate of a valid answer."""

    FRESH = auto()
    """It is new and is stored."""
    STORED = auto()
    """It is stored already."""
    OUTDATED = auto()
    """A newer value is stored, and is kept."""
    ORPHANED = auto()
    """Its subject no longer exists, or has changed."""


@dataclass(slots=True)
class Applied:
    """The changes by the answers about one word, and the answers without a subject."""

    changes: list[Change] = field(default_factory=list)
    orphans: list[Failure] = field(default_factory=list)
    fates: Counter[Fate] = field(default_factory=Counter)


def applied(page: Iterable[tuple[WordOutcome, Iterable[Entry]]], asked: Brief, origin: Origin) -> list[Applied]:
    """The changes by the answers of each word, given its present entries."""
    frame = _Frame(asked, origin)
    return [_applied(outcome, _targets(entries), frame) for outcome, entries in page]


def parser(questions: Mapping[str, Question], repairs: Counter[str]) -> Parse:
    """A parser for the answers to these questions; `repairs` counts dropped list items and repaired answers."""

    def parse(component: str, body: Mapping[str, Any]) -> Any:
        if component not in questions:
            raise AnswerError(FailureReason.MALFORMED, f"{component} is no component of this run")
        return parse_answer(questions[component].recipe.answer, body, repairs)

    return parse


type _Targets = Mapping[tuple[str, int | None], tuple[Entry, Target]]


class _Frame:
    """The values that all answers of one batch share."""

    def __init__(self, asked: Brief, origin: Origin) -> None:
        self.asked = asked
        self.origin = origin
        self.questions = asked.by_component()
        self.stamps = {component: origin.stamp(question) for component, question in self.questions.items()}
        self._clustering = SynthesisComponent.CLUSTER_DEFINITIONS in self.questions
        self._language_name = language_name(origin.language)

    def provenance(self, answered: Answered, *, replace: bool) -> Provenance:
        """The provenance of one answer."""
        return Provenance(
            answered.custom_id,
            self.stamps[answered.parts.component],
            self.origin.completed,
            answered.usage,
            self.origin.language,
            self._language_name,
            replace,
            clustering=self._clustering,
            rare_first=self.origin.rare_first,
        )


def _applied(outcome: WordOutcome, targets: _Targets, frame: _Frame) -> Applied:
    made = Applied()
    for answered in outcome.answers:
        question = frame.questions[answered.parts.component]
        place = targets.get((answered.parts.document, answered.parts.number))
        misfit = _misfit(question, place, answered)
        if misfit or place is None:
            made.fates[Fate.ORPHANED] += 1
            made.orphans.append(Failure(answered.custom_id, FailureReason.ORPHANED, misfit))
            continue
        fate = _fate(question, *place, frame)
        made.fates[fate] += 1
        change = None if fate is Fate.OUTDATED else _change(question, *place, answered, frame)
        if change is not None:
            made.changes.append(change)
    return made


def _misfit(question: Question, place: tuple[Entry, Target] | None, answered: Answered) -> str:
    """The reason why an answer no longer has a subject; "" if it has one."""
    if place is None:
        return "its subject is no longer in the database"
    if answered.mark and question.request(*place).mark != answered.mark:
        return "the word's definitions have changed since the request, and the answer refers to them by position"
    return ""


def _fate(question: Question, entry: Entry, target: Target, frame: _Frame) -> Fate:
    recipe, stamp, origin = question.recipe, question.recipe.stamp(target), frame.origin
    if stamp is None:
        # It was requested because it was missing; a value that somebody has stored since is theirs.
        taken = origin.late and not recipe.structural and recipe.stored(entry, target)
        return Fate.OUTDATED if taken and not question.replaces(target, frame.asked) else Fate.FRESH
    if stamp.id == frame.stamps[recipe.component].id:
        return Fate.STORED
    return Fate.OUTDATED if stamp.batch_created > origin.created else Fate.FRESH


def _change(question: Question, entry: Entry, target: Target, answered: Answered, frame: _Frame) -> Change | None:
    provenance = frame.provenance(answered, replace=question.replaces(target, frame.asked))
    change: Change | None = question.recipe.change(entry, target, answered.answer, provenance)
    return change


def _targets(entries: Iterable[Entry]) -> _Targets:
    """The possible subjects of answers in these entries, by document and number."""
    targets: dict[tuple[str, int | None], tuple[Entry, Target]] = {}
    for entry in entries:
        targets[entry.id, None] = (entry, entry)
        targets.update({(each.id, None): (entry, each) for each in (*entry.sources, *entry.definitions)})
        targets.update({(entry.id, each.number): (entry, each) for each in clusters_of(entry)})
    return targets


# ── counting ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Tally:
    """Counts of a batch's settled requests."""

    def __init__(self) -> None:
        self.answered = 0
        self.answers: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.samples: list[Failure] = []
        self.repairs: Counter[str] = Counter()

    @property
    def settled(self) -> int:
        """The number of settled requests."""
        return self.answered + self.failures.total()

    def count(self, answers: Sequence[Answered], failures: Sequence[Failure]) -> None:
        """Count a word's requests; an answer that is also among the failures counts as failed."""
        failed = {failure.custom_id for failure in failures}
        usable = [answer.parts.component for answer in answers if answer.custom_id not in failed]
        self.answered += len(usable)
        self.answers.update(usable)
        self.failed.update(component_of(failure.custom_id) for failure in failures)
        self.failures.update(failure.kind for failure in failures)
        self.samples += failures[: SAMPLES - len(self.samples)]

    def add(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        self.answered += other.answered
        self.answers.update(other.answers)
        self.failed.update(other.failed)
        self.failures.update(other.failures)
        self.samples += other.samples[: SAMPLES - len(self.samples)]
        self.repairs.update(other.repairs)


class PageToSettle(NamedTuple):
    """A page of words of one batch: their expected requests, the places of the answers, and the stored entries.

    `expected` are lines of `expected.jsonl`; for each, `places` has its place in the files `paths`, or None.
    """

    expected: bytes
    places: Sequence[Place | None]
    paths: Sequence[str]
    entries: Sequence[Sequence[Entry]]
    unanswered: Unanswered
    origin: Origin


class SettledPage(NamedTuple):
    """The writes of a page of words, the lines of their failures, and the counts of both."""

    writes: Writes
    failures: bytes
    tally: Tally


def settle_words(brief: Brief, page: PageToSettle) -> SettledPage:
    """Settle the requests of a page of words and derive the writes."""
    tally = Tally()
    expected = parsed_expected(page.expected)
    places = {each.custom_id: place for each, place in zip(expected, page.places, strict=True) if place}
    with opened_answers(map(Path, page.paths)) as files:
        index = AnswerIndex(files, places)
        outcomes = list(settle(expected, index, parser(brief.by_component(), tally.repairs), page.unanswered))
    changes: list[Change] = []
    failures: list[bytes] = []
    made_of = applied(zip(outcomes, page.entries, strict=True), brief, page.origin)
    for outcome, made in zip(outcomes, made_of, strict=True):
        failed = (*outcome.failures, *made.orphans)
        tally.count(outcome.answers, failed)
        changes += made.changes
        failures += [failure_line(outcome.ordinal, failure) for failure in failed]
    return SettledPage(writes_of(changes), b"".join(failures), tally)
