"""The exported names, for type checkers; `__init__.py` imports them on first use."""

from floridify_batch.batch_processor import (
    BatchResults as BatchResults,
    BatchSynthesisProcessor as BatchSynthesisProcessor,
    SynthesisBatchProcessor as SynthesisBatchProcessor,
)
from floridify_batch.batch_synthesis import (
    BatchSynthesisCollector as BatchSynthesisCollector,
    InterceptingConnector as InterceptingConnector,
)
from floridify_batch.components.antonyms import AntonymResponse as AntonymResponse
from floridify_batch.components.cefr_level import CEFRLevelResponse as CEFRLevelResponse
from floridify_batch.components.cluster_definitions import (
    ClusterMapping as ClusterMapping,
    ClusterMappingResponse as ClusterMappingResponse,
)
from floridify_batch.components.collocations import CollocationResponse as CollocationResponse
from floridify_batch.components.definition_text import (
    DefinitionResponse as DefinitionResponse,
    SynthesisResponse as SynthesisResponse,
)
from floridify_batch.components.definitions import FallbackDefinitionsResponse as FallbackDefinitionsResponse
from floridify_batch.components.domain import DomainIdentificationResponse as DomainIdentificationResponse
from floridify_batch.components.etymology import EtymologyResponse as EtymologyResponse
from floridify_batch.components.examples import ExampleGenerationResponse as ExampleGenerationResponse
from floridify_batch.components.facts import FactGenerationResponse as FactGenerationResponse
from floridify_batch.components.failure import (
    FailureReason as FailureReason,
)
from floridify_batch.components.frequency_band import FrequencyBandResponse as FrequencyBandResponse
from floridify_batch.components.grammar_patterns import GrammarPatternResponse as GrammarPatternResponse
from floridify_batch.components.judgement import JudgementResponse as JudgementResponse
from floridify_batch.components.phrases import PhraseResponse as PhraseResponse
from floridify_batch.components.pronunciation import PronunciationResponse as PronunciationResponse
from floridify_batch.components.regional_variants import RegionalVariantResponse as RegionalVariantResponse
from floridify_batch.components.register import RegisterClassificationResponse as RegisterClassificationResponse
from floridify_batch.components.registry import (
    SynthesisComponent as SynthesisComponent,
)
from floridify_batch.components.requests import (
    AnswerError as AnswerError,
    SynthesisRequest as SynthesisRequest,
)
from floridify_batch.components.synonym_chooser import SynonymChooserResponse as SynonymChooserResponse
from floridify_batch.components.synonyms import (
    SynonymCandidate as SynonymCandidate,
    SynonymGenerationResponse as SynonymGenerationResponse,
)
from floridify_batch.components.usage_notes import UsageNoteResponse as UsageNoteResponse
from floridify_batch.components.word_forms import WordFormResponse as WordFormResponse
from floridify_batch.database.store import (
    MongoStore as MongoStore,
)
from floridify_batch.definition_conversion import (
    DefinitionLike as DefinitionLike,
    WordLike as WordLike,
)
from floridify_batch.enhancement import (
    Enhancement as Enhancement,
    Filled as Filled,
    Unfilled as Unfilled,
    enhance_definitions_parallel as enhance_definitions_parallel,
)
from floridify_batch.entry_synthesis import (
    SynthesizedDefinition as SynthesizedDefinition,
    SynthesizedEntry as SynthesizedEntry,
    synthesize_entry as synthesize_entry,
)
from floridify_batch.errors import (
    BatchSynthError as BatchSynthError,
    ServiceError as ServiceError,
    UnknownBatch as UnknownBatch,
    UsageError as UsageError,
)
from floridify_batch.judgement import (
    judge_definition as judge_definition,
)
from floridify_batch.providers.interface import (
    Batches as Batches,
    Connector as Connector,
)
from floridify_batch.providers.openai_batches import (
    OpenAIBatches as OpenAIBatches,
)
from floridify_batch.providers.openai_connector import (
    OpenAIConnector as OpenAIConnector,
    get_openai_connector as get_openai_connector,
)
from floridify_batch.synthesis import (
    assess_collocations as assess_collocations,
    assess_definition_cefr as assess_definition_cefr,
    assess_definition_domain as assess_definition_domain,
    assess_definition_frequency as assess_definition_frequency,
    assess_grammar_patterns as assess_grammar_patterns,
    assess_regional_variants as assess_regional_variants,
    classify_definition_register as classify_definition_register,
    cluster_definitions as cluster_definitions,
    generate_definitions as generate_definitions,
    generate_examples as generate_examples,
    generate_facts as generate_facts,
    generate_phrases as generate_phrases,
    synthesize_antonyms as synthesize_antonyms,
    synthesize_definition_text as synthesize_definition_text,
    synthesize_etymology as synthesize_etymology,
    synthesize_pronunciation as synthesize_pronunciation,
    synthesize_synonym_chooser as synthesize_synonym_chooser,
    synthesize_synonyms as synthesize_synonyms,
    synthesize_word_forms as synthesize_word_forms,
    usage_note_generation as usage_note_generation,
)

__all__: list[str]
