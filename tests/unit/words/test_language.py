"""Languages as users and models write them."""

import pytest

from floridify_batch.errors import UsageError
from floridify_batch.words.language import LANGUAGE_NAMES, language_name, language_named, primary_language


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" eng ", "en"),
        ("english", "en"),
        ("English", "en"),
        ("en-GB", "en-GB"),
        ("en_gb", "en-GB"),
        ("pt-br", "pt-BR"),
        ("ger", "de"),
        ("zh-hans", "zh-Hans"),
        ("tlh", "tlh"),
    ],
)
def test_a_language_has_one_form(text: str, tag: str) -> None:
    """Codes in capitals, three-letter codes, names and regions are read as one normal tag, so that words are found."""
    assert language_named(text) == tag
    assert language_named(tag) == tag


@pytest.mark.parametrize("text", ["", " ", "xx", "en-", "und", "klingonish", "e n", "-", "enn-glish-xyz-toolongsubtag"])
def test_what_is_no_language_is_refused(text: str) -> None:
    """A language that does not exist is refused before anything is stored under it."""
    with pytest.raises(UsageError, match="is not a language"):
        language_named(text)


@pytest.mark.parametrize(("text", "code"), [("germn", "de"), ("englisch", "en"), ("Frensh", "fr")])
def test_a_misspelt_language_gets_a_suggestion(text: str, code: str) -> None:
    """A misspelt name is refused with the code that was probably meant."""
    with pytest.raises(UsageError, match=f"did you mean {code} "):
        language_named(text)


def test_a_language_is_compared_without_its_region() -> None:
    """Languages are compared without their region, in any spelling or name that a model states."""
    assert len({primary_language(text) for text in ("en", "EN-us", "English", "eng", "en-GB", "en_AU")}) == 1
    assert primary_language("French") == primary_language("fr-CA") != primary_language("en")
    assert primary_language("Middle Gibberish") == "middle gibberish"


def test_every_language_has_a_name() -> None:
    """Prompts name languages in English, with the region if the tag has one."""
    assert all(language_named(name) == code for code, name in LANGUAGE_NAMES.items())
    assert (language_name("en"), language_name("pt-BR"), language_name("tlh")) == ("English", "Portuguese (BR)", "tlh")
