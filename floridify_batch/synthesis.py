"""The synthesis functions: one per component, each returning its typed answer.

The mode is decided by `ai`: an `OpenAIConnector` answers immediately, an `InterceptingConnector` in a batch, and any
object with `_make_structured_request(prompt, response_model)` in its own way. Every function raises `AnswerError` for
an answer that cannot be used, and `ServiceError` for any other failure.

A word is a string or an object with `text`. A definition is an object or mapping with `text` and `part_of_speech`: a
dataclass, a pydantic model, a document of an object mapper. No argument is changed. `language` is an ISO 639-1 code
(default: the word's own, else English), `count` the number of items (default: the component's own). Functions that do
not need the word take it as the keyword `word`, which improves the answer. `state_tracker.update(stage=…, message=…)`
is called before the request, `force_refresh` ignores existing values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from inspect import isawaitable
from typing import Any, Protocol

from pydantic import BaseModel

from floridify_batch.components.antonyms import RECIPE as ANTONYMS, AntonymResponse
from floridify_batch.components.cefr_level import RECIPE as CEFR_LEVEL, CEFRLevelResponse
from floridify_batch.components.cluster_definitions import RECIPE as CLUSTER_DEFINITIONS, ClusterMappingResponse
from floridify_batch.components.collocations import RECIPE as COLLOCATIONS, CollocationResponse
from floridify_batch.components.definition_text import RECIPE as DEFINITION_TEXT, SynthesisResponse
from floridify_batch.components.definitions import RECIPE as DEFINITIONS, FallbackDefinitionsResponse
from floridify_batch.components.domain import RECIPE as DOMAIN, DomainIdentificationResponse
from floridify_batch.components.etymology import RECIPE as ETYMOLOGY, EtymologyResponse
from floridify_batch.components.examples import RECIPE as EXAMPLES, ExampleGenerationResponse
from floridify_batch.components.facts import RECIPE as FACTS, FactGenerationResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.frequency_band import RECIPE as FREQUENCY_BAND, FrequencyBandResponse
from floridify_batch.components.grammar_patterns import RECIPE as GRAMMAR_PATTERNS, GrammarPatternResponse
from floridify_batch.components.phrases import RECIPE as PHRASES, PhraseResponse
from floridify_batch.components.pronunciation import RECIPE as PRONUNCIATION, PronunciationResponse
from floridify_batch.components.recipe import Recipe
from floridify_batch.components.regional_variants import RECIPE as REGIONAL_VARIANTS, RegionalVariantResponse
from floridify_batch.components.register import RECIPE as REGISTER, RegisterClassificationResponse
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.requests import AnswerError
from floridify_batch.components.synonym_chooser import RECIPE as SYNONYM_CHOOSER, SynonymChooserResponse
from floridify_batch.components.synonyms import RECIPE as SYNONYMS, SynonymGenerationResponse
from floridify_batch.components.usage_notes import RECIPE as USAGE_NOTES, UsageNoteResponse
from floridify_batch.components.word_forms import RECIPE as WORD_FORMS, WordFormResponse
from floridify_batch.definition_conversion import (
    DefinitionLike,
    WordLike,
    entry_of,
    plain,
    read,
    text_of,
    view_of,
    views_of,
    word_of,
)
from floridify_batch.errors import BatchSynthError
from floridify_batch.pipeline.brief import Question, brief
from floridify_batch.providers.interface import DEFAULT_MODEL, Connector
from floridify_batch.words.entry import Cluster, Definition, Entry, derived_id
from floridify_batch.words.language import language_name

STAGE = "AI_SYNTHESIS"
"""The stage that Floridify's state tracker knows for synthesis."""


class StructuredConnector(Protocol):
    """A connector of another library, which answers a prompt with an instance of a pydantic model."""

    async def _make_structured_request[R: BaseModel](
        self, prompt: str, response_model: type[R], **kwargs: Any
    ) -> R: ...


type AnyConnector = Connector | StructuredConnector


# ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Call:
    """The options of a call that all synthesis functions share."""

    ai: AnyConnector
    language: str | None = None
    count: int | None = None
    state_tracker: object = None
    replacing: bool = False
    """Whether the answer replaces existing values, so that the prompt does not exclude them."""


def model_of(ai: object) -> str:
    """Return the model of a connector, or the default model; Floridify's connector names it `model`."""
    named = (getattr(ai, name, None) for name in ("model_name", "model"))
    return next((each for each in named if isinstance(each, str) and each), DEFAULT_MODEL)


@cache
def _question(component: SynthesisComponent, model: str, language: str, count: int | None) -> Question:
    counts: dict[str, int] | None = None if count is None else {component: count}
    spec = brief([component], model=model, language_name=language_name(language), counts=counts)
    return spec.by_component()[component]


async def ask[R: BaseModel](recipe: Recipe[Any, R], entry: Entry, target: Any, call: Call) -> R:
    """Return the answer for one component of a definition, a cluster or an entry."""
    question = _question(recipe.component, model_of(call.ai), entry.word.language, call.count)
    request = question.request(entry, target, None, replacing=call.replacing)
    await notify(call.state_tracker, message=f"{recipe.component} of {entry.word.text}")
    complete = getattr(call.ai, "complete", None)
    if complete is not None:
        answer: R = await complete(request)
        return answer
    envelope = request.envelope
    prompt = f"{envelope.instructions}\n\n{request.prompt}" if envelope.instructions else request.prompt
    return await _structured(call.ai, prompt, envelope.answer)


async def _structured[R: BaseModel](ai: Any, prompt: str, answer: type[R]) -> R:
    try:
        structured: R = await ai._make_structured_request(prompt, answer)  # noqa: SLF001  the name callers share
    except (AnswerError, BatchSynthError):
        raise
    except Exception as error:  # another library's errors: only their text is known here
        raise AnswerError(FailureReason.HTTP, str(error) or type(error).__name__) from error
    return structured


async def notify(state_tracker: object, **news: object) -> None:
    """Call `update` of Floridify's state tracker, if there is one."""
    update = getattr(state_tracker, "update", None)
    if callable(update):
        result = update(stage=STAGE, **news)
        if isawaitable(result):
            await result


# ── components of a definition ─────────────────────────────────────────────────────────────────────────────────────


async def ask_about[R: BaseModel](
    recipe: Recipe[Any, R], word: str | WordLike, definition: DefinitionLike, call: Call
) -> R:
    """Answer a component's request about a definition, as the language and the connector of the call have it."""
    view = view_of(definition, text_of(word))
    return await ask(recipe, entry_of(word, call.language, [view]), view, call)


async def synthesize_synonyms(
    word: str | WordLike,
    definition: DefinitionLike,
    ai: AnyConnector,
    count: int | None = None,
    force_refresh: bool = False,
    state_tracker: object = None,
    language: str | None = None,
) -> SynonymGenerationResponse:
    """Return synonyms, best first, without those that the definition has."""
    return await ask_about(SYNONYMS, word, definition, Call(ai, language, count, state_tracker, force_refresh))


async def synthesize_antonyms(
    word: str | WordLike,
    definition: DefinitionLike,
    ai: AnyConnector,
    count: int | None = None,
    force_refresh: bool = False,
    state_tracker: object = None,
    language: str | None = None,
) -> AntonymResponse:
    """Return antonyms, best first, without those that the definition has."""
    return await ask_about(ANTONYMS, word, definition, Call(ai, language, count, state_tracker, force_refresh))


async def generate_examples(
    word: str | WordLike,
    definition: DefinitionLike,
    ai: AnyConnector,
    count: int | None = None,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> ExampleGenerationResponse:
    """Return example sentences for this sense of the word."""
    return await ask_about(EXAMPLES, word, definition, Call(ai, language, count, state_tracker))


async def assess_definition_cefr(
    definition: DefinitionLike,
    word: str | WordLike,
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> CEFRLevelResponse:
    """Return the CEFR level of this sense, A1 to C2."""
    return await ask_about(CEFR_LEVEL, word, definition, Call(ai, language, None, state_tracker))


async def assess_definition_frequency(
    definition: DefinitionLike,
    word: str | WordLike,
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> FrequencyBandResponse:
    """Return the frequency band of this sense, from 1 (most common) to 5."""
    return await ask_about(FREQUENCY_BAND, word, definition, Call(ai, language, None, state_tracker))


async def assess_collocations(
    definition: DefinitionLike,
    word: str | WordLike,
    ai: AnyConnector,
    count: int | None = None,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> CollocationResponse:
    """Return collocations of this sense, each with its type and its frequency from 0 to 1."""
    return await ask_about(COLLOCATIONS, word, definition, Call(ai, language, count, state_tracker))


async def usage_note_generation(
    definition: DefinitionLike,
    word: str | WordLike,
    ai: AnyConnector,
    count: int | None = None,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> UsageNoteResponse:
    """Return usage notes for this sense."""
    return await ask_about(USAGE_NOTES, word, definition, Call(ai, language, count, state_tracker))


async def classify_definition_register(
    definition: DefinitionLike,
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    word: str | WordLike = "",
    language: str | None = None,
) -> RegisterClassificationResponse:
    """Return the register of this sense."""
    return await ask_about(REGISTER, word, definition, Call(ai, language, None, state_tracker))


async def assess_definition_domain(
    definition: DefinitionLike,
    ai: AnyConnector,
    state_tracker: object = None,
    word: str | WordLike = "",
    *,
    language: str | None = None,
) -> DomainIdentificationResponse:
    """Return the subject field of this sense; None for general language."""
    return await ask_about(DOMAIN, word, definition, Call(ai, language, None, state_tracker))


async def assess_grammar_patterns(
    definition: DefinitionLike,
    ai: AnyConnector,
    count: int | None = None,
    state_tracker: object = None,
    *,
    word: str | WordLike = "",
    language: str | None = None,
) -> GrammarPatternResponse:
    """Return the grammar patterns of this sense, each with its description."""
    return await ask_about(GRAMMAR_PATTERNS, word, definition, Call(ai, language, count, state_tracker))


async def assess_regional_variants(
    definition: DefinitionLike,
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    word: str | WordLike = "",
    language: str | None = None,
) -> RegionalVariantResponse:
    """Return the regions of this sense; none if it is used everywhere."""
    return await ask_about(REGIONAL_VARIANTS, word, definition, Call(ai, language, None, state_tracker))


async def synthesize_word_forms(
    word: str | WordLike,
    part_of_speech: str,
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> WordFormResponse:
    """Return the inflected forms of the word as this part of speech."""
    owner = word_of(word, language)
    target = Definition(derived_id("word_forms", owner.id, part_of_speech), part_of_speech, "")
    return await ask(WORD_FORMS, Entry(owner, (target,)), target, Call(ai, language, None, state_tracker))


# ── components of a word ────────────────────────────────────────────────────────────────────────────────────────────


async def generate_definitions(
    word: str | WordLike,
    ai: AnyConnector,
    count: int | None = None,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> FallbackDefinitionsResponse:
    """Return definitions of a word that no source defines, most common first; none if it is not a word."""
    entry = Entry(word_of(word, language))
    return await ask(DEFINITIONS, entry, entry, Call(ai, language, count, state_tracker))


async def synthesize_pronunciation(
    word: str | WordLike,
    providers_data: Iterable[object],  # noqa: ARG001  part of the known signature; the model needs the word only
    ai: AnyConnector,
    state_tracker: object = None,
    language: str | None = None,
    definitions: Sequence[DefinitionLike] = (),
) -> PronunciationResponse:
    """Return the pronunciation of the word: a respelling, and IPA. `definitions` distinguish it from its homographs."""
    entry = entry_of(word, language, views_of(definitions, word))
    return await ask(PRONUNCIATION, entry, entry, Call(ai, language, None, state_tracker))


async def synthesize_etymology(
    word: str | WordLike,
    providers_data: Iterable[object],
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    language: str | None = None,
    definitions: Sequence[DefinitionLike] = (),
) -> EtymologyResponse:
    """Return the etymology of the word, given those of its sources.

    A source is a mapping or an object with a `name` (or `provider`) and an `etymology_text` (or `etymology`: a string,
    or an object with `text`); sources without an etymology are skipped. `definitions` distinguish the word from its
    homographs.
    """
    etymologies = tuple(found for provider in providers_data if (found := _etymology_of(provider)))
    views = tuple(views_of(definitions, word))
    entry = Entry(word_of(word, language, *etymologies, *(each.text for each in views)), views, etymologies=etymologies)
    return await ask(ETYMOLOGY, entry, entry, Call(ai, language, None, state_tracker))


def _etymology_of(provider: object) -> tuple[str, str] | None:
    stated = read(provider, "etymology_text") or read(provider, "etymology")
    text = stated if isinstance(stated, str) else read(stated, "text")
    name = read(provider, "name") or read(provider, "provider") or "unknown"
    return (plain(name), str(text)) if text else None


async def generate_facts(
    word: str | WordLike,
    definitions: Sequence[DefinitionLike],
    ai: AnyConnector,
    count: int | None = None,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> FactGenerationResponse:
    """Return facts about the word, based on its first definition. Raises `ValueError` without a definition."""
    if not definitions:
        raise ValueError("Facts need at least one definition.")
    entry = entry_of(word, language, views_of(definitions, word))
    return await ask(FACTS, entry, entry, Call(ai, language, count, state_tracker))


async def generate_phrases(
    word: str | WordLike,
    ai: AnyConnector,
    count: int | None = None,
    state_tracker: object = None,
    *,
    language: str | None = None,
    definitions: Sequence[DefinitionLike] = (),
) -> PhraseResponse:
    """Return fixed expressions that contain the word. `definitions` distinguish it from its homographs."""
    entry = entry_of(word, language, views_of(definitions, word))
    return await ask(PHRASES, entry, entry, Call(ai, language, count, state_tracker))


async def synthesize_synonym_chooser(
    word: str | WordLike,
    synonyms: Sequence[str],
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> SynonymChooserResponse:
    """Return an essay on choosing among up to eight synonyms. Raises `ValueError` for fewer than two."""
    distinct = list(dict.fromkeys(synonyms))
    if len(distinct) < 2:  # noqa: PLR2004
        raise ValueError("A synonym chooser needs at least two synonyms.")
    owner = word_of(word, language, *distinct)
    entry = Entry(owner, (Definition(owner.id, "", owner.text, synonyms=distinct),))
    return await ask(SYNONYM_CHOOSER, entry, entry, Call(ai, language, None, state_tracker))


# ── clusters of definitions ────────────────────────────────────────────────────────────────────────────────────────


async def cluster_definitions(
    word: str | WordLike,
    definitions: Sequence[DefinitionLike],
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> ClusterMappingResponse:
    """Group definitions by meaning; each cluster lists its definitions by number, from 1."""
    if not definitions:
        raise ValueError("Clustering needs at least one definition.")
    entry = entry_of(word, language, views_of(definitions, word))
    entry = replace(entry, sources=entry.definitions)
    call = Call(ai, language, None, state_tracker)
    return await ask(CLUSTER_DEFINITIONS, entry, entry, call)


async def synthesize_definition_text(
    clustered_definitions: Sequence[DefinitionLike | Mapping[str, Any]],
    word: str | WordLike,
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    meaning_cluster: str = "",
    language: str | None = None,
) -> SynthesisResponse:
    """Return definitions of one meaning, written from those of several sources; the first is the best.

    A source's definition is an object or a mapping with `part_of_speech`, `text` (or `definition`) and `providers` (or
    `provider`). `meaning_cluster` names the meaning.
    """
    if not clustered_definitions:
        raise ValueError("A definition needs at least one source definition.")
    entry = entry_of(word, language, views_of(clustered_definitions, word))
    identity = derived_id("cluster", entry.id, meaning_cluster, *(each.text for each in entry.definitions))
    cluster = Cluster(identity, 0, meaning_cluster, {}, entry.definitions, {})
    return await ask(DEFINITION_TEXT, entry, cluster, Call(ai, language, None, state_tracker))
