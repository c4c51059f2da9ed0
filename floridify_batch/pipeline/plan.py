"""The plan: what is asked for a word, as a function of what is stored.

Nothing else decides what is asked. Waves need no list: once answers are stored the word is planned again, and what
has become possible follows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from floridify_batch.components.change import Collection, Update
from floridify_batch.components.definition_recipes import RECIPES
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.recipe import Recipe, Scope, SynthesisComponent, Target
from floridify_batch.components.request import CustomId, Envelope, SynthesisRequest, custom_id
from floridify_batch.components.template import Template, load_template
from floridify_batch.pipeline.chunk import Group, Planned, group, planned
from floridify_batch.words.cluster import order_of
from floridify_batch.words.entry import Definition, DocId, Entry, Stamp


@dataclass(frozen=True, slots=True)
class Question:
    """A recipe made ready for one run: with its template and everything that its requests share."""

    recipe: Recipe[Any, Any]
    template: Template
    envelope: Envelope[Any]

    def identity(self, entry: Entry, target: Target) -> CustomId:
        """The id of the request about a target."""
        return custom_id(entry.word.text, target.id, self.recipe.component, self.recipe.number(target))

    def missing(self, entry: Entry, target: Target, asked: "Brief") -> bool:
        """Whether the target is to be asked about: neither stored nor answered, or to be answered anew.

        What other components are about is never asked again: definitions that are there stay.
        """
        if self.recipe.scope is Scope.CLUSTER:  # numbers move when sources come and go; what is stored does not
            return not self.recipe.stored(entry, target)
        stamp = self.recipe.stamp(target)
        if not self.recipe.structural:
            if asked.forced_run is not None:
                return stamp is None or stamp.run != asked.forced_run
            if asked.stale and stamp is not None:
                return self.is_stale(stamp)
        return stamp is None and not self.recipe.stored(entry, target)

    def replaces(self, target: Target, asked: "Brief") -> bool:
        """Whether an answer takes the place of what was there, rather than joining it.

        Looked at the answer's own stamp, this is as true as it was when it was stored.
        """
        return asked.forced_run is not None or (asked.stale and self.recipe.stamp(target) is not None)

    def is_stale(self, stamp: Stamp) -> bool:
        """Whether an answer was made with another template or by another model."""
        return stamp.template != self.template.fingerprint or stamp.model != self.envelope.model

    def request(
        self, entry: Entry, target: Target, failure: Failure | None = None, *, replacing: bool = False
    ) -> SynthesisRequest[Any]:
        """The request about one target; after a failure, the next attempt at it."""
        identity = self.identity(entry, target)
        prompt = self.template.render(self.recipe.given(entry, target, replacing=replacing))
        if failure is None:
            return SynthesisRequest(identity, self.envelope, prompt)
        return SynthesisRequest(identity, self.envelope, prompt, failure.attempt + 1, failure.next_cap_doublings)


@dataclass(frozen=True, slots=True)
class Brief:
    """What a run asks for.

    `forced_run`: ask for everything that this run has not answered yet; `stale`: for what was answered with other
    templates or by another model.
    """

    questions: tuple[Question, ...]
    max_attempts: int
    forced_run: str | None = None
    stale: bool = False

    def by_component(self) -> dict[str, Question]:
        """The questions by their components' names."""
        return {question.recipe.component: question for question in self.questions}

    @property
    def template_digest(self) -> str:
        """What changes when any template in use does."""
        fingerprints = (f"{each.recipe.component}={each.template.fingerprint}" for each in self.questions)
        return blake2b("\n".join(fingerprints).encode(), digest_size=8).hexdigest()


def brief(
    components: Iterable[SynthesisComponent],
    *,
    model: str,
    language_name: str,
    max_attempts: int = 3,
    forced_run: str | None = None,
    stale: bool = False,
    counts: Mapping[str, int] | None = None,
    templates: Path | None = None,
) -> Brief:
    """A run's questions, each behind those that it needs. Raises `UsageError` for an unusable template.

    Definitions are always among them: without one, there is nothing else to ask. Clusters without their texts, or
    texts without clusters, would leave a word half made: each brings the other.
    """
    chosen = {SynthesisComponent.DEFINITIONS, *components}
    if chosen & _TOGETHER:
        chosen |= _TOGETHER
    questions = tuple(
        _question(recipe, model, language_name, (counts or {}).get(component, recipe.count), templates)
        for component, recipe in RECIPES.items()
        if component in chosen
    )
    return Brief(questions, max_attempts, forced_run, stale)


_TOGETHER = frozenset({SynthesisComponent.CLUSTER_DEFINITIONS, SynthesisComponent.DEFINITION_TEXT})


def _question(recipe: Recipe[Any, Any], model: str, language_name: str, count: int, templates: Path | None) -> Question:
    # No `previous_words`: a request must stay the same from run to run, whatever was asked before.
    constants = {"language": language_name, "language_name": language_name, "count": count, "previous_words": ()}
    template = load_template(recipe.component, constants, frozenset(recipe.given_names()), templates)
    envelope = Envelope(
        recipe.component,
        recipe.answer,
        model,
        template.instructions,
        recipe.output_cap,
        _expected_tokens(recipe, count),
        recipe.positional,
    )
    return Question(recipe, template, envelope)


def _expected_tokens(recipe: Recipe[Any, Any], count: int) -> int:
    """How long an answer will be: the table's length is that of as many items as it asks for."""
    return round(recipe.output_tokens * count / recipe.count) if recipe.count else recipe.output_tokens


type Failures = Mapping[str, Failure]
"""The last failure of each custom id that has failed, by id."""


type _Open = tuple[Question, Target, Failure | None]


@dataclass(frozen=True, slots=True)
class Outline:
    """What can be asked of a word now, question by question, and the questions that wait for the answers."""

    entry: Entry
    askable: Sequence[Sequence[_Open]]
    """Of each question that has any, what it can be asked about."""
    waiting: Sequence[Question]

    def requests(self, asked: Brief) -> list[SynthesisRequest[Any]]:
        """The requests, with their prompts written."""
        return [
            question.request(self.entry, target, failure, replacing=question.replaces(target, asked))
            for opened in self.askable
            for question, target, failure in opened
        ]


def plan(entry: Entry, asked: Brief, failures: Failures) -> list[SynthesisRequest[Any]]:
    """One request for each component that is missing, ready, and has attempts left."""
    return outlined(entry, asked, failures).requests(asked)


def outlined(entry: Entry, asked: Brief, failures: Failures) -> Outline:
    """The plan before any prompt is written, with what is put off.

    A component is ready when nothing more can be asked of those that it needs: when they are answered, or have failed
    for good.
    """
    askable: list[Sequence[_Open]] = []
    waiting: list[Question] = []
    pending: set[SynthesisComponent] = set()
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


def left_over(entries: Sequence[Entry], asked: Brief, failures: Failures) -> str | None:
    """Why a word whose plan is empty is not finished, in a phrase; None where nothing it was asked for is missing."""
    for entry in entries:
        missing = [each for question in asked.questions for each in _missing(question, entry, asked, failures)]
        if missing:
            return _reason(missing)
        if not entry.definitions:
            return "no definitions: the model knows no such word"
    return None


def _reason(missing: Sequence[_Open]) -> str:
    question, _, failure = missing[0]
    why = f"{failure.kind}: {failure.detail}" if failure else "it was never asked"
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{question.recipe.component}: {why}{more}"


def _missing(question: Question, entry: Entry, asked: Brief, failures: Failures) -> Iterable[_Open]:
    for target in question.recipe.targets(entry):
        if question.missing(entry, target, asked):
            # Of most words nothing has failed, and an id is the dearest part of looking that up.
            yield question, target, failures.get(question.identity(entry, target)) if failures else None


def _may_ask(missing: _Open, asked: Brief) -> bool:
    _, __, failure = missing
    return failure is None or (failure.repeatable and failure.attempt < asked.max_attempts)


PAGE_WORDS = 100
"""Words that are looked up by one query and planned in one go."""


def finish(entry: Entry) -> list[Update]:
    """The new values that a finished word needs; none for a word that is in order already."""
    return [*_distinct_words(entry), *_entry_in_order(entry)]


def _distinct_words(entry: Entry) -> Iterable[Update]:
    """A synonym or antonym that several definitions have stays with the one whose cluster is the most relevant.

    Definitions without a cluster's relevance are left alone: nobody has said which of them matters more.
    """
    for definition in entry.definitions:
        fields: dict[str, Any] = {}
        for field, component in (
            ("synonyms", SynthesisComponent.SYNONYMS),
            ("antonyms", SynthesisComponent.ANTONYMS),
        ):
            kept = [word for word in getattr(definition, field) if not _claimed(word, field, definition, entry)]
            if component in definition.stamps and kept != getattr(definition, field):
                fields[field] = kept
        if fields:
            yield Update(Collection.DEFINITIONS, definition.id, fields)


def _claimed(word: str, field: str, definition: Definition, entry: Entry) -> bool:
    """Whether a more relevant definition of the word has this synonym or antonym as well."""
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
    """The entry lists its definitions by their clusters' order; one without any takes up those in place."""
    if entry.synthesis_entry is None or not entry.definitions:
        return
    listed = [definition.id for definition in entry.definitions]
    ordered: list[DocId] = [definition.id for definition in sorted(entry.definitions, key=order_of)]
    if not entry.synthesised or ordered != listed:
        yield Update(Collection.ENTRIES, entry.synthesis_entry, {"definition_ids": ordered})


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
