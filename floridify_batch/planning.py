"""The plan: what is asked for a word, as a function of what is stored.

Nothing else decides what is asked. Waves need no list: once answers are stored the word is planned again, and what
has become possible follows. Each definition's components wait for the definition; a word without any gets some first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from floridify_batch.components import Recipe, SynthesisComponent, Target
from floridify_batch.failures import Failure
from floridify_batch.recipes import RECIPES
from floridify_batch.requests import CustomId, Envelope, SynthesisRequest, custom_id
from floridify_batch.templates import Template, load_template
from floridify_batch.words import Entry


@dataclass(frozen=True, slots=True)
class Question:
    """A recipe made ready for one run: with its template and everything that its requests share."""

    recipe: Recipe[Any, Any]
    template: Template
    envelope: Envelope[Any]

    def request(self, entry: Entry, target: Target, failure: Failure | None) -> SynthesisRequest[Any]:
        """The request about one target; after a failure, the next attempt at it."""
        identity = custom_id(entry.word.text, target.id, self.recipe.component)
        prompt = self.template.render(self.recipe.given(entry, target))
        if failure is None:
            return SynthesisRequest(identity, self.envelope, prompt)
        return SynthesisRequest(identity, self.envelope, prompt, failure.attempt + 1, failure.next_boost)


@dataclass(frozen=True, slots=True)
class Brief:
    """What a run asks for. `forced_run`: ask for everything that this run has not answered yet."""

    questions: tuple[Question, ...]
    max_attempts: int
    forced_run: str | None = None

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
) -> Brief:
    """A run's questions. Definitions are always among them: without one, there is nothing else to ask."""
    chosen = dict.fromkeys((SynthesisComponent.DEFINITIONS, *components))
    questions = tuple(_question(RECIPES[component], model, language_name) for component in chosen)
    return Brief(questions, max_attempts, forced_run)


def _question(recipe: Recipe[Any, Any], model: str, language_name: str) -> Question:
    template = load_template(recipe.component, {"language": language_name, "count": recipe.count})
    envelope = Envelope(recipe.component, recipe.answer, model, template.instructions, recipe.output_cap)
    return Question(recipe, template, envelope)


type Failures = Mapping[str, Failure]
"""The last failure of each custom id that has failed, by id."""


def plan(entry: Entry, asked: Brief, failures: Failures) -> list[SynthesisRequest[Any]]:
    """One request for each component that is missing, can be asked for, and has attempts left."""
    return [
        question.request(entry, target, failure)
        for question, target, failure in _missing(entry, asked, failures)
        if failure is None or (failure.repeatable and failure.attempt < asked.max_attempts)
    ]


def left_over(entries: Sequence[Entry], asked: Brief, failures: Failures) -> str | None:
    """Why a word whose plan is empty is not finished, in a phrase; None where nothing it was asked for is missing."""
    for entry in entries:
        missing = list(_missing(entry, asked, failures))
        if missing:
            return _reason(missing)
        if not entry.definitions:
            return "no definitions: the model knows no such word"
    return None


def _reason(missing: Sequence[tuple[Question, Target, Failure | None]]) -> str:
    question, _, failure = missing[0]
    why = f"{failure.kind}: {failure.detail}" if failure else "it was never asked"
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{question.recipe.component}: {why}{more}"


def _missing(entry: Entry, asked: Brief, failures: Failures) -> Iterable[tuple[Question, Target, Failure | None]]:
    for question in asked.questions:
        recipe = question.recipe
        for target in recipe.targets(entry):
            if recipe.missing(target, asked.forced_run):
                identity: CustomId = custom_id(entry.word.text, target.id, recipe.component)
                yield question, target, failures.get(identity)
