"""The cleaning of answers on receipt: texts, placeholders, and lists in one string."""

import json
import re
from collections import Counter
from typing import Any, cast

import pytest
from pydantic import BaseModel, ValidationError

from floridify_batch.components.answer import wire_schema
from floridify_batch.components.antonyms import AntonymResponse
from floridify_batch.components.definitions import FallbackDefinitionsResponse
from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.etymology import EtymologyResponse
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.non_answer import FIELD_NAMES
from floridify_batch.components.pronunciation import PronunciationResponse
from floridify_batch.components.regional_variants import RegionalVariantResponse
from floridify_batch.components.registry import RECIPES, counts_named
from floridify_batch.components.synonym_chooser import SynonymChooserResponse
from floridify_batch.components.synonyms import SynonymGenerationResponse
from floridify_batch.errors import UsageError


def read[A: BaseModel](answer: type[A], dropped: Counter[str] | None = None, **fields: Any) -> A:
    return answer.model_validate_json(json.dumps({"confidence": 0.5} | fields), context=dropped)


def candidates(*words: str) -> list[dict[str, Any]]:
    return [{"word": word, "language": "en", "relevance": 1, "efflorescence": 1, "explanation": ""} for word in words]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("The  bank\n\tis steep. ", "The bank is steep."),
        ("cafe\u0301", "caf\u00e9"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("private\ue000use", "privateuse"),
        ("a\u200cb", "a\u200cb"),
        ("👩\u200d🚀 flies", "👩\u200d🚀 flies"),
        ("x" * 9000, "x" * 5000),
    ],
)
def test_texts(written: str, stored: str) -> None:
    """A text is stored on one line, in NFC, without invisible characters; joiners that scripts need stay."""
    assert read(ExampleGenerationResponse, example_sentences=[written]).example_sentences == [stored]


@pytest.mark.parametrize("placeholder", ["N/A", "n/a.", "(n/a)", "Not applicable", "-", "\u2014", "?", "..."])
def test_placeholders_in_lists(placeholder: str) -> None:
    """A placeholder in a list is dropped and counted; a list of nothing else is empty."""
    dropped = Counter[str]()
    found = read(SynonymGenerationResponse, dropped, synonyms=candidates("shore", placeholder))
    assert ([each.word for each in found.synonyms], dropped) == (["shore"], {"dropped": 1})
    assert read(AntonymResponse, dropped, antonyms=candidates(placeholder)).antonyms == []
    assert dropped == {"dropped": 2}
    assert read(RegionalVariantResponse, regions=[placeholder]).regions == []


def test_no_definitions() -> None:
    """Placeholders for definitions count as an unknown word."""
    senses = [{"part_of_speech": "noun", "definition": "Unknown", "relevancy": 1}]
    assert read(FallbackDefinitionsResponse, definitions=senses).definitions == []


def test_words_that_look_like_placeholders() -> None:
    """*Null*, *none* and *unknown* are synonyms of other words."""
    words = ["null", "none", "unknown"]
    found = read(SynonymGenerationResponse, synonyms=candidates(*words))
    assert [each.word for each in found.synonyms] == words


@pytest.mark.parametrize("nothing", ["N/A", "none", "Unknown", "null", " ", "", "] ", "origin_language"])
def test_optional_texts(nothing: str) -> None:
    """A placeholder or a blank for an optional value is stored as no value."""
    assert read(DomainIdentificationResponse, reasoning="", domain=nothing).domain is None
    etymology: dict[str, Any] = {
        "text": "From Old Norse.",
        "origin_language": nothing,
        "root_words": [],
        "first_known_use": nothing,
    }
    found = read(EtymologyResponse, **etymology)
    assert (found.origin_language, found.first_known_use) == (None, None)


@pytest.mark.parametrize("nothing", ["N/A", "unknown", "None."])
def test_values_that_are_required(nothing: str) -> None:
    """A placeholder for a required value makes the answer malformed."""
    with pytest.raises(ValidationError, match="placeholder"):
        read(PronunciationResponse, phonetic="bank", ipa=nothing)
    with pytest.raises(ValidationError, match="placeholder"):
        read(EtymologyResponse, text=nothing, origin_language=None, root_words=[], first_known_use=None)


def test_names_of_fields() -> None:
    """The name of a field in place of its value is dropped from a list; a list of nothing else is malformed."""
    dropped = Counter[str]()
    found = read(ExampleGenerationResponse, dropped, example_sentences=["example_sentence", "The bank is closed."])
    assert (found.example_sentences, dropped["dropped"]) == (["The bank is closed."], 1)
    with pytest.raises(ValidationError, match="name of a field"):
        read(ExampleGenerationResponse, example_sentences=["example_sentence"])
    with pytest.raises(ValidationError, match="no letters"):
        read(EtymologyResponse, text='"] ', origin_language=None, root_words=[], first_known_use=None)


def test_identifiers_are_no_definitions() -> None:
    """A definition that is an identifier is malformed; a synonym with an underscore is left as it is."""
    sense = {"part_of_speech": "noun", "definition": "kind_of_building", "relevancy": 1}
    with pytest.raises(ValidationError, match="identifier"):
        read(FallbackDefinitionsResponse, definitions=[sense])
    assert read(SynonymGenerationResponse, synonyms=candidates("river_bank")).synonyms[0].word == "river_bank"


def test_numbers_before_items() -> None:
    """The numbers of a list whose items are all counted are removed; other numbers are content."""
    counted = ["1. The bank is closed.", "2) She went to the bank.", "(3) 2 banks."]
    found = read(ExampleGenerationResponse, example_sentences=counted)
    assert found.example_sentences == ["The bank is closed.", "She went to the bank.", "2 banks."]
    for other in (["1. FC Bank won.", "3. Liga banks."], ["1. FC Bank won."], ["1.5 banks.", "2 banks."]):
        assert read(ExampleGenerationResponse, example_sentences=other).example_sentences == other


def test_every_name_of_a_field_is_known() -> None:
    """The fields whose names cannot be words, of all answers, are recognised as values."""
    shapes = [shape for recipe in RECIPES.values() for shape in (recipe.answer, recipe.readable)]
    schemas = [wire_schema(cast("Any", shape)) for shape in shapes]
    names = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)": \{', json.dumps(schemas)))
    assert names
    assert names <= FIELD_NAMES


def test_lists_in_one_string() -> None:
    """A list in one string is divided into its items."""
    found = read(SynonymGenerationResponse, synonyms=candidates("shore, side; slope", "levee"))
    assert [each.word for each in found.synonyms] == ["shore", "side", "slope", "levee"]
    assert read(RegionalVariantResponse, regions=["UK, AU"]).regions == ["UK", "AU"]


def test_terms_have_a_length() -> None:
    """A sentence in place of a synonym is dropped and counted."""
    dropped = Counter[str]()
    found = read(SynonymGenerationResponse, dropped, synonyms=candidates("a long story " * 9, "tale"))
    assert ([each.word for each in found.synonyms], dropped["dropped"]) == (["tale"], 1)


def test_an_essay_keeps_its_paragraphs() -> None:
    """The paragraphs of an essay are kept; blank lines and repeated spaces are removed."""
    found = read(SynonymChooserResponse, essay="One  thing.\n\n Another.\n", synonyms_compared=[])
    assert found.essay == "One thing.\nAnother."


def test_counts_fit_the_answer() -> None:
    """`--count` takes no more items than an answer holds, since the rest would be paid for and dropped."""
    for component, recipe in RECIPES.items():
        assert bool(recipe.count) == bool(recipe.max_count)
        if recipe.count:
            assert counts_named([f"{component}={recipe.max_count}"]) == {component: recipe.max_count}
            with pytest.raises(UsageError, match=f"from 1 to {recipe.max_count}"):
                counts_named([f"{component}={recipe.max_count + 1}"])
    assert read(ExampleGenerationResponse, example_sentences=list("abcdefg")).example_sentences == list("abcde")
