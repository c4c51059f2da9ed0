"""The exported names, for type checkers; `__init__.py` imports them on first use."""

from floridify_batch.batch_processor import (
    BatchResults as BatchResults,
)
from floridify_batch.batch_processor import (
    BatchSynthesisProcessor as BatchSynthesisProcessor,
)
from floridify_batch.batch_processor import (
    SynthesisBatchProcessor as SynthesisBatchProcessor,
)
from floridify_batch.batch_synthesis import (
    BatchSynthesisCollector as BatchSynthesisCollector,
)
from floridify_batch.batch_synthesis import (
    InterceptingConnector as InterceptingConnector,
)
from floridify_batch.components.answer import (
    AntonymResponse as AntonymResponse,
)
from floridify_batch.components.answer import (
    CEFRLevelResponse as CEFRLevelResponse,
)
from floridify_batch.components.answer import (
    ClusterMapping as ClusterMapping,
)
from floridify_batch.components.answer import (
    ClusterMappingResponse as ClusterMappingResponse,
)
from floridify_batch.components.answer import (
    CollocationResponse as CollocationResponse,
)
from floridify_batch.components.answer import (
    DefinitionResponse as DefinitionResponse,
)
from floridify_batch.components.answer import (
    DomainIdentificationResponse as DomainIdentificationResponse,
)
from floridify_batch.components.answer import (
    EtymologyResponse as EtymologyResponse,
)
from floridify_batch.components.answer import (
    ExampleGenerationResponse as ExampleGenerationResponse,
)
from floridify_batch.components.answer import (
    FactGenerationResponse as FactGenerationResponse,
)
from floridify_batch.components.answer import (
    FallbackDefinitionsResponse as FallbackDefinitionsResponse,
)
from floridify_batch.components.answer import (
    FrequencyBandResponse as FrequencyBandResponse,
)
from floridify_batch.components.answer import (
    GrammarPatternResponse as GrammarPatternResponse,
)
from floridify_batch.components.answer import (
    PhraseResponse as PhraseResponse,
)
from floridify_batch.components.answer import (
    PronunciationResponse as PronunciationResponse,
)
from floridify_batch.components.answer import (
    RegionalVariantResponse as RegionalVariantResponse,
)
from floridify_batch.components.answer import (
    RegisterClassificationResponse as RegisterClassificationResponse,
)
from floridify_batch.components.answer import (
    SynonymCandidate as SynonymCandidate,
)
from floridify_batch.components.answer import (
    SynonymChooserResponse as SynonymChooserResponse,
)
from floridify_batch.components.answer import (
    SynonymGenerationResponse as SynonymGenerationResponse,
)
from floridify_batch.components.answer import (
    SynthesisResponse as SynthesisResponse,
)
from floridify_batch.components.answer import (
    UsageNoteResponse as UsageNoteResponse,
)
from floridify_batch.components.answer import (
    WordFormResponse as WordFormResponse,
)
from floridify_batch.components.failure import (
    FailureReason as FailureReason,
)
from floridify_batch.components.recipe import (
    SynthesisComponent as SynthesisComponent,
)
from floridify_batch.components.request import (
    AnswerError as AnswerError,
)
from floridify_batch.components.request import (
    SynthesisRequest as SynthesisRequest,
)
from floridify_batch.conversion import (
    DefinitionLike as DefinitionLike,
)
from floridify_batch.conversion import (
    WordLike as WordLike,
)
from floridify_batch.database.store import (
    MongoStore as MongoStore,
)
from floridify_batch.enhancement import (
    Enhancement as Enhancement,
)
from floridify_batch.enhancement import (
    Filled as Filled,
)
from floridify_batch.enhancement import (
    Unfilled as Unfilled,
)
from floridify_batch.enhancement import (
    enhance_definitions_parallel as enhance_definitions_parallel,
)
from floridify_batch.errors import (
    BatchSynthError as BatchSynthError,
)
from floridify_batch.errors import (
    ServiceError as ServiceError,
)
from floridify_batch.errors import (
    UnknownBatch as UnknownBatch,
)
from floridify_batch.errors import (
    UsageError as UsageError,
)
from floridify_batch.providers.interface import (
    Batches as Batches,
)
from floridify_batch.providers.interface import (
    Connector as Connector,
)
from floridify_batch.providers.openai_batches import (
    OpenAIBatches as OpenAIBatches,
)
from floridify_batch.providers.openai_connector import (
    OpenAIConnector as OpenAIConnector,
)
from floridify_batch.providers.openai_connector import (
    get_openai_connector as get_openai_connector,
)
from floridify_batch.synthesis import (
    assess_collocations as assess_collocations,
)
from floridify_batch.synthesis import (
    assess_definition_cefr as assess_definition_cefr,
)
from floridify_batch.synthesis import (
    assess_definition_domain as assess_definition_domain,
)
from floridify_batch.synthesis import (
    assess_definition_frequency as assess_definition_frequency,
)
from floridify_batch.synthesis import (
    assess_grammar_patterns as assess_grammar_patterns,
)
from floridify_batch.synthesis import (
    assess_regional_variants as assess_regional_variants,
)
from floridify_batch.synthesis import (
    classify_definition_register as classify_definition_register,
)
from floridify_batch.synthesis import (
    cluster_definitions as cluster_definitions,
)
from floridify_batch.synthesis import (
    generate_definitions as generate_definitions,
)
from floridify_batch.synthesis import (
    generate_examples as generate_examples,
)
from floridify_batch.synthesis import (
    generate_facts as generate_facts,
)
from floridify_batch.synthesis import (
    generate_phrases as generate_phrases,
)
from floridify_batch.synthesis import (
    synthesize_antonyms as synthesize_antonyms,
)
from floridify_batch.synthesis import (
    synthesize_definition_text as synthesize_definition_text,
)
from floridify_batch.synthesis import (
    synthesize_etymology as synthesize_etymology,
)
from floridify_batch.synthesis import (
    synthesize_pronunciation as synthesize_pronunciation,
)
from floridify_batch.synthesis import (
    synthesize_synonym_chooser as synthesize_synonym_chooser,
)
from floridify_batch.synthesis import (
    synthesize_synonyms as synthesize_synonyms,
)
from floridify_batch.synthesis import (
    synthesize_word_forms as synthesize_word_forms,
)
from floridify_batch.synthesis import (
    usage_note_generation as usage_note_generation,
)

__all__: list[str]
