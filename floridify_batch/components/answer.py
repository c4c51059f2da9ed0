"""The shape of every answer: one pydantic model per component, each of which is also the schema on the wire.

The service is asked for these shapes in strict mode, so every field is required and nothing else is allowed. Limits
that a dictionary puts on lists and texts are kept on receipt, by clipping: they are not in the schema, since schemas
are billed as input with every request. Where an answer has a `reasoning`, it comes first: it is of use to the model
only while the verdict is not yet written. What no clipping can mend (a CEFR level "D3") is refused: an answer is either
fit to be stored or it is a failure.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from floridify_batch.components.shape import Share, Text, a_field_named_register, at_least_one, clip, kept, paired


class Answer(BaseModel):
    """What the model returns for one request."""

    model_config = ConfigDict(extra="forbid")

    confidence: Share


class Item(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


class SynonymCandidate(Item):
    """A synonym or an antonym, possibly of another language."""

    word: Text
    language: str
    relevance: Share
    efflorescence: Share
    explanation: Annotated[str, clip(100)]


class SynonymGenerationResponse(Answer):
    """Words of the same meaning, best first."""

    synonyms: Annotated[list[SynonymCandidate], kept(SynonymCandidate), clip(15)]


class AntonymResponse(Answer):
    """Words of the opposite meaning, best first."""

    antonyms: Annotated[list[SynonymCandidate], kept(SynonymCandidate), clip(10)]


class ExampleGenerationResponse(Answer):
    """Sentences that show the word in this sense."""

    example_sentences: Annotated[list[Text], clip(5)]


class CEFRLevelResponse(Answer):
    """The level at which a learner meets this sense."""

    reasoning: str
    level: Literal["A1", "A2", "B1", "B2", "C1", "C2"]


class FrequencyBandResponse(Answer):
    """How common this sense is, from 1 to 5."""

    reasoning: str
    band: Literal[1, 2, 3, 4, 5]


with a_field_named_register():

    class RegisterClassificationResponse(Answer):
        """The register that this sense belongs to."""

        reasoning: str
        register: Literal["formal", "informal", "neutral", "slang", "technical"] = Field()


class DomainIdentificationResponse(Answer):
    """The field that this sense belongs to; none for general language."""

    reasoning: str
    domain: Text | None


class GrammarPatternResponse(Answer):
    """Patterns such as `[Tn]`, and beside each what it means."""

    patterns: Annotated[list[Text], clip(10)]
    descriptions: Annotated[list[str], clip(10)]

    @model_validator(mode="after")
    def _pair(self) -> Self:
        return paired(self, len(self.patterns), len(self.descriptions))


class CollocationItem(Item):
    """A phrase that the word is often met in."""

    type: Text
    phrase: Text
    frequency: Share


class CollocationResponse(Answer):
    """The phrases that this sense is often met in."""

    collocations: Annotated[list[CollocationItem], kept(CollocationItem), clip(10)]


class UsageNoteItem(Item):
    """One piece of advice on using the word."""

    type: Literal["grammar", "confusion", "regional", "register", "error"]
    text: Text


class UsageNoteResponse(Answer):
    """Advice on using the word in this sense."""

    notes: Annotated[list[UsageNoteItem], kept(UsageNoteItem), clip(5)]


class RegionalVariantResponse(Answer):
    """Where this sense is at home; empty for everywhere."""

    regions: Annotated[list[Text], clip(10)]


class WordFormItem(Item):
    """One inflected form."""

    type: Literal["plural", "past", "past_participle", "present_participle", "comparative", "superlative", "variant"]
    text: Text


class WordFormResponse(Answer):
    """The inflected forms of the word as this part of speech."""

    forms: Annotated[list[WordFormItem], kept(WordFormItem)]


class FallbackDefinition(Item):
    """One sense of a word that no dictionary at hand defines."""

    part_of_speech: Text
    definition: Annotated[Text, clip(500)]
    relevancy: Share


class FallbackDefinitionsResponse(Answer):
    """The senses of a word, commonest first; empty when it is no word of the language."""

    definitions: Annotated[list[FallbackDefinition], kept(FallbackDefinition), clip(10)]


class PronunciationResponse(Answer):
    """How the word is said: respelled for readers, and in IPA."""

    phonetic: Text
    ipa: Text


class EtymologyResponse(Answer):
    """Where the word comes from."""

    text: Text
    origin_language: str | None
    root_words: list[Text]
    first_known_use: str | None


class FactGenerationResponse(Answer):
    """Things worth knowing about the word, and beside each what kind of fact it is."""

    facts: Annotated[list[Text], clip(5)]
    categories: Annotated[list[Literal["etymology", "usage", "cultural", "linguistic", "historical"]], clip(5)]

    @model_validator(mode="after")
    def _pair(self) -> Self:
        return paired(self, len(self.facts), len(self.categories))


class ComparedSynonym(Item):
    """What sets one synonym apart from the others."""

    word: Text
    distinction: Annotated[Text, clip(200)]


class SynonymChooserResponse(Answer):
    """An essay on choosing among synonyms, and each one's own mark."""

    essay: Annotated[Text, clip(2000)]
    synonyms_compared: Annotated[list[ComparedSynonym], kept(ComparedSynonym), clip(8)]


with a_field_named_register():

    class PhraseItem(Item):
        """A fixed expression that contains the word."""

        phrase: Text
        meaning: Annotated[Text, clip(300)]
        example: str | None
        register: str | None = Field()


class PhraseResponse(Answer):
    """Fixed expressions that contain the word."""

    phrases: Annotated[list[PhraseItem], kept(PhraseItem), clip(30)]


class ClusterMapping(Item):
    """Definitions of one meaning, by their numbers in the prompt, which begin at 1."""

    cluster_slug: Text
    cluster_description: Text
    definition_indices: list[int]
    relevancy: Share


class ClusterMappingResponse(Answer):
    """The meanings of a word, commonest first, each with the definitions that state it."""

    clusters: Annotated[list[ClusterMapping], kept(ClusterMapping), clip(10), at_least_one]


class DefinitionResponse(Item):
    """One definition, written from those of several sources."""

    part_of_speech: Text
    definition: Annotated[Text, clip(500)]
    relevancy: Share
    source_providers: list[str]


class SynthesisResponse(Answer):
    """The definitions of one meaning; the first is used."""

    definitions: Annotated[list[DefinitionResponse], kept(DefinitionResponse), clip(20), at_least_one]
