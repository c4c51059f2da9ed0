"""Definitions filled in place: everything that is missing is asked, together, in whichever mode.

A definition is the caller's own object. Of a pydantic model (a Beanie document is one) only declared fields are set,
each through the model's own validation, so that a collocation becomes what the model says that a collocation is; any
other object gets plain lists, dicts and texts under the names that Floridify's database has.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any

from pydantic import BaseModel, ValidationError

from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
from floridify_batch.components.answer import ExampleGenerationResponse
from floridify_batch.components.definition_recipes import DEFAULT_COMPONENTS, RECIPES, components_named
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.recipe import Provenance, Recipe, Scope, SynthesisComponent
from floridify_batch.components.request import AnswerError
from floridify_batch.costs.usage import Usage
from floridify_batch.errors import UsageError
from floridify_batch.providers.interface import Batches, Connector
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.request_builder import DefinitionLike, WordLike, ask, entry_of, model_of, views_of
from floridify_batch.words.entry import Definition, Entry, Stamp, derived_id
from floridify_batch.words.language import language_name

_STAGE = "AI_SYNTHESIS"
_PROGRESS = 95
"""What Floridify's own tracker is told when its definitions are enhanced: the stage, and percent of the whole."""

_EXAMPLE_PLACES = ("example_sentences", "examples")


@dataclass(frozen=True, slots=True)
class Filled:
    """A component that a definition got: the definition's place in the list, and the whole answer."""

    position: int
    component: SynthesisComponent
    answer: BaseModel


@dataclass(frozen=True, slots=True)
class Unfilled:
    """A component that a definition did not get, and why."""

    position: int
    component: SynthesisComponent
    reason: FailureReason
    detail: str


@dataclass(frozen=True, slots=True)
class Enhancement:
    """What an enhancement did: what was there already is in neither list."""

    filled: tuple[Filled, ...] = ()
    failed: tuple[Unfilled, ...] = ()

    def components_of(self, position: int) -> frozenset[SynthesisComponent]:
        """The components that one definition got."""
        return frozenset(each.component for each in self.filled if each.position == position)

    def answer_of(self, position: int, component: str) -> BaseModel | None:
        """The whole answer for a component of one definition, where it got one."""
        found = (each.answer for each in self.filled if (each.position, each.component) == (position, component))
        return next(found, None)


async def enhance_definitions_parallel(
    definitions: Sequence[DefinitionLike],
    word: str | WordLike,
    ai: Connector,
    components: Collection[str] | None = None,
    force_refresh: bool = False,
    state_tracker: object = None,
    *,
    batch_mode: bool = False,
    batches: Batches | None = None,
    poll_interval: float = 60.0,
) -> Enhancement:
    """Ask what the definitions of a word miss, and set it in place.

    `components` (default: Floridify's default set) beyond those of definitions are left out; `force_refresh` asks for
    what is there, too, and replaces it. With `batch_mode` all is asked as one batch, over `batches` or the service
    that the connector speaks to, asked after every `poll_interval` seconds; the same call made again after a crash
    finds that batch. `state_tracker.update(stage=…, progress=…, message=…)` is called at the end, if there is one.

    One request's failure is reported and harms no other. Raises `ServiceError` where the service stops every request
    (what was filled until then stays), `UsageError` for an unknown component.
    """
    tasks = _tasks(definitions, word, _recipes(components), force=force_refresh)
    if batch_mode:
        async with _intercepted(ai, batches, poll_interval) as carried:
            results = await carried.collector.gather(*(task.fill(carried) for task in tasks))
    else:
        results = await _together([task.fill(ai) for task in tasks])
    enhancement = Enhancement(
        tuple(result for result in results if isinstance(result, Filled)),
        tuple(result for result in results if isinstance(result, Unfilled)),
    )
    await _tell(state_tracker, enhancement)
    return enhancement


def _recipes(components: Collection[str] | None) -> list[Recipe[Any, Any]]:
    chosen = DEFAULT_COMPONENTS if components is None else components_named(",".join(components)) if components else ()
    return [RECIPES[component] for component in chosen if RECIPES[component].scope is Scope.DEFINITION]


# ── what is asked ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Task:
    """One component of one definition. `view` is the definition in our shape, as it was before."""

    position: int
    definition: DefinitionLike
    view: Definition
    entry: Entry
    recipe: Recipe[Any, Any]
    force: bool

    async def fill(self, ai: Connector) -> Filled | Unfilled:
        """Ask, and set what was answered."""
        component = self.recipe.component
        try:
            answer = await ask(self.recipe, self.entry, self.view, ai)
            self._set(answer)
        except AnswerError as error:
            return Unfilled(self.position, component, error.reason, str(error))
        except ValidationError as error:
            detail = f"the answer does not fit the definition: {error.errors(include_url=False)[0]['msg']}"
            return Unfilled(self.position, component, FailureReason.MALFORMED, detail)
        return Filled(self.position, component, answer)

    def _set(self, answer: BaseModel) -> None:
        if isinstance(answer, ExampleGenerationResponse):
            _set_examples(self.definition, answer.example_sentences, replace=self.force)
            return
        provenance = _provenance(self.entry, replace=self.force)
        for name, value in self.recipe.outcome(self.entry, self.view, answer, provenance).fields.items():
            _put(self.definition, name, value)


def _tasks(
    definitions: Sequence[DefinitionLike], word: str | WordLike, chosen: Iterable[Recipe[Any, Any]], *, force: bool
) -> list[_Task]:
    views = views_of(definitions, word)
    entry = entry_of(word, None, views)
    return [
        _Task(position, definition, view, entry, recipe, force)
        for position, (definition, view) in enumerate(zip(definitions, views, strict=True))
        for recipe in chosen
        if force or not _has(definition, recipe)
    ]


def _has(definition: DefinitionLike, recipe: Recipe[Any, Any]) -> bool:
    places = (recipe.field, *_EXAMPLE_PLACES) if recipe.component is SynthesisComponent.EXAMPLES else (recipe.field,)
    return any(getattr(definition, place, None) for place in places)


def _provenance(entry: Entry, *, replace: bool) -> Provenance:
    """Where an answer comes from, as far as its values depend on it: nothing is stamped here."""
    now, language = datetime.now(UTC), entry.word.language
    stamp = Stamp(derived_id(), "", "", now, "", "", "")
    return Provenance("", stamp, now, Usage(), language, language_name(language), replace)


# ── the caller's objects ───────────────────────────────────────────────────────────────────────────────────────────


def _put(definition: object, name: str, value: object) -> None:
    """Set an attribute, unless the object has no place for it. Raises `ValidationError` where its model refuses."""
    if isinstance(definition, BaseModel):
        if name in type(definition).model_fields:
            definition.__pydantic_validator__.validate_assignment(definition, name, value)
        return
    try:
        setattr(definition, name, value)
    except AttributeError:
        return  # slots without this name: the answer is in the enhancement all the same


def _set_examples(definition: object, sentences: list[str], *, replace: bool) -> None:
    """Set examples where the object keeps them as texts. Documents of their own are the caller's to make."""
    for name in _EXAMPLE_PLACES:
        before = list(getattr(definition, name, None) or ())
        if not hasattr(definition, name) or not all(isinstance(each, str) for each in before):
            continue
        kept = [] if replace else before
        try:
            _put(definition, name, [*kept, *(each for each in sentences if each not in kept)])
        except ValidationError:
            continue  # the model keeps examples as something else than texts


# ── both modes ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def _together[T](coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines together; the first exception ends them all."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _intercepted(
    ai: Connector, batches: Batches | None, poll_interval: float
) -> AsyncIterator[InterceptingConnector]:
    """A connector whose requests go out as a batch to where the given one's would have gone."""
    if isinstance(ai, InterceptingConnector):
        yield ai
        return
    carrier = batches or batches_of(ai)
    try:
        yield InterceptingConnector(BatchSynthesisCollector(carrier, poll_interval=poll_interval), model_of(ai))
    finally:
        if carrier is not batches:
            await carrier.close()


def batches_of(ai: Connector) -> OpenAIBatches:
    """Where a connector's requests go out as batches. Raises `UsageError` for a connector that is not OpenAI's."""
    if not isinstance(ai, OpenAIConnector):
        raise UsageError("batch_mode needs an OpenAIConnector, or somewhere to send the batch to as batches=…")
    return OpenAIBatches(ai.api_key, base_url=ai.base_url)


async def _tell(tracker: object, enhancement: Enhancement) -> None:
    update = getattr(tracker, "update", None)
    if callable(update):
        message = f"Enhanced definitions: {len(enhancement.filled)} components, {len(enhancement.failed)} failed"
        told = update(stage=_STAGE, progress=_PROGRESS, message=message)
        if isawaitable(told):
            await told
