"""Quality checks: each finds its fault, and none complains about a good entry."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from floridify_batch import components
from floridify_batch.components.answer_quality import sure_faults
from floridify_batch.components.non_answer import repeats_example
from floridify_batch.components.quality_check import CHECKS, EntryTexts, SenseTexts, Value, checks_of, doubts
from floridify_batch.components.similarity import is_same


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
    ("slot", entry("bank", collocations=["bank + verb"])),
    ("description", entry("serendipity", "json")),
    ("description", entry("bank", examples=["1. The word bank.", "1. The word"])),
    ("description", entry("run", collocations=["adjectival"])),
    ("description", entry("run", usage_notes=["The word"])),
    ("description", entry("run", of_word={"etymology": ["The origin of the word."]})),
    (
        "looping",
        entry("bank", examples=["It is very useful. A bank is very good. It is very useful. It is very useful."]),
    ),
    ("repeated", entry("bank", of_word={"facts": ["Banks are old.", "Banks are old."]})),
    ("description", entry("run", word_forms=["The word"])),
    ("no_form", entry("run", part_of_speech="verb", word_forms=["ran", "josen"])),
    ("sentence", entry("run", word_forms=["The run is a fast movement."])),
    ("no_ipa", entry("serendipity", of_word={"pronunciation": ["kuh-MYOO-nih-teh"]})),
    ("description", entry("run", collocations=["adjectives 1"])),
    ("alone", entry("bank", of_word={"etymology": ["bank"]})),
    ("alone", entry("bank", collocations=["Bank"])),
    ("alone", entry("give way", of_word={"phrases": ["give way"]})),
    ("field", entry("run", synonyms=["cognates"])),
    ("definition", entry("bank", "sloping land beside a river", usage_notes=["Sloping land beside a river."])),
    ("respelling", entry("bank", of_word={"pronunciation": ["/jis-n-jen/"]})),
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
    entry("mean", "to have as a sense", "verb", word_forms=["meaning", "meant"], collocations=["meaning"]),
    entry("nice", "good", "adjective", word_forms=["nicer", "more nice", "the most nice"]),
    entry("go", "to move away", "verb", word_forms=["went", "gone", "going"]),
    entry("sein", "existieren", "verb", language="de", word_forms=["war", "gewesen", "ist"]),
    entry("word", "a part of a sentence", examples=["This is a word."], collocations=["word meaning"]),
    entry("verb", "a word for an action", collocations=["verb + noun"], usage_notes=["Not of a noun, but of an act."]),
    entry("rose", "a flower with thorns", examples=["A rose is a rose. No, a rose is a rose. Yes, a rose is a rose."]),
    entry("help", "to do part of someone's work", "verb", examples=["I can't help you now."]),
    entry("teacher", "a person who instructs", of_word={"etymology": ["From the verb + -er."]}),
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


EDITED: list[EntryTexts] = [
    entry(
        "tear",
        "a drop of the clear, salty liquid that comes from the eyes, as when one weeps",
        examples=["A single tear ran down her cheek.", "He was close to tears when the letter came."],
        synonyms=["teardrop"],
        collocations=["shed a tear", "tears of joy"],
        usage_notes=["Mostly used in the plural."],
        of_word={
            "pronunciation": ["/tɪə(ɹ)/"],  # noqa: RUF001
            "phrases": ["burst into tears", "bore someone to tears"],
            "etymology": ["From Old English tēar, related to Latin lacrima."],
            "facts": ["Tears of emotion differ in content from those that an onion causes."],
        },
    ),
    entry(
        "tear",
        "to pull something apart or make a hole in it by force",
        "verb",
        examples=["She tore the letter in half.", "Mind the nail, or you will tear your sleeve."],
        synonyms=["rip", "rend"],
        antonyms=["mend"],
        collocations=["tear to pieces", "torn to shreds"],
        of_word={"pronunciation": ["/tɛə(ɹ)/"], "phrases": ["wear and tear", "tear one's hair out"]},
    ),
    entry(
        "naïve",
        "too ready to believe people or to think well of the world, for want of experience",
        "adjective",
        examples=["It was naive of me to pay in advance.", "Her naïve trust in strangers worried us."],
        synonyms=["gullible", "credulous", "unworldly"],
        antonyms=["worldly", "shrewd"],
        collocations=["hopelessly naive", "naïve belief"],
        of_word={"pronunciation": ["/naɪˈiːv/"], "etymology": ["From French naïve, Latin nativus."]},  # noqa: RUF001
    ),
    entry(
        "déjà vu",
        "the feeling that one has already lived through what is in fact happening for the first time",
        examples=[
            "A sense of déjà vu came over him in the hall.",
            "Reading his speech, I had a strong feeling of deja vu.",
        ],
        collocations=["sense of déjà vu"],
        of_word={"pronunciation": ["/ˌdeɪʒɑː ˈvuː/"], "etymology": ["French, “already seen”."]},  # noqa: RUF001
    ),
    entry(
        "ephemeral",
        "lasting only a very short time",
        "adjective",
        examples=["Fame in that trade is ephemeral.", "They photographed the ephemeral patterns of frost."],
        synonyms=["fleeting", "short-lived", "transient"],
        antonyms=["lasting", "enduring"],
        collocations=["ephemeral nature", "ephemeral pleasures"],
    ),
    entry(
        "serendipity",
        "the happening by luck upon something good that one was not looking for",
        examples=["By pure serendipity, the house next door came up for sale."],
        synonyms=["good fortune", "happy chance"],
        antonyms=["misfortune"],
        collocations=["pure serendipity", "element of serendipity"],
        of_word={"facts": ["Horace Walpole coined the word in a letter of 1754."]},
    ),
    entry(
        "resilient",
        "able to recover quickly from hardship or illness",
        "adjective",
        examples=["Children are often more resilient than their parents.", "A resilient economy survived the crash."],
        synonyms=["tough", "hardy", "buoyant"],
        antonyms=["fragile"],
        collocations=["remarkably resilient", "resilient to shocks"],
        usage_notes=["Followed by to before a noun: resilient to change."],
    ),
    entry(
        "take off",
        "(of an aircraft or bird) to leave the ground and begin to fly",
        "verb",
        examples=["The plane took off an hour late.", "We watched the geese taking off from the lake."],
        synonyms=["lift off", "depart"],
        antonyms=["land", "touch down"],
    ),
    entry(
        "take off",
        "to remove something that one is wearing",
        "verb",
        examples=["He took his wet shoes off at the door.", "Take off your coat and sit down."],
        synonyms=["remove", "shed"],
        antonyms=["put on"],
    ),
    entry(
        "piece of cake",
        "something that is very easy to do",
        examples=["After the mountain stage, today's ride was a piece of cake."],
        synonyms=["child's play", "cinch"],
    ),
    entry(
        "meander",
        "(of a river or road) to follow a course with many bends",
        "verb",
        examples=["The stream meanders through the meadows.", "A path meandered down to the beach."],
        synonyms=["wind", "snake"],
        collocations=["meander through", "meandering river"],
    ),
    entry(
        "meander",
        "one of the broad bends of a slow river",
        examples=["From the hill one sees every meander of the valley.", "Old meanders become lakes."],
        synonyms=["bend", "loop"],
        of_word={"etymology": ["From the name of a winding river in Asia Minor."]},
    ),
    entry(
        "gist",
        "the main point of what is said or written, without the details",
        examples=["I did not follow every word, but I got the gist.", "The gist of her argument was cost."],
        synonyms=["essence", "substance"],
        collocations=["get the gist", "the gist of the matter"],
    ),
    entry(
        "brisk",
        "quick and full of energy",
        "adjective",
        examples=["A brisk walk warmed us up.", "Her manner on the telephone was brisk."],
        synonyms=["lively", "energetic"],
        antonyms=["sluggish"],
        collocations=["brisk pace", "brisk trade"],
    ),
    entry(
        "quench",
        "to satisfy thirst by drinking",
        "verb",
        examples=["Nothing quenches your thirst like cold water.", "They quenched their thirst at the spring."],
        synonyms=["slake"],
        collocations=["quench one's thirst"],
    ),
    entry(
        "linger",
        "to stay somewhere longer than is necessary, for want of the will to leave",
        "verb",
        examples=["We lingered over coffee.", "The smell of smoke still lingers in the hall."],
        synonyms=["stay on", "loiter"],
        antonyms=["leave"],
        collocations=["linger on", "lingering doubt"],
    ),
    entry(
        "break the ice",
        "to say or do something that makes strangers feel less shy with each other",
        "verb",
        examples=["He told a joke to break the ice.", "A shared umbrella broke the ice between them."],
    ),
    entry(
        "candid",
        "honest and open about what one thinks, even if it is unpleasant",
        "adjective",
        examples=["To be candid, I found the film dull.", "They had a candid talk about money."],
        synonyms=["frank", "outspoken"],
        antonyms=["guarded", "evasive"],
        collocations=["candid interview", "refreshingly candid"],
    ),
    entry(
        "lantern",
        "a lamp in a case of glass or paper that shelters its flame and can be carried",
        examples=["She held the lantern higher.", "Paper lanterns hung between the trees."],
        synonyms=["lamp"],
        collocations=["paper lantern", "light a lantern"],
    ),
    entry(
        "sceptical",
        "inclined to doubt what others say or believe",
        "adjective",
        examples=["The doctors remain sceptical of the cure.", "She gave him a sceptical look."],
        synonyms=["doubtful", "unconvinced"],
        antonyms=["convinced", "trusting"],
        usage_notes=["American spelling: skeptical."],
    ),
]
"""Whole entries of the demonstration's words, as a lexicographer leaves them."""


@pytest.mark.parametrize("good", [*GOOD, *EDITED])
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
        1: "“The bank is closed!” repeats another one",
        3: "“As an AI model I have no bank.” speaks as a language model, not as a dictionary",
    }
    assert [*sure_faults("collocations", ["bank", "steep bank", "bank + verb", "adj"], "bank", "en")] == [0, 2, 3]
    assert [*sure_faults("usage_notes", ["The word", "Of banks. " * 2, "Of any river bank. " * 3], "bank", "en")] == [
        0,
        2,
    ]
    assert sure_faults("synonyms", ["shore", "Ufer", "rivière"], "bank", "en") == {}
    echo = "The [adjective] of [noun]"
    assert sure_faults("etymology", [echo], "bank", "en") == {0: f"“{echo}” has the slot “[adjective]” of a template"}
    assert sure_faults("etymology", ["From Latin x [see there], from y"], "bank", "en") == {}
    assert sure_faults("pronunciation", [COMMUNITY], "community", "en") == {}


RUSSIAN = "\u0431\u0430\u043d\u043a"
FRAGMENTS = (
    *("bank", "Bank", "The bank is closed", "the bank is CLOSED", "It is very useful", "word", "The word", "json", "1"),
    *(". ", ".", "!", " ", ", ", "\u201c", "\u201d", "[noun]", "{{x}}", "<word>", "+ verb", "noun +", " x, ", "-"),
    *("As an AI model", "Sure, here is", "From Middle English x, from Old French y", RUSSIAN, f"{RUSSIAN}\u0438"),
    *("銀行は三時に閉まる", "b\u00e6\u014bk", "\u00e9", "e\u0301", "Straße", "strasse", "*", "/", COMMUNITY, "\u03b8"),
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted({component for check in CHECKS if check.sure for component in check.components})),
    st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join).map(str.strip).filter(bool), max_size=3),
    st.sampled_from(("bank", "word", "noun", "or", RUSSIAN, "銀行", "give way")),
    st.sampled_from(("en", "de", "ru", "ja", "sr")),
)
def test_no_sure_fault_is_overlooked(component: str, texts: list[str], headword: str, language: str) -> None:
    """The quick look at the texts of an answer overlooks no text in which a sure check finds a fault."""
    whole = EntryTexts(headword, language)
    values = [Value(text, component, whole, None, texts[:at]) for at, text in enumerate(texts)]
    checks = checks_of(component, sure=True)
    faulty = [at for at, value in enumerate(values) if any(each.fault(value) is not None for each in checks)]
    assert [*sure_faults(component, texts, headword, language)] == faulty


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The bank is closed.", "the bank is closed!", True),
        ("“The bank is closed”, she said.", '"The bank is closed," she said.', True),
        ("Straße", "STRASSE", True),
        ("caf\u00e9 ouvert", "cafe\u0301 ouvert", True),
        ("e-mail me", "e mail me", True),
        ("The bank is closed.", "The bank is open.", False),
        (f"{RUSSIAN} 1", f"{RUSSIAN}\u0438 1", False),
        ("銀行は三時に閉まる。", "銀行は五時に閉まる。", False),
    ],
)
def test_same_texts(one: str, other: str, same: bool) -> None:
    """Texts that differ in punctuation, case and the form of accents are the same; those of other words are not."""
    assert is_same(one, other) == is_same(other, one) == same


def test_examples_of_prompts_are_known() -> None:
    """The examples in the prompts of pronunciation and etymology are those that no answer may repeat."""
    prompts = {name: (PROMPTS / f"{name}.md").read_text() for name in ("pronunciation", "etymology")}
    found = [re.search(r'"(/[^"]*/)"', prompts["pronunciation"]), re.search('"(From [^"]*)"', prompts["etymology"])]
    assert [repeats_example(example[1], "bank") for example in found if example] == [True, True]


def test_an_example_is_compared_with_the_200_before_it() -> None:
    """A repeated example is found among its 200 predecessors, so that the time does not grow with their square."""
    examples = [f"A bank {' '.join(f'{word}{number}' for word in 'abcd')}." for number in range(300)]
    examples += [examples[-200], examples[50]]
    assert [each.value for each in doubts(entry("bank", examples=examples))] == [examples[100]]
