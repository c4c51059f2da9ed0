"""The recipes of what belongs to a word as a whole, and of the definitions that everything else is about."""

from floridify_batch.components import answer as answers
from floridify_batch.components import word_outcomes
from floridify_batch.components.change import Collection
from floridify_batch.components.recipe import (
    ClusterRecipe,
    ConditionalRecipe,
    SynthesisComponent,
    WordRecipe,
    synonyms_of,
)
from floridify_batch.words.entry import Entry

DEFINED = (
    SynthesisComponent.DEFINITIONS,
    SynthesisComponent.CLUSTER_DEFINITIONS,
    SynthesisComponent.DEFINITION_TEXT,
)
"""What every component of a definition waits for, so far as the run asks for it."""

DEFINITIONS = WordRecipe(
    SynthesisComponent.DEFINITIONS,
    answers.FallbackDefinitionsResponse,
    field="definitions",
    variables=("word",),
    outcome=word_outcomes.new_definitions,
    output_tokens=160,
    output_cap=3000,
    count=6,
    structural=True,
)


def _is_defined(entry: Entry) -> bool:
    """Whether it is a word at all, so far as anybody knows: else there is nothing to tell of it."""
    return bool(entry.definitions)


CLUSTER_DEFINITIONS = ConditionalRecipe(
    SynthesisComponent.CLUSTER_DEFINITIONS,
    answers.ClusterMappingResponse,
    field="synthesised",
    variables=("word", "definitions=sources"),
    outcome=word_outcomes.cluster_definitions,
    output_tokens=150,
    output_cap=3000,
    needs=(SynthesisComponent.DEFINITIONS,),
    structural=True,
    positional=True,
    condition=lambda entry: len(entry.sources) > 1 and not any(each.meaning_cluster for each in entry.sources),
)
DEFINITION_TEXT = ClusterRecipe(
    SynthesisComponent.DEFINITION_TEXT,
    answers.SynthesisResponse,
    field="definitions",
    variables=("word", "definitions", "meaning_cluster"),
    outcome=word_outcomes.definition_text,
    output_tokens=60,
    output_cap=1500,
    needs=(SynthesisComponent.DEFINITIONS, SynthesisComponent.CLUSTER_DEFINITIONS),
    structural=True,
    positional=True,
)
PRONUNCIATION = ConditionalRecipe(
    SynthesisComponent.PRONUNCIATION,
    answers.PronunciationResponse,
    field="pronunciation_id",
    variables=("word", "language=language_code"),
    outcome=word_outcomes.pronunciation,
    output_tokens=25,
    output_cap=400,
    needs=(SynthesisComponent.DEFINITIONS,),
    makes=Collection.PRONUNCIATIONS,
    condition=_is_defined,
)
ETYMOLOGY = ConditionalRecipe(
    SynthesisComponent.ETYMOLOGY,
    answers.EtymologyResponse,
    field="etymology",
    variables=("word", "provider_data"),
    outcome=word_outcomes.etymology,
    output_tokens=100,
    output_cap=1500,
    needs=(SynthesisComponent.DEFINITIONS,),
    condition=_is_defined,
)
PHRASES = ConditionalRecipe(
    SynthesisComponent.PHRASES,
    answers.PhraseResponse,
    field="phrases",
    variables=("word",),
    outcome=word_outcomes.phrases,
    output_tokens=250,
    output_cap=3000,
    count=8,
    needs=(SynthesisComponent.DEFINITIONS,),
    condition=_is_defined,
)
FACTS = ConditionalRecipe(
    SynthesisComponent.FACTS,
    answers.FactGenerationResponse,
    field="fact_ids",
    variables=("word", "definition=first_definition"),
    outcome=word_outcomes.facts,
    output_tokens=110,
    output_cap=1500,
    count=3,
    needs=DEFINED,
    makes=Collection.FACTS,
    condition=_is_defined,
)
SYNONYM_CHOOSER = ConditionalRecipe(
    SynthesisComponent.SYNONYM_CHOOSER,
    answers.SynonymChooserResponse,
    field="synonym_chooser",
    variables=("word", "synonyms"),
    outcome=word_outcomes.synonym_chooser,
    output_tokens=400,
    output_cap=3000,
    needs=(*DEFINED, SynthesisComponent.SYNONYMS),
    condition=lambda entry: len(synonyms_of(entry)) > 1,
)
