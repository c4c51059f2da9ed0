"""Quality checks: each finds its fault, and none complains about a good entry."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from floridify_batch import components
from floridify_batch.components.non_answer import repeats_example
from floridify_batch.components.quality_check import CHECKS, EntryTexts, SenseTexts, doubts, sure_faults


def entry(
    headword: str,
    definition: str = "",
    part_of_speech: str = "noun",
    *,
    language: str = "en",
    of_word: Mapping[str, Sequence[str]] | None = None,
    **texts: Sequence[str],
) -> EntryTexts:
    return EntryTexts(headword, language, [SenseTexts(definition, part_of_speech, texts)], of_word or {})


PROMPTS = Path(components.__file__).parent / "prompts"
COMMUNITY = "/k\u0259\u02c8mju\u02d0.n\u026a.ti/"
LONG = " ".join(["bank"] * 70)
TWICE = SenseTexts("the land along the edge of a river", "noun")

PLANTED: list[tuple[str, EntryTexts]] = [
    ("assistant", entry("bank", examples=["As an AI language model, I cannot visit a bank."])),
    ("assistant", entry("bank", "Sure, here is a definition of the word")),
    ("script", entry("bank", examples=["Он пошёл в банк, в bank."])),
    ("script", entry("bank", synonyms=["берег реки"])),  # noqa: RUF001
    ("no_ipa", entry("bank", of_word={"pronunciation": ["//"]})),
    ("no_ipa", entry("bank", of_word={"pronunciation": ["/бэнк/"]})),
    ("repeated", entry("bank", examples=["The bank is closed.", "the bank is closed"])),
    ("headword", entry("bank", synonyms=["Bank"])),
    ("antonym", entry("hot", "of a high temperature", "adjective", synonyms=["cold"], antonyms=["Cold"])),
    ("latin", entry("банк", language="ru", examples=["She went to the bank."])),
    ("circular", entry("quick", "done in a quick way", "adjective")),
    ("circular", entry("sad", "feeling or showing sadness", "adjective")),
    ("circular", entry("tear", "to pull something so that it tears", "verb")),
    ("same_sense", EntryTexts("bank", "en", [TWICE, SenseTexts("the land along the edge of a river.", "noun")])),
    ("without_word", entry("bank", examples=["She sat beside the water."])),
    ("without_word", entry("bank", collocations=["steep slope"])),
    ("without_word", entry("bank", of_word={"phrases": ["a drop in the ocean"]})),
    ("inflection", entry("bank", synonyms=["banks"])),
    ("similar", entry("bank", examples=["She sat on the bank of the river.", "He sat on the bank of the river."])),
    ("form", entry("bank", "to put money into an account", "noun")),
    ("form", entry("bank", "a place where money is kept", "verb")),
    ("form", entry("brave", "a person who is not afraid", "adjective")),
    ("respelling", entry("banana", of_word={"pronunciation": ["buh-NAN-uh"]})),
    ("bare_word", entry("bank", examples=["bank"])),
    ("slot", entry("bank", examples=["The [noun] is by the bank."])),
    ("slot", entry("bank", of_word={"etymology": ["From {{language}}, from [insert root]"]})),
    ("prompt", entry("bank", of_word={"pronunciation": [COMMUNITY]})),
    ("prompt", entry("bank", of_word={"etymology": ["From Middle English x, from Old French y ('bench')"]})),
    ("one_word", entry("bank", examples=["Banking."])),
    ("long", entry("tree", LONG)),
    ("markup", entry("bank", examples=["The **bank** is closed."])),
]


@pytest.mark.parametrize(("check", "faulty"), PLANTED)
def test_a_planted_fault_is_found(check: str, faulty: EntryTexts) -> None:
    """Each check finds the fault that it is named for."""
    assert check in [doubt.check for doubt in doubts(faulty)]


def test_every_check_has_a_planted_fault() -> None:
    """No check of the table goes without a fault that it finds."""
    assert {check for check, _ in PLANTED} == {check.name for check in CHECKS}


GOOD: list[EntryTexts] = [
    entry(
        "bank",
        "the sloping ground along the edge of a river or lake",
        examples=["We sat on the bank and fished.", "The river burst its banks."],
        synonyms=["shore", "edge"],
        collocations=["steep bank", "river bank"],
        of_word={"pronunciation": ["/bæŋk/"], "phrases": ["burst its banks"]},
    ),
    entry(
        "bank",
        "(of an aircraft) to lean to one side while turning",
        "verb",
        examples=["The plane banked sharply."],
        synonyms=["tilt"],
    ),
    entry("tear", "to pull something apart or make a hole in it by force", "verb", examples=["She tore it up."]),
    entry("look up", "to search for a fact in a book", "verb", examples=["I looked it up."], synonyms=["search for"]),
    entry("give way", "to break under a weight", "verb", examples=["The ice gave way."], synonyms=["give out"]),
    entry("make up one's mind", "to decide", "phrase", examples=["Make up your mind!"]),
    entry("déjà vu", "the feeling that one has lived through something before", examples=["It was pure déjà vu."]),
    entry("teeth", "plural of tooth", examples=["Brush your teeth."]),
    entry("teacher", "a person who teaches", examples=["Our teacher was ill."], synonyms=["schoolteacher"]),
    entry("have", "used to form the perfect: to have seen", "verb", examples=["She has gone."]),
    entry("of", "belonging to somebody: the end of the day", "preposition", examples=["the end of the day"]),
    entry("comment", "to make or write a comment on", "verb", synonyms=["remark"]),
    entry("wash", "the act of cleaning with water", "noun", synonyms=["washing"]),
    entry("incline", "an inclined surface between two levels", "noun"),
    entry("gray", "of the colour of ash", "adjective", examples=["a gray sky"], synonyms=["grey"]),
    entry("run", "to move fast on foot", "verb", examples=["Run!", "He ran home."], antonyms=["walk"]),
    entry("hotel", "hotel", language="de", examples=["Das Hotel ist voll."]),
    entry("to", "expressing direction", "particle", examples=["I want to go."]),
    entry("credit", "a good opinion of someone's work", examples=["She got no credit."], synonyms=["praise"]),
    entry(
        "Bank",
        "Geldinstitut, das Konten führt",
        language="de",
        examples=["Die Banken haben zu.", "Er geht zur Bank."],
        synonyms=["Geldhaus"],
        of_word={"pronunciation": ["[baŋk]"]},
    ),
    entry("aufstehen", "das Bett verlassen", "verb", language="de", examples=["Sie steht um sechs auf."]),
    entry("kitap", "okunmak için basılmış sayfalar", language="tr", examples=["Kitapları okudum."], synonyms=["eser"]),  # noqa: RUF001
    entry("человек", "разумное существо", language="ru", examples=["Человека не было."], synonyms=["персона"]),
    entry("банк", "a financial institution", language="ru", examples=["Она работает в банке."]),
    entry("洗澡", "用水洗身体", "verb", language="zh", examples=["他洗了个澡。"], synonyms=["沐浴"]),
    entry(
        "食べる",
        "口に入れて飲み込む",
        "verb",
        language="ja",
        examples=["寿司を食べた。"],
        of_word={"pronunciation": ["/tabeɾɯ/"]},  # noqa: RUF001
    ),
    entry("ephemeral", "lasting for a very short time", "adjective", of_word={"pronunciation": ["/ɪˈfɛməɹəl/"]}),  # noqa: RUF001
    entry("schön", "angenehm anzusehen", "adjective", language="de", synonyms=["hübsch"], antonyms=["hässlich"]),
]


@pytest.mark.parametrize("good", GOOD)
def test_a_good_entry_raises_no_doubt(good: EntryTexts) -> None:
    """Idioms, separable verbs, form-of definitions, function words and other scripts are no faults."""
    assert doubts(good) == []


def test_the_severest_come_first() -> None:
    """The faults of an entry are sorted by severity, and name their values."""
    found = doubts(entry("bank", "to put money away", synonyms=["Bank", "banks"]))
    assert [(doubt.check, doubt.value) for doubt in found] == [
        ("headword", "Bank"),
        ("inflection", "banks"),
        ("form", "to put money away"),
    ]
    assert found[1].sentence == "is a form of the same word as “bank”"


def test_sure_faults_of_an_answer() -> None:
    """A sure check names the item of an answer that it refuses; doubts do not refuse any."""
    texts = ["The bank is closed.", "The bank is closed!", "No word.", "As an AI model I have no bank."]
    found = sure_faults("examples", texts, "bank", "en")
    assert found == {
        1: "“The bank is closed!” repeats another example",
        3: "“As an AI model I have no bank.” speaks as a language model, not as a dictionary",
    }
    assert sure_faults("synonyms", ["shore", "Ufer", "rivière"], "bank", "en") == {}
    echo = "The [adjective] of [noun]"
    assert sure_faults("etymology", [echo], "bank", "en") == {0: f"“{echo}” has the slot “[adjective]” of a template"}
    assert sure_faults("etymology", ["From Latin x [see there], from y"], "bank", "en") == {}
    assert sure_faults("pronunciation", [COMMUNITY], "community", "en") == {}


def test_examples_of_prompts_are_known() -> None:
    """The examples in the prompts of pronunciation and etymology are those that no answer may repeat."""
    prompts = {name: (PROMPTS / f"{name}.md").read_text() for name in ("pronunciation", "etymology")}
    found = [re.search(r'"(/[^"]*/)"', prompts["pronunciation"]), re.search('"(From [^"]*)"', prompts["etymology"])]
    assert [repeats_example(example[1], "bank") for example in found if example] == [True, True]
