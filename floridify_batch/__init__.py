"""Finished dictionary entries from a word list, through OpenAI's Batch API.

What a program needs of the library is here, and is loaded when it is first used: importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from floridify_batch.batch_processor import BatchResults, BatchSynthesisProcessor, SynthesisBatchProcessor
    from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
    from floridify_batch.components.answer import (
        AntonymResponse,
        CEFRLevelResponse,
        ClusterMapping,
        ClusterMappingResponse,
        CollocationResponse,
        DefinitionResponse,
        DomainIdentificationResponse,
        EtymologyResponse,
        ExampleGenerationResponse,
        FactGenerationResponse,
        FallbackDefinitionsResponse,
        FrequencyBandResponse,
        GrammarPatternResponse,
        PhraseResponse,
        PronunciationResponse,
        RegionalVariantResponse,
        RegisterClassificationResponse,
        SynonymCandidate,
        SynonymChooserResponse,
        SynonymGenerationResponse,
        SynthesisResponse,
        UsageNoteResponse,
        WordFormResponse,
    )
    from floridify_batch.components.failure import FailureReason
    from floridify_batch.components.recipe import SynthesisComponent
    from floridify_batch.components.request import AnswerError, SynthesisRequest
    from floridify_batch.database.store import MongoStore
    from floridify_batch.enhancement import Enhancement, Filled, Unfilled, enhance_definitions_parallel
    from floridify_batch.errors import BatchSynthError, ServiceError, UnknownBatch, UsageError
    from floridify_batch.providers.interface import Batches, Connector
    from floridify_batch.providers.openai_batches import OpenAIBatches
    from floridify_batch.providers.openai_connector import OpenAIConnector, get_openai_connector
    from floridify_batch.request_builder import DefinitionLike, WordLike
    from floridify_batch.synthesis import (
        assess_collocations,
        assess_definition_cefr,
        assess_definition_domain,
        assess_definition_frequency,
        assess_grammar_patterns,
        assess_regional_variants,
        classify_definition_register,
        cluster_definitions,
        generate_definitions,
        generate_examples,
        generate_facts,
        generate_phrases,
        synthesize_antonyms,
        synthesize_definition_text,
        synthesize_etymology,
        synthesize_pronunciation,
        synthesize_synonym_chooser,
        synthesize_synonyms,
        synthesize_word_forms,
        usage_note_generation,
    )

_ROOMS = {
    "components.answer": (
        "AntonymResponse CEFRLevelResponse ClusterMapping ClusterMappingResponse CollocationResponse "
        "DefinitionResponse DomainIdentificationResponse EtymologyResponse ExampleGenerationResponse "
        "FactGenerationResponse FallbackDefinitionsResponse FrequencyBandResponse GrammarPatternResponse "
        "PhraseResponse PronunciationResponse RegionalVariantResponse RegisterClassificationResponse "
        "SynonymCandidate SynonymChooserResponse SynonymGenerationResponse SynthesisResponse UsageNoteResponse "
        "WordFormResponse"
    ),
    "request_builder": "DefinitionLike WordLike",
    "batch_processor": "BatchResults BatchSynthesisProcessor SynthesisBatchProcessor",
    "batch_synthesis": "BatchSynthesisCollector InterceptingConnector",
    "providers.interface": "Batches Connector",
    "providers.openai_batches": "OpenAIBatches",
    "components.recipe": "SynthesisComponent",
    "providers.openai_connector": "OpenAIConnector get_openai_connector",
    "enhancement": "Enhancement Filled Unfilled enhance_definitions_parallel",
    "errors": "BatchSynthError ServiceError UnknownBatch UsageError",
    "components.failure": "FailureReason",
    "components.request": "AnswerError SynthesisRequest",
    "database.store": "MongoStore",
    "synthesis": (
        "assess_collocations assess_definition_cefr assess_definition_domain assess_definition_frequency "
        "assess_grammar_patterns assess_regional_variants classify_definition_register cluster_definitions "
        "generate_definitions generate_examples generate_facts generate_phrases synthesize_antonyms "
        "synthesize_definition_text synthesize_etymology synthesize_pronunciation synthesize_synonym_chooser "
        "synthesize_synonyms synthesize_word_forms usage_note_generation"
    ),
}
"""Where each name lives; the imports above say the same to type checkers, which do not run this."""

_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [
    "AnswerError",
    "AntonymResponse",
    "BatchResults",
    "BatchSynthError",
    "BatchSynthesisCollector",
    "BatchSynthesisProcessor",
    "Batches",
    "CEFRLevelResponse",
    "ClusterMapping",
    "ClusterMappingResponse",
    "CollocationResponse",
    "Connector",
    "DefinitionLike",
    "DefinitionResponse",
    "DomainIdentificationResponse",
    "Enhancement",
    "EtymologyResponse",
    "ExampleGenerationResponse",
    "FactGenerationResponse",
    "FailureReason",
    "FallbackDefinitionsResponse",
    "Filled",
    "FrequencyBandResponse",
    "GrammarPatternResponse",
    "InterceptingConnector",
    "MongoStore",
    "OpenAIBatches",
    "OpenAIConnector",
    "PhraseResponse",
    "PronunciationResponse",
    "RegionalVariantResponse",
    "RegisterClassificationResponse",
    "ServiceError",
    "SynonymCandidate",
    "SynonymChooserResponse",
    "SynonymGenerationResponse",
    "SynthesisBatchProcessor",
    "SynthesisComponent",
    "SynthesisRequest",
    "SynthesisResponse",
    "Unfilled",
    "UnknownBatch",
    "UsageError",
    "UsageNoteResponse",
    "WordFormResponse",
    "WordLike",
    "assess_collocations",
    "assess_definition_cefr",
    "assess_definition_domain",
    "assess_definition_frequency",
    "assess_grammar_patterns",
    "assess_regional_variants",
    "classify_definition_register",
    "cluster_definitions",
    "enhance_definitions_parallel",
    "generate_definitions",
    "generate_examples",
    "generate_facts",
    "generate_phrases",
    "get_openai_connector",
    "synthesize_antonyms",
    "synthesize_definition_text",
    "synthesize_etymology",
    "synthesize_pronunciation",
    "synthesize_synonym_chooser",
    "synthesize_synonyms",
    "synthesize_word_forms",
    "usage_note_generation",
]


if not TYPE_CHECKING:  # else a checker would take any name at all for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _ROOM_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
        globals()[name] = value  # so that this is asked once for each name
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOM_OF})
