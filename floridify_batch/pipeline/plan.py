"""The plan: what is asked for a word, as a function of what is stored.

Nothing else decides what is asked. Waves need no list: once answers are stored the word is planned again, and what
has become possible follows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from floridify_batch.components.definition_recipes import RECIPES
from floridify_batch.components.failure import Failure
from floridify_batch.components.recipe import Recipe, Scope, SynthesisComponent, Target
from floridify_batch.components.request import CustomId, Envelope, SynthesisRequest, custom_id
from floridify_batch.components.template import Template, load_template
from floridify_batch.words.entry import Entry, Stamp


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
        return SynthesisRequest(identity, self.envelope, prompt, failure.attempt + 1, failure.next_boost)


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
