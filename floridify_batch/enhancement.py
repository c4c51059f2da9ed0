"""Enhancement: fills the missing components of definitions in place, immediately or in a batch.

A definition is the caller's own object. For a pydantic model, only declared fields are set, with the model's own
validation, so that a collocation becomes the model's collocation. Any other object gets lists, dicts and strings under
the field names of Floridify's database. A document that can save itself is saved, and gets its examples as documents
of the class `Example` next to its own class, as Floridify's own function does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import iscoroutinefunction
from typing import Any

from pydantic import BaseModel, ValidationError

from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
from floridify_batch.components.change import Provenance
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.recipe import Recipe, Scope
from floridify_batch.components.registry import DEFAULT_COMPONENTS, RECIPES, SynthesisComponent, components_named
from floridify_batch.components.requests import AnswerError
from floridify_batch.costs.usage import Usage
from floridify_batch.definition_conversion import DefinitionLike, WordLike, entry_of, read, views_of
from floridify_batch.errors import UsageError
from floridify_batch.providers.interface import Batches
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.synthesis import AnyConnector, Call, ask, model_of, notify
from floridify_batch.words.entry import Definition, Entry, Stamp, derived_id
from floridify_batch.words.language import language_name

_PROGRESS = 95
"""The progress in percent that Floridify's state tracker shows for enhanced definitions."""

_EXAMPLE_FIELDS = ("example_sentences", "examples")

_MEMORY_SIZE = 100_000


@dataclass(frozen=True, slots=True)
class Filled:
    """A component that a definition received, with the definition's position and the whole answer."""

    position: int
    component: SynthesisComponent
    answer: BaseModel


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A component that failed, with the definition's position and the reason."""

    position: int
    component: SynthesisComponent
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class Enhancement:
    """The result of an enhancement; components that were already present are in neither list."""

    filled: tuple[Filled, ...] = ()
    failed: tuple[Unfilled, ...] = ()

    def components_of(self, position: int) -> frozenset[SynthesisComponent]:
        """Return the components that a definition received."""
        return frozenset(each.component for each in self.filled if each.position == position)

    def answer_of(self, position: int, component: str) -> BaseModel | None:
        """Return the whole answer for a component of a definition, or None."""
        found = (each.answer for each in self.filled if (each.position, each.component) == (position, component))
        return next(found, None)


async def enhance_definitions_parallel(
    definitions: Sequence[DefinitionLike],
    word: str | WordLike,
    ai: AnyConnector,
    components: Collection[Any] | None = None,
    force_refresh: bool = False,
    state_tracker: object = None,
    batch_mode: bool = False,
    *,
    batches: Batches | None = None,
    poll_interval: float = 60.0,
    language: str | None = None,
) -> Enhancement:
    """Request the missing components of a word's definitions and set them in place.

    `components`: names or enum members (default: Floridify's default set); those of words are ignored. `force_refresh`
    also requests and replaces existing values. `batch_mode` sends all requests as one batch, to `batches` or to the
    connector's service, polled every `poll_interval` seconds; the same call after a crash adopts that batch.
    `state_tracker.update(stage=…, progress=…, message=…)` is called at the end. `language` is that of the word
    (default: its own, else English). Of definitions in meaning clusters, the most relevant one keeps a new synonym or
    antonym that several have.

    A failed request is reported and does not affect the others. Raises `ServiceError` if every request would fail
    (values set until then remain), `UsageError` for an unknown component.
    """
    tasks = _tasks(
        definitions, entry_of(word, language, views_of(definitions, word)), _recipes(components), force_refresh
    )
    if batch_mode:
        async with intercepted(ai, batches, poll_interval) as intercepting:
            results = await intercepting.collector.gather(*(task.fill(intercepting) for task in tasks))
    else:
        results = await _concurrently([task.fill(ai) for task in tasks])
    enhancement = Enhancement(
        tuple(result for result in results if isinstance(result, Filled)),
        tuple(result for result in results if isinstance(result, Unfilled)),
    )
    _keep_distinct(definitions, enhancement)
    await _save(definitions[position] for position in sorted({each.position for each in enhancement.filled}))
    message = f"Enhanced definitions: {len(enhancement.filled)} components, {len(enhancement.failed)} failed"
    await notify(state_tracker, progress=_PROGRESS, message=message)
    return enhancement


def _recipes(components: Collection[Any] | None) -> list[Recipe[Any, Any]]:
    if components is None:
        chosen: Iterable[SynthesisComponent] = DEFAULT_COMPONENTS
    else:
        names = ",".join(str(getattr(each, "value", each)) for each in components)
        chosen = components_named(names) if names else ()
    return [RECIPES[component] for component in chosen if RECIPES[component].scope is Scope.DEFINITION]


# ── tasks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Memory:
    """Ids of documents whose component was answered with an empty value, so that it is not requested again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], None] = {}

    def add(self, definition: object, component: str) -> None:
        identity = getattr(definition, "id", None)
        if identity is not None:
            self._known[str(identity), component] = None
            if len(self._known) > _MEMORY_SIZE:
                del self._known[next(iter(self._known))]

    def holds(self, definition: object, component: str) -> bool:
        return (str(getattr(definition, "id", None)), component) in self._known


_EMPTY = _Memory()


@dataclass(frozen=True, slots=True)
class _Task:
    """One component of one definition. `view` is the converted definition before the enhancement."""

    position: int
    definition: DefinitionLike
    view: Definition
    entry: Entry
    recipe: Recipe[Any, Any]
    force: bool

    async def fill(self, ai: AnyConnector) -> Filled | Unfilled:
        """Request the component and set its value."""
        component = SynthesisComponent(self.recipe.component)
        try:
            answer = await ask(self.recipe, self.entry, self.view, Call(ai, replacing=self.force))
            await self._set(answer, model_of(ai))
        except AnswerError as error:
            return Unfilled(self.position, component, error.reason, str(error))
        except ValidationError as error:
            detail = f"the answer does not fit the definition: {error.errors(include_url=False)[0]['msg']}"
            return Unfilled(self.position, component, FailureReason.MALFORMED, detail)
        if self._is_empty(answer):
            _EMPTY.add(self.definition, component)
        return Filled(self.position, component, answer)

    def _is_empty(self, answer: BaseModel) -> bool:
        """Whether the component is empty after the answer; False for an object without its attribute."""
        if isinstance(answer, ExampleGenerationResponse):
            return not answer.example_sentences
        return hasattr(self.definition, self.recipe.field) and not _has(self.definition, self.recipe)

    async def _set(self, answer: BaseModel, model: str) -> None:
        if isinstance(answer, ExampleGenerationResponse):
            _set_examples(self.definition, answer.example_sentences, replace=self.force)
            await _save_examples(self.definition, answer, model=model, replace=self.force)
            return
        rare_first = _FIELD_OF_TODAY in getattr(type(self.definition), "model_fields", ())
        provenance = _provenance(self.entry, replace=self.force, rare_first=rare_first)
        for name, value in self.recipe.outcome(self.entry, self.view, answer, provenance).fields.items():
            _put(self.definition, name, value)


def _tasks(
    definitions: Sequence[DefinitionLike], entry: Entry, chosen: Sequence[Recipe[Any, Any]], force: bool
) -> list[_Task]:
    return [
        _Task(position, definition, view, entry, recipe, force)
        for position, (definition, view) in enumerate(zip(definitions, entry.definitions, strict=True))
        for recipe in chosen
        if force or not (_has(definition, recipe) or _EMPTY.holds(definition, recipe.component))
    ]


def _has(definition: DefinitionLike, recipe: Recipe[Any, Any]) -> bool:
    fields = (recipe.field, *_EXAMPLE_FIELDS) if recipe.component == SynthesisComponent.EXAMPLES else (recipe.field,)
    return any(getattr(definition, field, None) for field in fields)


_FIELD_OF_TODAY = "frequency_score"
"""A field of a definition in today's Floridify, which counts frequency bands from the rarest senses."""


def _provenance(entry: Entry, *, replace: bool, rare_first: bool = False) -> Provenance:
    """Return the provenance that outcomes need; nothing is stamped here."""
    now, language = datetime.now(UTC), entry.word.language
    stamp = Stamp(derived_id(), "", "", now, "", "", "")
    return Provenance("", stamp, now, Usage(), language, language_name(language), replace, rare_first=rare_first)


# ── the caller's objects ───────────────────────────────────────────────────────────────────────────────────────────


def _put(definition: object, name: str, value: object) -> None:
    """Set an attribute if the object has a place for it. Raises `ValidationError` if its model refuses the value."""
    if isinstance(definition, BaseModel):
        if name in type(definition).model_fields:
            definition.__pydantic_validator__.validate_assignment(definition, name, value)
        return
    try:
        setattr(definition, name, value)
    except AttributeError:
        return  # slots without this name; the enhancement still has the answer


def _set_examples(definition: object, sentences: list[str], *, replace: bool) -> None:
    """Set the examples of an object that keeps them as strings."""
    for name in _EXAMPLE_FIELDS:
        before = list(getattr(definition, name, None) or ())
        if not hasattr(definition, name) or not all(isinstance(each, str) for each in before):
            continue
        kept = [] if replace else before
        try:
            _put(definition, name, [*kept, *(each for each in sentences if each not in kept)])
        except ValidationError:
            continue  # the model's examples are not strings


async def _save_examples(definition: Any, answer: ExampleGenerationResponse, *, model: str, replace: bool) -> None:
    """Save the examples of a document as documents, and set their ids; then delete the documents that they replace."""
    example_class: Any = getattr(sys.modules.get(type(definition).__module__), "Example", None)
    if not (_saves_itself(definition) and hasattr(definition, "example_ids") and _saves_itself(example_class)):
        return
    model_info = {"name": model, "confidence": answer.confidence, "generation_count": 1}
    # Floridify of July 2025 refers to documents by strings.
    spelled = str if example_class.model_fields["definition_id"].annotation is str else _unchanged
    before = list(definition.example_ids)
    identities = [] if replace else before
    for sentence in answer.example_sentences:
        owner = spelled(definition.id)
        fields = {"definition_id": owner, "text": sentence, "type": "generated", "model_info": model_info}
        example = example_class.model_validate(fields)
        await example.save()
        identities.append(spelled(example.id))
    _put(definition, "example_ids", identities)
    if replace and before:
        await definition.save()  # before the deletion, so that a crash leaves no reference to a deleted document
        await _delete_examples(example_class, definition, before)


async def _delete_examples(example_class: Any, definition: Any, identities: Iterable[Any]) -> None:
    """Delete example documents that belong to a definition, as far as their class can look them up."""
    if not iscoroutinefunction(getattr(example_class, "get", None)):
        return
    for identity in identities:
        example = await example_class.get(identity)
        if example is not None and str(example.definition_id) == str(definition.id):
            await example.delete()


def _keep_distinct(definitions: Sequence[DefinitionLike], done: Enhancement) -> None:
    """Remove new synonyms and antonyms that a more relevant definition has, as Floridify's own function does.

    Lists that this call did not write are not changed, nor are those of definitions without a meaning cluster.
    """
    relevant = [(relevance, at) for at, each in enumerate(definitions) if (relevance := _relevance(each)) is not None]
    in_order = [at for _, at in sorted(relevant, key=lambda each: -each[0])]
    for component in (SynthesisComponent.SYNONYMS, SynthesisComponent.ANTONYMS):
        claimed: set[str] = set()
        for position in in_order:
            listed: list[str] = list(getattr(definitions[position], component, None) or ())
            if component in done.components_of(position):
                kept = [each for each in listed if each.casefold() not in claimed]
                if kept != listed:
                    _put(definitions[position], component, kept)
            claimed.update(map(str.casefold, listed))


def _relevance(definition: DefinitionLike) -> float | None:
    relevance = read(read(definition, "meaning_cluster"), "relevance")
    return float(relevance) if isinstance(relevance, int | float) else None


def _unchanged(identity: Any) -> Any:
    return identity


async def _save(definitions: Iterable[Any]) -> None:
    for definition in definitions:
        if _saves_itself(definition):
            await definition.save()


def _saves_itself(document: object) -> bool:
    """Whether an object, or a class, is a pydantic model with a `save` coroutine, as Beanie's documents are."""
    model = document if isinstance(document, type) else type(document)
    return issubclass(model, BaseModel) and iscoroutinefunction(getattr(model, "save", None))


# ── both modes ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def _concurrently[T](coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently; the first exception cancels the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def intercepted(
    ai: object, batches: Batches | None, poll_interval: float
) -> AsyncIterator[InterceptingConnector]:
    """Yield a connector whose requests go in a batch to the service of the given one."""
    if isinstance(ai, InterceptingConnector):
        yield ai
        return
    service = batches or batches_of(ai)
    try:
        yield InterceptingConnector(BatchSynthesisCollector(service, poll_interval=poll_interval), model_of(ai))
    finally:
        if service is not batches:
            await service.close()


def batches_of(ai: object) -> OpenAIBatches:
    """Return the batch service of a connector. Raises `UsageError` for one that is not OpenAI's."""
    if not isinstance(ai, OpenAIConnector):
        raise UsageError("batch_mode needs an OpenAIConnector, or a batch service as batches=….")
    return OpenAIBatches(ai.api_key, base_url=ai.base_url)
