"""Synthesis of a whole entry: definitions, clusters and all components of one word, as typed values."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from floridify_batch.components.cluster_definitions import ClusterMappingResponse
from floridify_batch.components.etymology import EtymologyResponse
from floridify_batch.components.facts import FactGenerationResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.pronunciation import PronunciationResponse
from floridify_batch.components.registry import DEFAULT_COMPONENTS
from floridify_batch.components.requests import AnswerError
from floridify_batch.definition_conversion import WordLike, plain, read, text_of
from floridify_batch.enhancement import Enhancement, enhance_definitions_parallel, intercepted
from floridify_batch.providers.interface import Batches
from floridify_batch.synthesis import (
    AnyConnector,
    cluster_definitions,
    generate_definitions,
    generate_facts,
    synthesize_definition_text,
    synthesize_etymology,
    synthesize_pronunciation,
)


@dataclass(slots=True)
class SynthesizedDefinition:
    """A definition of an entry; the enhancement sets its components as attributes of the names in the database."""

    text: str
    part_of_speech: str
    providers: list[str] = field(default_factory=list)
    meaning_cluster: str | None = None
    synonyms: list[str] = field(default_factory=list)
    antonyms: list[str] = field(default_factory=list)
    cognates: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    cefr_level: str | None = None
    frequency_band: int | None = None
    language_register: str | None = None
    domain: str | None = None
    region: str | None = None
    grammar_patterns: list[Any] = field(default_factory=list)
    collocations: list[Any] = field(default_factory=list)
    usage_notes: list[Any] = field(default_factory=list)
    word_forms: list[Any] = field(default_factory=list)
    synthesis_judgements: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SynthesizedEntry:
    """A synthesized entry. `enhancement` has the answers and failures of the definitions' components.

    `failed` maps the other components that failed to their reasons.
    """

    word: str
    definitions: tuple[SynthesizedDefinition, ...]
    enhancement: Enhancement
    clusters: ClusterMappingResponse | None = None
    pronunciation: PronunciationResponse | None = None
    etymology: EtymologyResponse | None = None
    facts: FactGenerationResponse | None = None
    failed: dict[str, FailureReason] = field(default_factory=dict)


async def synthesize_entry(
    word: str | WordLike,
    providers_data: Sequence[object],
    ai: AnyConnector,
    components: Collection[Any] | None = None,
    batch_mode: bool = False,
    *,
    batches: Batches | None = None,
    poll_interval: float = 60.0,
) -> SynthesizedEntry:
    """Synthesize the entry of a word from its sources, immediately or in batches.

    A source is a mapping or an object with `name` (or `provider`), `definitions` and an optional `etymology`. Without
    definitions, they are generated; several are clustered, and each cluster gets one definition. `components` are those
    of definitions and of the word (default: Floridify's default set). With `batch_mode`, or
    with an `InterceptingConnector` under a collector's `gather`, each step of all entries is one batch. A failed
    component is reported and does not affect the others; raises as `enhance_definitions_parallel` does.
    """
    if batch_mode:
        async with intercepted(ai, batches, poll_interval) as intercepting:
            (entry,) = await intercepting.collector.gather(_entry(word, providers_data, intercepting, components))
        return entry
    return await _entry(word, providers_data, ai, components)


async def _entry(
    word: str | WordLike, sources: Sequence[object], ai: AnyConnector, components: Collection[Any] | None
) -> SynthesizedEntry:
    failed: dict[str, FailureReason] = {}
    chosen = {str(getattr(each, "value", each)) for each in (DEFAULT_COMPONENTS if components is None else components)}
    stated = list(_stated(sources))
    (definitions, clusters), pronunciation, etymology = await asyncio.gather(
        _definitions(word, stated, ai, failed),
        _tried("pronunciation", synthesize_pronunciation(word, sources, ai, definitions=stated), failed, chosen),
        _tried("etymology", synthesize_etymology(word, sources, ai, definitions=stated), failed, chosen),
    )
    if not definitions:
        return SynthesizedEntry(text_of(word), (), Enhancement(), clusters, pronunciation, etymology, None, failed)
    enhancement, facts = await asyncio.gather(
        enhance_definitions_parallel(definitions, word, ai, components),
        _tried("facts", generate_facts(word, definitions, ai), failed, chosen),
    )
    return SynthesizedEntry(
        text_of(word), tuple(definitions), enhancement, clusters, pronunciation, etymology, facts, failed
    )


async def _definitions(
    word: str | WordLike, stated: list[SynthesizedDefinition], ai: AnyConnector, failed: dict[str, FailureReason]
) -> tuple[list[SynthesizedDefinition], ClusterMappingResponse | None]:
    if not stated:
        generated = await _tried("definitions", generate_definitions(word, ai), failed)
        senses = generated.definitions if generated else ()
        return [SynthesizedDefinition(each.definition, each.part_of_speech) for each in senses], None
    if len(stated) == 1:
        return stated, None
    clusters = await _tried("cluster_definitions", cluster_definitions(word, stated, ai), failed)
    if clusters is None:
        return stated, None
    groups = _groups(stated, clusters)
    return list(await asyncio.gather(*(_merged(word, name, group, ai, failed) for name, group in groups))), clusters


def _stated(sources: Iterable[object]) -> Iterable[SynthesizedDefinition]:
    for source in sources:
        name = plain(read(source, "name") or read(source, "provider"))
        for definition in read(source, "definitions") or ():
            text = plain(read(definition, "text") or read(definition, "definition"))
            if text:
                yield SynthesizedDefinition(text, plain(read(definition, "part_of_speech")), [name] * bool(name))


def _groups(
    stated: Sequence[SynthesizedDefinition], clusters: ClusterMappingResponse
) -> list[tuple[str, list[SynthesizedDefinition]]]:
    """Return the clusters with their definitions; a definition outside every cluster forms its own."""
    open_ = dict(enumerate(stated, 1))
    groups = []
    for cluster in clusters.clusters:
        group = [open_.pop(index) for index in cluster.definition_indices if index in open_]
        if group:
            groups.append((cluster.cluster_slug, group))
    return groups + [(definition.text, [definition]) for definition in open_.values()]


async def _merged(
    word: str | WordLike,
    name: str,
    group: Sequence[SynthesizedDefinition],
    ai: AnyConnector,
    failed: dict[str, FailureReason],
) -> SynthesizedDefinition:
    """Return one definition for a cluster: its only one, or a new one written from all."""
    first = group[0]
    providers = list(dict.fromkeys(provider for each in group for provider in each.providers))
    if len(group) == 1:
        return SynthesizedDefinition(first.text, first.part_of_speech, providers, name)
    request = synthesize_definition_text(group, word, ai, meaning_cluster=name)
    written = await _tried("definition_text", request, failed)
    best = written.definitions[0] if written and written.definitions else None
    if best is None:
        return SynthesizedDefinition(first.text, first.part_of_speech, providers, name)
    return SynthesizedDefinition(best.definition, best.part_of_speech or first.part_of_speech, providers, name)


async def _tried[T](
    component: str,
    request: Coroutine[Any, Any, T],
    failed: dict[str, FailureReason],
    chosen: Collection[str] | None = None,
) -> T | None:
    """Return an answer; None for a component that is not chosen, and for a failed request, whose reason is recorded."""
    if chosen is not None and component not in chosen:
        request.close()
        return None
    try:
        return await request
    except AnswerError as error:
        failed[component] = error.reason
        return None
