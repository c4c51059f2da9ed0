"""Inflection: a text contains a form of a headword, or it is not certain that it does not."""

import pytest

from floridify_batch.words.inflection import inflection_of

HELD = [
    ("en", "tear", "She tore the letter in half."),
    ("en", "leave", "He left early."),
    ("en", "bear", "She bore it well."),
    ("en", "go", "They went home."),
    ("en", "go", "He has gone."),
    ("en", "fix", "She fixed the roof."),
    ("en", "big", "It is bigger than a house."),
    ("en", "sky", "The skies were grey."),
    ("en", "ice", "We are icing the cake."),
    ("en", "be", "It was late."),
    ("en", "child", "The children slept."),
    ("en", "good", "This one is better."),
    ("en", "look up", "I looked the word up."),
    ("en", "make up one's mind", "She has made up her mind at last."),
    ("en", "kick the bucket", "The old dog kicked the bucket."),
    ("en", "mother-in-law", "Two mothers-in-law met."),
    ("en", "naïve", "That was naive of him."),
    ("en", "o'clock", "It is four o\u2019clock."),
    ("en", "-ness", "kindness"),
    ("en", "do", "on the ~"),
    ("en", "...", "a text that has no such sign"),
    ("en", "(!)", "a text that has no such sign"),
    ("en", "who ?", "Who is there?"),
    ("de", "aufstehen", "Sie steht jeden Tag um sechs auf."),
    ("de", "aufstehen", "Er ist früh aufgestanden."),
    ("de", "Haus", "Die Häuser sind alt."),
    ("de", "sich freuen", "Ich freue mich darauf."),
    ("de", "Straße", "Sie wohnt in der Hauptstrasse."),
    ("fr", "aller", "Nous irons demain."),
    ("tr", "kitap", "Kitapları masaya koydu."),  # noqa: RUF001
    ("tr", "ışık", "IŞIKLARI söndür."),  # noqa: RUF001
    ("zh", "洗澡", "他洗了个澡。"),
    ("ja", "食べる", "昨日、寿司を食べた。"),
    ("th", "กิน", "เขากินข้าว"),
    ("ko", "가다", "그는 학교에 간다."),
    ("ar", "كتاب", "هذه كتب جديدة"),
    ("zu", "umuntu", "Abantu abaningi bafikile."),
]


@pytest.mark.parametrize(("language", "headword", "text"), HELD)
def test_a_form_is_found(language: str, headword: str, text: str) -> None:
    """Irregular forms, separable verbs, idioms, cases and scripts without spaces: the text contains the headword."""
    assert inflection_of(language).holds(text, headword)


@pytest.mark.parametrize(
    ("language", "headword", "text"),
    [
        ("en", "tear", "The letter was in two halves."),
        ("en", "go", "The goods are here."),
        ("en", "art", "He started the engine."),
        ("en", "kick the bucket", "The old dog died."),
        ("de", "aufstehen", "Sie geht um sechs zur Arbeit."),
        ("zh", "洗澡", "我喜欢苹果。"),
        ("ja", "食べる", "駅まで歩いた。"),
        ("zu", "isikole", "Abantu bafikile."),
    ],
)
def test_a_missing_word_is_noticed(language: str, headword: str, text: str) -> None:
    """A text without any form of the headword does not contain it."""
    assert not inflection_of(language).holds(text, headword)


@pytest.mark.parametrize(
    ("language", "word", "headword", "expected"),
    [
        ("en", "tears", "tear", True),
        ("en", "running", "run", True),
        ("de", "Häuser", "Haus", True),
        ("en", "grey", "gray", False),
        ("en", "colour", "color", False),
        ("en", "teacher", "teach", False),
        ("en", "better", "good", False),
        ("en", "tear", "Tear", False),
        ("xx", "tears", "tear", False),
    ],
)
def test_inflected_forms(language: str, word: str, headword: str, expected: bool) -> None:
    """Inflected forms are told from derivatives and spelling variants; an unknown language has none."""
    assert inflection_of(language).is_form(word, headword) is expected
