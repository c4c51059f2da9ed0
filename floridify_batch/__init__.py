"""Dictionary entries from a word list, through OpenAI's Batch API.

The package exports the names of the library. Each is imported on first use, so that importing the package is quick;
`__init__.pyi` lists the same names for type checkers. Importing it loads no other module, since the command handles
Ctrl-C only afterwards.
"""

_EXPORTS = {
    "components.antonyms": "AntonymResponse",
    "components.cefr_level": "CEFRLevelResponse",
    "components.cluster_definitions": "ClusterMapping ClusterMappingResponse",
    "components.collocations": "CollocationResponse",
    "components.definition_text": "DefinitionResponse SynthesisResponse",
    "components.definitions": "FallbackDefinitionsResponse",
    "components.domain": "DomainIdentificationResponse",
    "components.etymology": "EtymologyResponse",
    "components.examples": "ExampleGenerationResponse",
    "components.facts": "FactGenerationResponse",
    "components.frequency_band": "FrequencyBandResponse",
    "components.grammar_patterns": "GrammarPatternResponse",
    "components.phrases": "PhraseResponse",
    "components.pronunciation": "PronunciationResponse",
    "components.regional_variants": "RegionalVariantResponse",
    "components.register": "RegisterClassificationResponse",
    "components.synonym_chooser": "SynonymChooserResponse",
    "components.synonyms": "SynonymCandidate SynonymGenerationResponse",
    "components.usage_notes": "UsageNoteResponse",
    "components.word_forms": "WordFormResponse",
    "components.judgement": "JudgementResponse",
    "judgement": "judge_definition",
    "definition_conversion": "DefinitionLike WordLike",
    "batch_processor": "BatchResults BatchSynthesisProcessor SynthesisBatchProcessor",
    "batch_synthesis": "BatchSynthesisCollector InterceptingConnector",
    "providers.interface": "Batches Connector",
    "providers.openai_batches": "OpenAIBatches",
    "components.registry": "SynthesisComponent",
    "providers.openai_connector": "OpenAIConnector get_openai_connector",
    "enhancement": "Enhancement Filled Unfilled enhance_definitions_parallel",
    "entry_synthesis": "SynthesizedDefinition SynthesizedEntry synthesize_entry",
    "errors": "BatchSynthError ServiceError UnknownBatch UsageError",
    "components.failure": "FailureReason",
    "components.requests": "AnswerError SynthesisRequest",
    "database.store": "MongoStore",
    "synthesis": (
        "assess_collocations assess_definition_cefr assess_definition_domain assess_definition_frequency "
        "assess_grammar_patterns assess_regional_variants classify_definition_register cluster_definitions "
        "generate_definitions generate_examples generate_facts generate_phrases synthesize_antonyms "
        "synthesize_definition_text synthesize_etymology synthesize_pronunciation synthesize_synonym_chooser "
        "synthesize_synonyms synthesize_word_forms usage_note_generation"
    ),
}
"""Exported names by module."""

_MODULES = {name: module for module, names in _EXPORTS.items() for name in names.split()}

__all__ = sorted(_MODULES)  # noqa: PLE0605  the table is the only list of the names


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # the next access skips this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
