"""The plan: the requests that a word needs, as a function of what is stored.

Nothing else decides what is requested. There is no list of waves: a word is planned again once its answers are stored,
and the components that depend on them have become ready. A finished word is tidied up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from floridify_batch.components.change import Collection, Update, value_digest
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.recipe import Recipe, Scope, Target, ValueState, is_defined
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.requests import CustomId, Envelope, SynthesisRequest, custom_id
from floridify_batch.components.template import Template, load_template
from floridify_batch.pipeline.chunk import Group, Planned, group, planned
from floridify_batch.pipeline.precondition import Precondition
from floridify_batch.words.entry import Definition, DocId, Entry, Stamp, order_of

_OF_PEOPLE = frozenset({ValueState.EDITED, ValueState.UNRECORDED})


@dataclass(frozen=True, slots=True)
class Question:
    """A component's recipe in one run, with its template and the envelope that its requests share."""

    recipe: Recipe[Any, Any]
    template: Template
    envelope: Envelope[Any]
    count: int = 0

    def with_options(self, options: Mapping[str, Any]) -> "Question":
        """The question with other fields in the bodies of its requests."""
        return replace(self, envelope=replace(self.envelope, options=options))

    def identity(self, entry: Entry, target: Target) -> CustomId:
        """The custom id of the request about a target."""
        return custom_id(entry.word.text, target.id, self.recipe.component, self.recipe.number(target))

    def missing(self, entry: Entry, target: Target, asked: "Brief") -> bool:
        """Whether the target needs an answer: nothing is stored, or a run with --force or --stale regenerates it.

        Components that others depend on are never renewed: stored definitions stay. Where they found nothing ("no such
        word"), they are.
        """
        if self.recipe.scope is Scope.CLUSTER:  # numbers shift with the sources, stored texts do not
            return not self.recipe.stored(entry, target)
        stamp = self.recipe.stamp(target)
        if not self.recipe.structural and (asked.forced_run is not None or (asked.stale and stamp is not None)):
            return self.renews(target, asked) and not self.keeps(target, asked)
        if self.recipe.stored(entry, target):
            return False
        return stamp is None or (self.recipe.structural and self._retries_empty(stamp, asked))

    def renews(self, target: Target, asked: "Brief") -> bool:
        """Whether the run regenerates the component's value unless that stays for its author's sake."""
        stamp = self.recipe.stamp(target)
        if self.recipe.structural or self.recipe.scope is Scope.CLUSTER:
            return False
        if asked.forced_run is not None:
            return stamp is None or stamp.run != asked.forced_run
        return asked.stale and stamp is not None and stamp.run != asked.run and self.is_stale(stamp)

    def keeps(self, target: Target, asked: "Brief") -> bool:
        """Whether the stored value stays though the run regenerates values: a person wrote it, or may have."""
        return not asked.replace_edited and self.recipe.state(target) in _OF_PEOPLE

    def _retries_empty(self, stamp: Stamp, asked: "Brief") -> bool:
        """Whether an answer that found nothing is requested again."""
        if asked.forced_run is not None:
            return stamp.run != asked.forced_run
        if asked.stale and stamp.run != asked.run and self.is_stale(stamp):
            return True
        return asked.reopened is not None and (stamp.run != asked.run or stamp.batch_id in asked.reopened)

    def replaces(self, target: Target, asked: "Brief") -> bool:
        """Whether an answer replaces the stored value instead of adding to it.

        Given the answer's own stamp, the result is the same as before it was stored.
        """
        return asked.forced_run is not None or (asked.stale and self.recipe.stamp(target) is not None)

    def is_stale(self, stamp: Stamp) -> bool:
        """Whether an answer was generated with another template or by another model."""
        return stamp.template != self.template.fingerprint or stamp.model != self.envelope.model

    def request(
        self, entry: Entry, target: Target, failure: Failure | None = None, *, replacing: bool = False
    ) -> SynthesisRequest[Any]:
        """The request about a target; after a failure, its next attempt."""
        identity = self.identity(entry, target)
        given = self.recipe.given(entry, target, replacing=replacing)
        if fewer := given.get("fewer"):  # a count that the user gave is what they get
            given |= {"count": fewer} if self.count == self.recipe.count else {"fewer": 0}
        prompt = self.template.render(given)
        again = failure is not None and failure.reason is FailureReason.OUTDATED
        precondition = str(Precondition.of(self.recipe, entry, target, again=again))
        attempt, doublings = (failure.attempt + 1, failure.next_cap_doublings) if failure else (1, 0)
        return SynthesisRequest(identity, self.envelope, prompt, attempt, doublings, precondition)


@dataclass(frozen=True, slots=True)
class Brief:
    """The specification of a run: its questions, and which stored answers it renews.

    `forced_run`: renew every answer that is not of this run; `stale`: renew answers of other templates or models.
    An answer of this `run` is never stale, though its model or its templates may have changed between sessions.
    `reopened`: with --retry-failed, answers that found nothing are requested again if they are of another run or of
    these batches. `replace_edited`: renew values that people have edited, too.
    """

    questions: tuple[Question, ...]
    max_attempts: int = 3
    forced_run: str | None = None
    stale: bool = False
    run: str | None = None
    reopened: frozenset[str] | None = None
    replace_edited: bool = False

    def with_options(self, options: Mapping[str, Any]) -> "Brief":
        """The specification with other fields in the bodies of its requests."""
        return replace(self, questions=tuple(each.with_options(options) for each in self.questions))

    def by_component(self) -> dict[str, Question]:
        """The questions by component name."""
        return {question.recipe.component: question for question in self.questions}

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each component's template."""
        return {str(each.recipe.component): each.template.fingerprint for each in self.questions}

    @property
    def template_digest(self) -> str:
        """A digest of all templates in use."""
        fingerprints = (f"{component}={fingerprint}" for component, fingerprint in self.fingerprints.items())
        return blake2b("\n".join(fingerprints).encode(), digest_size=8).hexdigest()


def brief(
    components: Iterable[SynthesisComponent],
    *,
    model: str,
    language_name: str,
    gloss_language: str | None = None,
    counts: Mapping[str, int] | None = None,
    templates: Path | None = None,
) -> Brief:
    """The specification for these components, in the order of their dependencies. Raises `UsageError` for a template.

    `gloss_language` names the language of definitions and notes, if it is not that of the words.

    Definitions are always included, since all else depends on them. Clusters and their texts include each other: one
    without the other would leave an incomplete entry.
    """
    chosen = {SynthesisComponent.DEFINITIONS, *components}
    if chosen & _TOGETHER:
        chosen |= _TOGETHER
    # No `previous_words`: a request must not depend on the requests before it.
    names = {"language": language_name, "language_name": language_name, "previous_words": ()}
    constants = names | {"gloss_language": gloss_language or language_name}
    questions = (
        _question(recipe, model, constants | {"count": (counts or {}).get(component, recipe.count)}, templates)
        for component, recipe in RECIPES.items()
        if component in chosen
    )
    return Brief(tuple(questions))


_TOGETHER = frozenset({SynthesisComponent.CLUSTER_DEFINITIONS, SynthesisComponent.DEFINITION_TEXT})


def _question(recipe: Recipe[Any, Any], model: str, constants: Mapping[str, Any], templates: Path | None) -> Question:
    count: int = constants["count"]
    template = load_template(recipe, constants, templates)
    english = str(constants["language"]).startswith("English")
    envelope = Envelope(
        recipe.component,
        (recipe.english or recipe.answer) if english else recipe.answer,
        model,
        template.instructions,
        recipe.output_cap,
        _expected_tokens(recipe, count),
        recipe.positional,
        recipe.temperature,
    )
    return Question(recipe, template, envelope, count)


def _expected_tokens(recipe: Recipe[Any, Any], count: int) -> int:
    """The expected answer length, scaled from the recipe's number of items to the requested one."""
    return round(recipe.output_tokens * count / recipe.count) if recipe.count else recipe.output_tokens


type Failures = Mapping[str, Failure]
"""The last failure of each failed request, by custom id."""


type _Open = tuple[Question, Target, Failure | None]


@dataclass(frozen=True, slots=True)
class Outline:
    """The requests that are ready for a word, by question, and the questions that wait for their answers."""

    entry: Entry
    askable: Sequence[Sequence[_Open]]
    """The ready targets of each question that has any."""
    waiting: Sequence[Question]

    def requests(self, asked: Brief) -> list[SynthesisRequest[Any]]:
        """The requests, with rendered prompts."""
        return [
            question.request(self.entry, target, failure, replacing=question.replaces(target, asked))
            for opened in self.askable
            for question, target, failure in opened
        ]


def plan(entry: Entry, asked: Brief, failures: Failures) -> list[SynthesisRequest[Any]]:
    """A request for each component that is missing, ready, and has attempts left."""
    return outlined(entry, asked, failures).requests(asked)


def outlined(entry: Entry, asked: Brief, failures: Failures) -> Outline:
    """The plan before prompts are rendered, with the questions that are deferred.

    A component is ready once each component that it needs is answered or has failed for good.
    """
    if entry.odd:
        return Outline(entry, (), ())
    askable: list[Sequence[_Open]] = []
    waiting: list[Question] = []
    pending: set[str] = set()
    for question in asked.questions:
        if not pending.isdisjoint(question.recipe.needs):
            pending.add(question.recipe.component)
            waiting.append(question)
            continue
        opened = [each for each in _missing(question, entry, asked, failures) if _may_ask(each, asked)]
        if opened:
            pending.add(question.recipe.component)
            askable.append(opened)
    return Outline(entry, askable, waiting)


def renewed_values(entry: Entry, asked: Brief) -> Counter[ValueState]:
    """The stored values that a run with --force or --stale is about, by their state."""
    if entry.odd or not (asked.stale or asked.forced_run):
        return Counter()
    return Counter(
        question.recipe.state(target)
        for question in asked.questions
        for target in question.recipe.targets(entry)
        if question.renews(target, asked)
    )


def left_over(entries: Sequence[Entry], asked: Brief, failures: Failures) -> str | None:
    """The reason why a word without further requests is incomplete or has failed; None if nothing is missing."""
    missing = [
        each for entry in entries for question in asked.questions for each in _missing(question, entry, asked, failures)
    ]
    if missing:
        return _reason(missing, answers_of(entries, asked))
    defined = all(is_defined(entry) or entry.sibling_defined for entry in entries)
    return None if defined else "no definitions: the model does not know the word"


def answers_of(entries: Sequence[Entry], asked: Brief) -> int:
    """The number of requested answers that are stored; definitions count only where we generated them."""
    return sum(
        not question.missing(entry, target, asked)
        and (not question.recipe.structural or question.recipe.stamp(target) is not None)
        for entry in entries
        for question in asked.questions
        for target in question.recipe.targets(entry)
    )


def _reason(missing: Sequence[_Open], answers: int) -> str:
    question, _, failure = missing[0]
    why = f"{failure.kind}: {failure.detail}" if failure else "not requested"
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    if answers:
        more = f" (missing {len(missing)} of {len(missing) + answers})"
    return f"{question.recipe.component}: {why}{more}"


def _missing(question: Question, entry: Entry, asked: Brief, failures: Failures) -> Iterable[_Open]:
    for target in question.recipe.targets(entry):
        if question.missing(entry, target, asked):
            # Most words have no failures, and making the id is the expensive part of the look-up.
            failure = failures.get(question.identity(entry, target)) if failures else None
            if failure is None or failure.reason is not FailureReason.KEPT:
                yield question, target, failure


def _may_ask(missing: _Open, asked: Brief) -> bool:
    _, __, failure = missing
    return failure is None or (failure.repeatable and failure.attempt < asked.max_attempts)


PAGE_WORDS = 100
"""Words that are looked up by one query and planned together."""


def finish(entry: Entry) -> list[Update]:
    """The updates that tidy up a finished word across its definitions; pure and idempotent."""
    return [*_distinct_words(entry), *_entry_in_order(entry)]


def _distinct_words(entry: Entry) -> Iterable[Update]:
    """A synonym or antonym of several definitions is kept only by the one whose cluster is the most relevant.

    Definitions without a relevance are not changed.
    """
    for definition in entry.definitions:
        fields: dict[str, Any] = {}
        for field, component in (
            ("synonyms", SynthesisComponent.SYNONYMS),
            ("antonyms", SynthesisComponent.ANTONYMS),
        ):
            kept = [word for word in getattr(definition, field) if not _claimed(word, field, definition, entry)]
            if component in definition.stamps and kept != getattr(definition, field) and not _edited(field, definition):
                fields[field] = kept
        if fields:
            yield Update(Collection.DEFINITIONS, definition.id, fields)


def _edited(field: str, definition: Definition) -> bool:
    """Whether a value was changed since this tool wrote it, as far as that is recorded."""
    digest = definition.digests.get(field)
    return digest is not None and digest != value_digest(getattr(definition, field))


def _claimed(word: str, field: str, definition: Definition, entry: Entry) -> bool:
    """Whether a more relevant definition of the word has the same synonym or antonym."""
    own = _relevance(definition)
    return own is not None and any(
        (_relevance(other) or 0.0) > own and word.casefold() in map(str.casefold, getattr(other, field))
        for other in entry.definitions
        if other is not definition
    )


def _relevance(definition: Definition) -> float | None:
    relevance = (definition.meaning_cluster or {}).get("relevance")
    return None if relevance is None else float(relevance)


def _entry_in_order(entry: Entry) -> Iterable[Update]:
    """The entry lists its definitions in the order of their clusters."""
    if entry.synthesis_entry is None or entry.draft is not None:
        return
    listed = [definition.id for definition in entry.definitions]
    ordered: list[DocId] = [definition.id for definition in sorted(entry.definitions, key=order_of)]
    if ordered != listed:
        yield Update(Collection.ENTRIES, entry.synthesis_entry, {"definition_ids": ordered})


class WordToPlan(NamedTuple):
    """A word of the list with the input of its plan.

    `asked`: the custom ids of its last chunk; None for a word that was not requested yet.
    """

    ordinal: int
    entries: Sequence[Entry]
    failures: Mapping[str, Failure]
    asked: frozenset[str] | None = None


class Finished(NamedTuple):
    """A word without further requests: processed, or failed for a reason; with the updates that tidy it up.

    `incomplete`: some of its answers are stored.
    """

    ordinal: int
    reason: str | None
    updates: Sequence[Update] = ()
    incomplete: bool = False


class PageToPlan(NamedTuple):
    """Words that are planned together, and the folder for the file of their lines."""

    words: Sequence[WordToPlan]
    folder: str


class PlannedPage(NamedTuple):
    """The plan of each word, and the file of their lines."""

    words: Sequence[Planned | Finished]
    piece: str


def plan_words(brief: Brief, page: PageToPlan) -> PlannedPage:
    """Plan a page of words: into lines of a batch file, or as finished."""
    # A new name for each attempt: a worker that was given up may still be writing.
    with NamedTemporaryFile(dir=page.folder, suffix=".jsonl", delete=False) as piece:
        outcomes = (_plan_word(brief, word) for word in page.words)
        words = [planned(each, piece) if isinstance(each, Group) else each for each in outcomes]
    return PlannedPage(words, piece.name)


def _plan_word(brief: Brief, word: WordToPlan) -> Group | Finished:
    failures = word.failures
    if odd := next(filter(None, (entry.odd for entry in word.entries)), ""):
        return Finished(word.ordinal, odd)
    requests = [request for entry in word.entries for request in plan(entry, brief, failures)]
    first = {each.custom_id for each in requests if each.attempt == 1 and each.custom_id not in failures}
    vanished = first & (word.asked or frozenset())
    if vanished:
        failures = {**failures, **{identity: _vanished(identity) for identity in vanished}}
        requests = [request for entry in word.entries for request in plan(entry, brief, failures)]
    if requests:
        return group(word.ordinal, requests, failures)
    reason = left_over(word.entries, brief, failures)
    tidy = reason is None and word.asked is not None
    updates = [update for entry in word.entries for update in finish(entry)] if tidy else ()
    known = any(is_defined(entry) for entry in word.entries)
    return Finished(word.ordinal, reason, updates, bool(reason and known and answers_of(word.entries, brief)))


def _vanished(identity: str) -> Failure:
    """A stored answer that is not found afterwards: requesting it again would cost money without end."""
    return Failure(identity, FailureReason.ORPHANED, "it was answered and stored, but is not in the database")
