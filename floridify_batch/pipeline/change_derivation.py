"""Derivation of changes: the effects of settled answers on the stored documents.

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

from floridify_batch.components.answer_quality import faulty_items, without_items
from floridify_batch.components.change import (
    Change,
    Collection,
    Provenance,
    Remains,
    SchemaVersion,
    Update,
    Writes,
    writes_of,
)
from floridify_batch.components.document_schema import change_fault
from floridify_batch.components.failure import Failure, FailureReason, Unanswered
from floridify_batch.components.recipe import Recipe, Scope, Target
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.requests import (
    OLDER_PRECONDITION_LENGTH,
    AnswerError,
    component_of,
    parse_answer,
    prompt_digest,
)
from floridify_batch.pipeline.brief import Brief, Question
from floridify_batch.pipeline.chunk import Expected, failure_line
from floridify_batch.pipeline.plan import is_finished_by
from floridify_batch.pipeline.precondition import Precondition, older_prompt
from floridify_batch.pipeline.settlement import Answered, AnswerIndex, Parse, Place, WordOutcome, opened_answers, settle
from floridify_batch.words.entry import Entry, FrequencyScale, Stamp, clusters_of, derived_id, value_of
from floridify_batch.words.language import language_name

SAMPLES = 5
"""The number of failures of a batch that are shown as examples."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The run and the batch of answers, as far as stamps record them. Times are aware UTC.

    `templates` stands for every template's fingerprint where the run's own templates are not available;
    `fingerprints` are those of templates that have changed since, by component. `schema`: the version of Floridify's
    models that reads the database.
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
    schema: SchemaVersion = SchemaVersion.TODAY
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    def stamp(self, question: Question) -> Stamp:
        """The stamp on every document that an answer of this batch changes."""
        return Stamp(
            derived_id("stamp", self.run, self.batch_id, question.recipe.component),
            self.run,
            self.batch_id,
            self.created,
            self.model,
            self.templates or self.fingerprints.get(question.recipe.component, question.template.fingerprint),
            self.mode,
            self._scale if question.recipe.component == SynthesisComponent.FREQUENCY_BAND else None,
        )

    @property
    def _scale(self) -> FrequencyScale:
        return FrequencyScale.RARE_FIRST if self.rare_first else FrequencyScale.COMMON_FIRST


class Disposition(Enum):
    """The disposition of a valid answer."""

    FRESH = auto()
    """It is new and is stored."""
    STORED = auto()
    """It is stored already."""
    NEWER = auto()
    """The answer of a newer batch is stored, and is kept."""
    KEPT = auto()
    """A value was stored since the request, and is kept."""
    CHANGED = auto()
    """Its subject has changed since the request."""
    ORPHANED = auto()
    """Its subject no longer exists, or has changed twice."""
    UNREADABLE = auto()
    """Floridify could not read what it would write."""


@dataclass(slots=True)
class Applied:
    """The changes by the answers about one word, and the failures and remains of answers that are not stored."""

    changes: list[Change] = field(default_factory=list)
    remains: list[Remains] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    dispositions: Counter[Disposition] = field(default_factory=Counter)


def applied(page: Iterable[tuple[WordOutcome, Iterable[Entry]]], asked: Brief, origin: Origin) -> list[Applied]:
    """The changes by the answers of each word, given its present entries."""
    frame = _Frame(asked, origin)
    return [_applied(outcome, _targets(entries), frame) for outcome, entries in page]


def parser(questions: Mapping[str, Question], repairs: Counter[str], language: str) -> Parse:
    """A parser for the answers to these questions; `repairs` counts dropped list items and repaired answers.

    Items that an entry in this `language` has no place for are dropped as well.
    """

    def parse(component: str, body: Mapping[str, Any]) -> Any:
        if component not in questions:
            raise AnswerError(FailureReason.MALFORMED, f"{component} is not a component of this run")
        recipe = questions[component].recipe
        answer = parse_answer(recipe.readable, body, repairs)
        if recipe.ignored is not None and (ignored := recipe.ignored(answer, language)):
            repairs["dropped"] += ignored
        return answer

    return parse


type _Targets = Mapping[tuple[str, int | None], tuple[Entry, Target]]


class _Frame:
    """The values that all answers of one batch share."""

    def __init__(self, asked: Brief, origin: Origin) -> None:
        self.asked = asked
        self.origin = origin
        self.questions = asked.by_component()
        self.stamps = {component: origin.stamp(question) for component, question in self.questions.items()}
        self._language_name = language_name(origin.language)

    def provenance(self, answered: Answered, *, replace: bool) -> Provenance:
        """The provenance of one answer."""
        question = self.questions[answered.parts.component]
        return Provenance(
            answered.custom_id,
            self.stamps[answered.parts.component],
            self.origin.completed,
            answered.usage,
            self.origin.language,
            self._language_name,
            replace,
            self.asked.replace_edited,
            rare_first=self.origin.rare_first,
            first_number=question.template.first_number,
            temperature=question.envelope.sampled_at,
            schema=self.origin.schema,
        )


def _applied(outcome: WordOutcome, targets: _Targets, frame: _Frame) -> Applied:
    made = Applied()
    for answered in outcome.answers:
        question = frame.questions[answered.parts.component]
        place = targets.get((answered.parts.document, answered.parts.number))
        disposition = _disposition(question, *place, answered, frame) if place else Disposition.ORPHANED
        change, checked, fault = None, answered, ""
        if place and disposition is Disposition.FRESH:
            checked, fault = _checked(answered, place[0], frame)
        if place and not fault and disposition in (Disposition.FRESH, Disposition.STORED):
            change = _change(question, *place, checked, frame)
            change = change and _as_read(change, place[0], targets)
        if fault := fault or (change_fault(change, frame.origin.schema) if change else ""):
            disposition = Disposition.UNREADABLE
            made.failures.append(Failure(answered.custom_id, FailureReason.MALFORMED, fault, answered.attempt))
        elif disposition in _UNSTORED:
            made.failures.append(_unstored(answered, disposition, gone=place is None))
            if remains := question.recipe.remains(frame.provenance(answered, replace=False)):
                made.remains.append(remains)
        elif change:
            made.changes.append(change)
        made.dispositions[disposition] += 1
    return made


def _checked(answered: Answered, entry: Entry, frame: _Frame) -> tuple[Answered, str]:
    """An answer without the items that a sure check refuses, and "", or the fault because of which it is refused.

    The first answer is refused for any such item, so that the request is retried once; later ones, if nothing is left.
    """
    component = answered.parts.component
    instructions = frame.questions[component].envelope.instructions
    faults = faulty_items(component, answered.answer, entry.word.text, frame.origin.language, instructions)
    if not faults:
        return answered, ""
    whole = answered.attempt > 1 or frame.asked.max_attempts == 1
    kept = without_items(component, answered.answer, faults) if whole else None
    if kept is None:
        return answered, next(iter(faults.values()))
    return answered._replace(answer=kept), ""


_UNSTORED = {
    Disposition.NEWER: (FailureReason.KEPT, "the answer of a newer batch was kept"),
    Disposition.KEPT: (FailureReason.KEPT, "a value that was stored since the request was kept"),
    Disposition.CHANGED: (FailureReason.OUTDATED, "its subject has changed since the request"),
    Disposition.ORPHANED: (FailureReason.ORPHANED, "its subject changed twice while its requests were in flight"),
}
"""The failures of valid answers that are not stored."""


def _unstored(answered: Answered, disposition: Disposition, *, gone: bool) -> Failure:
    """The failure of an answer that is not stored. One that is outdated does not count as an attempt."""
    reason, detail = _UNSTORED[disposition]
    detail = "its subject is no longer in the database" if gone else detail
    attempt = answered.attempt - (reason is FailureReason.OUTDATED)
    return Failure(answered.custom_id, reason, detail, attempt)


def _disposition(question: Question, entry: Entry, target: Target, answered: Answered, frame: _Frame) -> Disposition:
    recipe, stamp, ours = question.recipe, question.recipe.stamp(target), frame.stamps[question.recipe.component]
    if stamp is not None and stamp.id == ours.id:
        return Disposition.STORED
    if stamp is not None and stamp.batch_created > frame.origin.created:
        return Disposition.NEWER
    if _is_half_stored(recipe, entry, target, ours):
        return Disposition.FRESH
    if recipe.structural and _is_filled(question, entry, target, frame.asked):
        return Disposition.KEPT
    return _judged(question, entry, target, answered, frame)


def _judged(question: Question, entry: Entry, target: Target, answered: Answered, frame: _Frame) -> Disposition:
    """The disposition of an answer, by whether its precondition still holds."""
    if answered.precondition == str(Precondition.of(question.recipe, entry, target)):
        return Disposition.FRESH
    if _has_changed(question, entry, target, answered):
        return Disposition.ORPHANED if Precondition.read(answered.precondition).again else Disposition.CHANGED
    return Disposition.KEPT if _is_taken(question, entry, target, answered, frame) else Disposition.FRESH


def _is_half_stored(recipe: Recipe[Any, Any], entry: Entry, target: Target, ours: Stamp) -> bool:
    """Whether a process died before it stamped the word: other documents that the answer changes are stamped."""
    half = [entry.entry_stamps.get(recipe.stamped(target))]
    if recipe.numbered:
        half += [each.stamps.get(recipe.component) for each in entry.sources]
    return any(each is not None and each.id == ours.id for each in half)


def _is_filled(question: Question, entry: Entry, target: Target, asked: Brief) -> bool:
    """Whether definitions or clusters exist by now, which the answer would duplicate."""
    recipe = question.recipe
    if recipe.scope is Scope.CLUSTER:
        return not question.missing(entry, target, asked)
    return recipe.stored(entry, target) or (recipe.numbered and not any(True for _ in recipe.targets(entry)))


def _has_changed(question: Question, entry: Entry, target: Target, answered: Answered) -> bool:
    """Whether the subject of an answer has changed since the request, according to its precondition."""
    if len(answered.precondition) == OLDER_PRECONDITION_LENGTH:  # an earlier version's, or recovered
        prompts = (question.request(entry, target).prompt, older_prompt(question.recipe, entry, target))
        return answered.precondition not in map(prompt_digest, prompts)
    return (
        bool(answered.precondition)
        and Precondition.read(answered.precondition).subject != Precondition.of(question.recipe, entry, target).subject
    )


def _is_taken(question: Question, entry: Entry, target: Target, answered: Answered, frame: _Frame) -> bool:
    """Whether another value was stored in the answer's place since the request.

    Without the digest of a value, the place was empty, unless the run renews answers.
    """
    if question.recipe.structural:
        return False
    before = Precondition.read(answered.precondition).value
    if before and len(answered.precondition) != OLDER_PRECONDITION_LENGTH:
        return before != Precondition.of(question.recipe, entry, target).value
    replaced = question.replaces(target, frame.asked) and not question.keeps(target, frame.asked)
    return bool(question.recipe.stored(entry, target)) and not replaced


def _change(question: Question, entry: Entry, target: Target, answered: Answered, frame: _Frame) -> Change | None:
    provenance = frame.provenance(answered, replace=question.replaces(target, frame.asked))
    change: Change | None = question.recipe.change(entry, target, answered.answer, provenance)
    return change


_SUBJECT = ("part_of_speech", "text")


def _as_read(change: Change, entry: Entry, targets: _Targets) -> Change:
    """A change whose updates know the values that they replace, and the text of the definition."""

    def as_read(update: Update) -> Update:
        if not update.fields or update.collection not in (Collection.DEFINITIONS, Collection.ENTRIES):
            return update
        place = targets.get((update.id, None))
        read = entry if place is None else place[1]
        names = (*update.fields, *(_SUBJECT if update.collection == Collection.DEFINITIONS else ()))
        return update._replace(before={name: value_of(read, name) for name in names})

    return change._replace(target=as_read(change.target), updates=tuple(map(as_read, change.updates)))


def _targets(entries: Iterable[Entry]) -> _Targets:
    """The possible subjects of answers in these entries, by document and number; none of a word without a document.

    A word has one before its first request: somebody has deleted or renamed it since, even if its next id is the same.
    """
    targets: dict[tuple[str, int | None], tuple[Entry, Target]] = {}
    for entry in entries:
        if not entry.word.stored:
            continue
        targets[entry.id, None] = (entry, entry)
        for each in (*entry.sources, *entry.definitions):
            targets[each.id, None] = (entry, each)
            if each.copied is not None:  # requests of earlier versions name the source
                targets[each.copied.source, None] = (entry, each)
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

    For each expected request, `places` has the place of its answer in the files `paths`, or None.
    """

    expected: Sequence[Expected]
    places: Sequence[Place | None]
    paths: Sequence[str]
    entries: Sequence[Sequence[Entry]]
    unanswered: Unanswered
    origin: Origin


class SettledPage(NamedTuple):
    """The writes of a page of words, the lines of their failures, and the counts of both.

    `finished`: the words that need no further plan once the writes are applied.
    """

    writes: Writes
    failures: bytes
    tally: Tally
    finished: Sequence[int] = ()


def settle_words(brief: Brief, page: PageToSettle) -> SettledPage:
    """Settle the requests of a page of words and derive the writes."""
    tally = Tally()
    places = {each.line_id: place for each, place in zip(page.expected, page.places, strict=True) if place}
    with opened_answers(map(Path, page.paths)) as files:
        index = AnswerIndex(files, places)
        outcomes = list(
            settle(
                page.expected, index, parser(brief.by_component(), tally.repairs, page.origin.language), page.unanswered
            )
        )
    changes: list[Change] = []
    remains: list[Remains] = []
    failures: list[bytes] = []
    finished: list[int] = []
    made_of = applied(zip(outcomes, page.entries, strict=True), brief, page.origin)
    for outcome, made, entries in zip(outcomes, made_of, page.entries, strict=True):
        failed = (*outcome.failures, *made.failures)
        tally.count(outcome.answers, failed)
        changes += made.changes
        remains += made.remains
        failures += [failure_line(outcome.ordinal, failure) for failure in failed]
        answered = {(each.parts.document, each.parts.component) for each in outcome.answers}
        if len(made.changes) == len(outcome.answers) and not failed and is_finished_by(answered, entries, brief):
            finished.append(outcome.ordinal)
    return SettledPage(writes_of(changes, remains), b"".join(failures), tally, finished)
