"""Notes of the estimate."""

import pytest

from floridify_batch.cli.confirmation import letters_note

GERMAN = ["Bär", "Brücke", "Öl", "Haus", "Straße"]


@pytest.mark.parametrize(
    ("language", "words", "noted"),
    [
        pytest.param("en", GERMAN, True, id="German words"),
        pytest.param("en-GB", ["мост", "река", "дом"], True, id="another script"),
        pytest.param("de", GERMAN, False, id="their own language"),
        pytest.param("en", ["café", "naïve", "façade", *("bank",) * 40], False, id="loanwords"),
        pytest.param(
            "en",
            [f"{each}\N{RIGHT SINGLE QUOTATION MARK}s" for each in ("cat", "dog", "bee")],
            False,
            id="typographic apostrophes",
        ),
    ],
)
def test_words_of_another_language_in_an_english_list(language: str, words: list[str], noted: bool) -> None:
    """A list that counts as English, and of which many words have rare letters, has a note that names --language."""
    note = letters_note(language, words)
    assert ("--language" in note, bool(note)) == (noted, noted)
