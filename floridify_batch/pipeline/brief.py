"""The brief of a run: the questions that it may ask, each with its template, its model and the shape of its answers."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any

from floridify_batch.components.answer_shape import field_names
from floridify_batch.components.change import is_review_mark
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.prompt_variable import other_senses
from floridify_batch.components.recipe import Recipe, Scope, Target, ValueState
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.requests import CustomId, Envelope, SynthesisRequest, custom_id
from floridify_batch.components.template import Template, load_template, names_field
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.pipeline.precondition import Precondition
from floridify_batch.words.entry import Definition, Entry, Stamp

_OF_PEOPLE = frozenset({ValueState.EDITED, ValueState.UNRECORDED})


@dataclass(frozen=True, slots=True)
class Question:
    """A component's recipe in one run, with its template and the envelope that its requests share."""

    recipe: Recipe[Any, Any]
    template: Template
    envelope: Envelope[Any]
    count: int = 0
    shape: AnswerShape = AnswerShape.FULL
    counted: bool = False
    """Whether the user gave the count, which then applies to every definition."""

    def with_options(self, options: Mapping[str, Any]) -> "Question":
        """The question with other fields in the bodies of its requests."""
        return replace(self, envelope=replace(self.envelope, options=options))

    def identity(self, entry: Entry, target: Target) -> CustomId:
        """The custom id of the request about a target."""
        return custom_id(entry.word.text, target.id, self.recipe.component, self.recipe.number(target))

    def missing(self, entry: Entry, target: Target, asked: "Brief") -> bool:
        """Whether the target needs an answer: nothing is stored, or a run with --force or --stale regenerates it.

        Components that others depend on are never renewed: stored definitions stay. Where they found nothing ("no such
        word"), they are, unless a person has removed what they found.
        """
        if self.recipe.scope is Scope.CLUSTER:  # numbers shift with the sources, stored texts do not
            return not self.recipe.stored(entry, target) or self._failed_before(entry, target, asked)
        stamp = self.recipe.stamp(target)
        if self.recipe.is_outdated(entry, target):
            return not self.keeps(target, asked)
        if not self.recipe.structural and (asked.forced_run is not None or (asked.stale and stamp is not None)):
            return self.renews(target, asked) and not self.keeps(target, asked)
        if self.recipe.stored(entry, target):
            return False
        if stamp is None or not self.recipe.structural:
            return stamp is None
        rejected = is_review_mark(target.digests.get(self.recipe.field)) and not asked.replace_edited
        return self._retries_empty(stamp, asked) and not rejected

    def _failed_before(self, entry: Entry, target: Target, asked: "Brief") -> bool:
        """Whether the run got no text for a cluster of one definition, and then answers about that definition.

        A run with --force or --stale also replaces the stamps of earlier answers, which would show that the definition
        was in use before.
        """
        renewing = asked.stale or asked.forced_run is not None
        recipe: Any = self.recipe
        return asked.run is not None and not renewing and recipe.failed_in(asked.run, entry, target)

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

    def is_packed(self, asked: "Brief") -> bool:
        """Whether one request may be about several definitions."""
        return asked.pack > 1 and self.recipe.scope is Scope.DEFINITION

    def is_stale(self, stamp: Stamp) -> bool:
        """Whether an answer was generated with another template or by another model."""
        return stamp.template != self.template.fingerprint or stamp.model != self.envelope.model

    def request(
        self,
        entry: Entry,
        target: Target,
        failure: Failure | None = None,
        *,
        replacing: bool = False,
        beside: Container[str] = (),
    ) -> SynthesisRequest[Any]:
        """The request about a target; after a failure, its next attempt.

        `beside`: the ids of definitions in the same pack, which are not listed as other senses again.
        """
        identity = self.identity(entry, target)
        given = self.recipe.given(entry, target, replacing=replacing)
        if beside and isinstance(target, Definition) and given.get("other_senses"):
            given["other_senses"] = other_senses(entry, target, beside)
        if number := given.get("number"):
            given |= {"number": 0} if self.counted else {} if self.template.own else {"count": number}
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
    pack: int = 1
    """The most definitions that one request of a component is about."""

    def with_options(self, options: Mapping[str, Any]) -> "Brief":
        """The specification with other fields in the bodies of its requests."""
        return replace(self, questions=tuple(each.with_options(options) for each in self.questions))

    def by_component(self) -> dict[str, Question]:
        """The questions by component name."""
        return {question.recipe.component: question for question in self.questions}

    def asked_in_full(self, wanted: AnswerShape) -> list[str]:
        """The components that are requested whole because a user's template describes fields that are not stored."""
        return [
            each.recipe.component
            for each in self.questions
            if each.shape is AnswerShape.FULL and each.recipe.lean(wanted) is not None
        ]

    def other_models(self, usual: str) -> dict[str, str]:
        """The models of the components that do not use the run's."""
        models = {str(each.recipe.component): each.envelope.model for each in self.questions}
        return {component: model for component, model in models.items() if model != usual}

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each component's template."""
        return {str(each.recipe.component): each.template.fingerprint for each in self.questions}

    @property
    def template_digest(self) -> str:
        """A digest of all templates in use."""
        fingerprints = (f"{component}={fingerprint}" for component, fingerprint in self.fingerprints.items())
        return blake2b("\n".join(fingerprints).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class BriefOptions:
    """Options of a brief beside components, model, language and templates.

    `gloss_language` names the language of definitions and notes, if it is not that of the words; `answers` is the shape
    in which answers are requested; `models` replace the run's model for some components; `judge_sample` is the share of
    senses whose texts are judged.
    """

    gloss_language: str | None = None
    answers: AnswerShape = AnswerShape.FULL
    models: Mapping[str, str] = MappingProxyType({})
    judge_sample: float = 1.0


_USUAL = BriefOptions()


def brief(
    components: Iterable[SynthesisComponent],
    *,
    model: str,
    language_name: str,
    counts: Mapping[str, int] | None = None,
    templates: Path | None = None,
    options: BriefOptions = _USUAL,
) -> Brief:
    """The specification for these components, in the order of their dependencies. Raises `UsageError` for a template.

    Definitions are always included, since all else depends on them. Clusters and their texts include each other: one
    without the other would leave an incomplete entry.
    """
    chosen = {SynthesisComponent.DEFINITIONS, *components}
    if chosen & _TOGETHER:
        chosen |= _TOGETHER
    # No `previous_words`: a request must not depend on the requests before it.
    names = {"language": language_name, "language_name": language_name, "previous_words": ()}
    constants = names | {"gloss_language": options.gloss_language or language_name}
    given = counts or {}
    questions = (
        _question(
            replace(recipe, share=options.judge_sample) if component == SynthesisComponent.JUDGEMENT else recipe,
            options.models.get(component, model),
            constants | {"count": given.get(component, recipe.count)},
            templates,
            options.answers,
        )
        for component, recipe in RECIPES.items()
        if component in chosen
    )
    return Brief(tuple(replace(each, counted=each.recipe.component in given) for each in questions))


_TOGETHER = frozenset({SynthesisComponent.CLUSTER_DEFINITIONS, SynthesisComponent.DEFINITION_TEXT})


def _question(
    recipe: Recipe[Any, Any],
    model: str,
    constants: Mapping[str, Any],
    templates: Path | None,
    answers: AnswerShape,
) -> Question:
    count: int = constants["count"]
    template = load_template(recipe, constants, templates, answers)
    shape = _shape_for(recipe, template, answers)
    answer, tokens = recipe.requested(shape, english=str(constants["language"]).startswith("English"))
    envelope = Envelope(
        recipe.component,
        answer,
        model,
        template.instructions,
        recipe.output_cap,
        round(tokens * count / recipe.count) if recipe.count else tokens,
        recipe.positional,
        recipe.temperature,
    )
    return Question(recipe, template, envelope, count, shape)


def _shape_for(recipe: Recipe[Any, Any], template: Template, wanted: AnswerShape) -> AnswerShape:
    """The shape that is requested: a user's template that describes fields of the whole answer gets all of it.

    A component has the shape FULL, too, where a lean one would not differ: its answers are alike.
    """
    lean = recipe.lean(wanted)
    if lean is None:
        return AnswerShape.FULL
    left_out = field_names(recipe.answer) - field_names(lean.answer)
    if not template.own and names_field(template.text, left_out):
        return AnswerShape.FULL
    return wanted if recipe.bare_answer else AnswerShape.STORED
