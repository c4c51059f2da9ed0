"""The functions that ask: one for each component, each returning its typed answer.

None of them knows how its answer comes about: `ai` is any connector. With an `OpenAIConnector` it is answered at once,
with an `InterceptingConnector` by a batch. Every function raises `AnswerError` where there is no usable answer, and
`ServiceError` where the service stops every request.

A word is its text, or anything that has one as `text`; a definition is anything with `text` and `part_of_speech`.
`language` is an ISO 639-1 code (default: the word's own, else English), `count` how many items are asked for (default:
what suits the component). Where a function does not take the word anyway, the answer is better for `word`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from floridify_batch.components import answer as answers
from floridify_batch.components import definition_recipes as recipes
from floridify_batch.components import word_recipes
from floridify_batch.components.recipe import Recipe
from floridify_batch.providers.interface import Connector
from floridify_batch.request_builder import (
    DefinitionLike,
    WordLike,
    ask,
    entry_of,
    read,
    text_of,
    view_of,
    views_of,
    word_of,
)
from floridify_batch.words.entry import Cluster, Definition, Entry, derived_id

# ── of a definition ────────────────────────────────────────────────────────────────────────────────────────────────


async def _ask_of[R: BaseModel](
    recipe: Recipe[Any, R],
    word: str | WordLike,
    definition: DefinitionLike,
    ai: Connector,
    language: str | None,
    count: int | None = None,
) -> R:
    view = view_of(definition, text_of(word))
    return await ask(recipe, entry_of(word, language, [view]), view, ai, count)


async def synthesize_synonyms(
    word: str | WordLike,
    definition: DefinitionLike,
    ai: Connector,
    count: int | None = None,
    *,
    language: str | None = None,
) -> answers.SynonymGenerationResponse:
    """Words of the same meaning, best first; those that the definition has already are not among them."""
    return await _ask_of(recipes.SYNONYMS, word, definition, ai, language, count)


async def synthesize_antonyms(
    word: str | WordLike,
    definition: DefinitionLike,
    ai: Connector,
    count: int | None = None,
    *,
    language: str | None = None,
) -> answers.AntonymResponse:
    """Words of the opposite meaning, best first; those that the definition has already are not among them."""
    return await _ask_of(recipes.ANTONYMS, word, definition, ai, language, count)


async def generate_examples(
    word: str | WordLike,
    definition: DefinitionLike,
    ai: Connector,
    count: int | None = None,
    *,
    language: str | None = None,
) -> answers.ExampleGenerationResponse:
    """Sentences that show the word in this sense."""
    return await _ask_of(recipes.EXAMPLES, word, definition, ai, language, count)


async def assess_definition_cefr(
    definition: DefinitionLike, word: str | WordLike, ai: Connector, *, language: str | None = None
) -> answers.CEFRLevelResponse:
    """The level, A1 to C2, at which a learner meets this sense."""
    return await _ask_of(recipes.CEFR_LEVEL, word, definition, ai, language)


async def assess_definition_frequency(
    definition: DefinitionLike, word: str | WordLike, ai: Connector, *, language: str | None = None
) -> answers.FrequencyBandResponse:
    """How common this sense is: a band from 1, the most common, to 5."""
    return await _ask_of(recipes.FREQUENCY_BAND, word, definition, ai, language)


async def assess_collocations(
    definition: DefinitionLike,
    word: str | WordLike,
    ai: Connector,
    count: int | None = None,
    *,
    language: str | None = None,
) -> answers.CollocationResponse:
    """Phrases that this sense is often met in, each with its kind and its frequency from 0 to 1."""
    return await _ask_of(recipes.COLLOCATIONS, word, definition, ai, language, count)


async def usage_note_generation(
    definition: DefinitionLike,
    word: str | WordLike,
    ai: Connector,
    count: int | None = None,
    *,
    language: str | None = None,
) -> answers.UsageNoteResponse:
    """Advice on using the word in this sense."""
    return await _ask_of(recipes.USAGE_NOTES, word, definition, ai, language, count)


async def classify_definition_register(
    definition: DefinitionLike, ai: Connector, *, word: str | WordLike = "", language: str | None = None
) -> answers.RegisterClassificationResponse:
    """The register that this sense belongs to."""
    return await _ask_of(recipes.REGISTER, word, definition, ai, language)


async def assess_definition_domain(
    definition: DefinitionLike, ai: Connector, *, word: str | WordLike = "", language: str | None = None
) -> answers.DomainIdentificationResponse:
    """The field that this sense belongs to; None for general language."""
    return await _ask_of(recipes.DOMAIN, word, definition, ai, language)


async def assess_grammar_patterns(
    definition: DefinitionLike,
    ai: Connector,
    count: int | None = None,
    *,
    word: str | WordLike = "",
    language: str | None = None,
) -> answers.GrammarPatternResponse:
    """The constructions that this sense is used in, and beside each what it means."""
    return await _ask_of(recipes.GRAMMAR_PATTERNS, word, definition, ai, language, count)


async def assess_regional_variants(
    definition: DefinitionLike, ai: Connector, *, word: str | WordLike = "", language: str | None = None
) -> answers.RegionalVariantResponse:
    """Where this sense is at home; empty for everywhere."""
    return await _ask_of(recipes.REGIONAL_VARIANTS, word, definition, ai, language)


async def synthesize_word_forms(
    word: str | WordLike, part_of_speech: str, ai: Connector, *, language: str | None = None
) -> answers.WordFormResponse:
    """The inflected forms of the word as this part of speech."""
    owner = word_of(word, language)
    target = Definition(derived_id("word_forms", owner.id, part_of_speech), part_of_speech, owner.text)
    return await ask(recipes.WORD_FORMS, Entry(owner, (target,)), target, ai)


# ── of a word ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def generate_definitions(
    word: str | WordLike, ai: Connector, count: int | None = None, *, language: str | None = None
) -> answers.FallbackDefinitionsResponse:
    """The senses of a word that no dictionary at hand defines, commonest first; empty where it is no word."""
    entry = Entry(word_of(word, language))
    return await ask(word_recipes.DEFINITIONS, entry, entry, ai, count)


async def synthesize_pronunciation(
    word: str | WordLike,
    providers_data: Iterable[object],  # noqa: ARG001  callers pass it; the model is asked for what providers lack
    ai: Connector,
    *,
    language: str | None = None,
) -> answers.PronunciationResponse:
    """How the word is said: respelled for readers, and in IPA."""
    entry = Entry(word_of(word, language))
    return await ask(word_recipes.PRONUNCIATION, entry, entry, ai)


async def synthesize_etymology(
    word: str | WordLike, providers_data: Iterable[object], ai: Connector, *, language: str | None = None
) -> answers.EtymologyResponse:
    """Where the word comes from, given what providers say.

    A provider is a dictionary or an object with a `name` (or `provider`) and an `etymology_text` (or `etymology`, a
    text or something that has one as `text`); those without an etymology are passed over.
    """
    etymologies = tuple(found for provider in providers_data if (found := _etymology_of(provider)))
    entry = replace(Entry(word_of(word, language, *etymologies)), etymologies=etymologies)
    return await ask(word_recipes.ETYMOLOGY, entry, entry, ai)


def _etymology_of(provider: object) -> tuple[str, str] | None:
    stated = read(provider, "etymology_text") or read(provider, "etymology")
    text = stated if isinstance(stated, str) else read(stated, "text")
    name = read(provider, "name") or read(provider, "provider") or "unknown"
    return (str(getattr(name, "value", name)), str(text)) if text else None


async def generate_facts(
    word: str | WordLike,
    definitions: Sequence[DefinitionLike],
    ai: Connector,
    count: int | None = None,
    *,
    language: str | None = None,
) -> answers.FactGenerationResponse:
    """Things worth knowing about the word, told from its first definition. Raises `ValueError` where it has none."""
    if not definitions:
        raise ValueError("facts are told from a definition: give at least one")
    entry = entry_of(word, language, views_of(definitions, word))
    return await ask(word_recipes.FACTS, entry, entry, ai, count)


async def generate_phrases(
    word: str | WordLike, ai: Connector, count: int | None = None, *, language: str | None = None
) -> answers.PhraseResponse:
    """Fixed expressions that contain the word."""
    entry = Entry(word_of(word, language))
    return await ask(word_recipes.PHRASES, entry, entry, ai, count)


async def synthesize_synonym_chooser(
    word: str | WordLike, synonyms: Sequence[str], ai: Connector, *, language: str | None = None
) -> answers.SynonymChooserResponse:
    """An essay on choosing among synonyms, of which eight are compared at the most. Raises `ValueError` below two."""
    distinct = list(dict.fromkeys(synonyms))
    if len(distinct) < 2:  # noqa: PLR2004
        raise ValueError("there is nothing to choose among fewer than two synonyms")
    owner = word_of(word, language, *distinct)
    entry = Entry(owner, (Definition(owner.id, "", owner.text, synonyms=distinct),))
    return await ask(word_recipes.SYNONYM_CHOOSER, entry, entry, ai)


# ── of several definitions ─────────────────────────────────────────────────────────────────────────────────────────


async def cluster_definitions(
    word: str | WordLike, definitions: Sequence[DefinitionLike], ai: Connector, *, language: str | None = None
) -> answers.ClusterMappingResponse:
    """The meanings of a word, each with the definitions that state it, by their numbers from 1."""
    if not definitions:
        raise ValueError("there is nothing to cluster: give at least one definition")
    entry = entry_of(word, language, views_of(definitions, word))
    entry = replace(entry, sources=entry.definitions)
    return await ask(word_recipes.CLUSTER_DEFINITIONS, entry, entry, ai)


async def synthesize_definition_text(
    clustered_definitions: Sequence[DefinitionLike | Mapping[str, Any]],
    word: str | WordLike,
    ai: Connector,
    *,
    meaning_cluster: str = "",
    language: str | None = None,
) -> answers.SynthesisResponse:
    """Definitions of one meaning, written from those that several sources have for it; the first is the best.

    A source's definition is an object or a dictionary with `part_of_speech`, `text` (or `definition`) and `providers`
    (or `provider`). `meaning_cluster` names the meaning.
    """
    if not clustered_definitions:
        raise ValueError("a definition is written from others: give at least one")
    entry = entry_of(word, language, views_of(clustered_definitions, word))
    identity = derived_id("cluster", entry.id, meaning_cluster, *(each.text for each in entry.definitions))
    cluster = Cluster(identity, 0, meaning_cluster, {}, entry.definitions, {})
    return await ask(word_recipes.DEFINITION_TEXT, entry, cluster, ai)
