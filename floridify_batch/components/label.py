"""Labels: the closed lists of parts of speech, registers, domains, regions and kinds of collocations.

A list is an enumeration in the schema that is sent, so that a service in strict mode gives no other label. On receipt,
usual variants ("adj", "Medicine") are read as their label, and other texts are kept: a service without strict mode,
or a user's template, may know more than the list.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from floridify_batch.components.answer import OptionalText, Statement, Text, clean_text
from floridify_batch.words.article import PARTS_OF_SPEECH as ABBREVIATIONS

PARTS_OF_SPEECH = (
    *("noun", "verb", "adjective", "adverb", "pronoun", "preposition", "conjunction", "determiner", "interjection"),
    *("numeral", "particle", "phrase", "prefix", "suffix"),
)

REGISTERS = ("formal", "informal", "neutral", "slang", "technical")
"""Floridify's registers."""

DOMAINS = (
    *("medical", "legal", "computing", "mathematics", "physics", "chemistry", "biology", "music", "art"),
    *("architecture", "engineering", "linguistics", "philosophy", "psychology", "economics", "business", "sports"),
    *("military", "nautical", "culinary"),
    *("finance", "religion", "politics", "botany", "zoology", "geology", "geography", "astronomy", "agriculture"),
    *("literature", "textiles", "printing"),
)
"""Floridify's twenty domains, and a dozen that general dictionaries label as well."""

ENGLISH_REGIONS = ("US", "UK", "AU", "CA", "IN", "ZA", "IE", "NZ")
"""Floridify's codes for the regions of English."""

COLLOCATION_TYPES = (
    *("adjective + noun", "verb + noun", "noun + verb", "noun + noun", "noun + preposition", "verb + preposition"),
    *("verb + adverb", "adverb + adjective", "adjective + preposition", "preposition + noun"),
)

_DOMAIN_VARIANTS = {
    "medicine": "medical",
    "law": "legal",
    "mathematical": "mathematics",
    "maths": "mathematics",
    "sport": "sports",
    "cooking": "culinary",
    "food": "culinary",
    "seafaring": "nautical",
    "information technology": "computing",
}


def _enumeration(values: Iterable[str], *, optional: bool = False) -> WithJsonSchema:
    schema: dict[str, Any] = {"enum": list(values), "type": "string"}
    return WithJsonSchema({"anyOf": [schema, {"type": "null"}]} if optional else schema)


def _known(variants: Mapping[str, str], labels: Iterable[str] = ()) -> BeforeValidator:
    """Read the variants of labels, in any capitalisation."""
    spelled = {each.casefold(): each for each in labels} | dict(variants)

    def read(value: Any) -> Any:
        return spelled.get(clean_text(value).casefold(), value) if isinstance(value, str) else value

    return BeforeValidator(read)


PartOfSpeech = Annotated[Text, _known(ABBREVIATIONS, PARTS_OF_SPEECH), _enumeration(PARTS_OF_SPEECH)]

CollocationType = Annotated[Text, _known({}, COLLOCATION_TYPES), _enumeration(COLLOCATION_TYPES)]

OptionalRegister = Annotated[OptionalText, _known({}, REGISTERS), _enumeration(REGISTERS, optional=True)]

Domain = Annotated[OptionalText, _known(_DOMAIN_VARIANTS, DOMAINS), _enumeration(DOMAINS, optional=True)]

EnglishRegion = Annotated[Statement, _known({}, ENGLISH_REGIONS), _enumeration(ENGLISH_REGIONS)]

OptionalEnglishRegion = Annotated[
    OptionalText, _known({}, ENGLISH_REGIONS), _enumeration(ENGLISH_REGIONS, optional=True)
]
