"""The entry page: all stored fields in order, within the width, with sanitised text."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from floridify_batch.database.lookup import Headword
from floridify_batch.display.entry_page import page, print_page
from floridify_batch.display.json_output import json_text

type Document = dict[str, Any]

FULL: Document = {
    "_id": "d1",
    "part_of_speech": "noun",
    "text": "a drop of the clear liquid that comes from the eyes",
    "providers": ["wiktionary"],
    "synonyms": ["teardrop", "droplet"],
    "antonyms": ["grin"],
    "cognates": ["Träne"],
    "example_ids": ["e2", "e1"],
    "cefr_level": "B1",
    "frequency_band": 2,
    "language_register": "neutral",
    "domain": "anatomy",
    "region": "UK",
    "grammar_patterns": [{"pattern": "[C]", "description": "countable"}],
    "collocations": [{"text": "shed tears", "type": "verb + noun", "frequency": 0.8}],
    "usage_notes": [{"type": "confusion", "text": "Not a tear in cloth."}],
    "word_forms": [{"form_type": "past_participle", "text": "teared"}],
}
ENTRY: Document = {
    "_id": "n1",
    "provider": "synthesis",
    "definition_ids": ["d1"],
    "etymology": {"text": "From tear.", "origin_language": "Old English", "root_words": ["a", "b"]},
    "phrases": [
        {"phrase": "in tears", "meaning": "weeping", "usage_register": "neutral", "example": "She was in tears."}
    ],
    "synonym_chooser": {
        "essay": "All of these fall.",
        "comparisons": [{"word": "droplet", "distinction": "of anything"}],
    },
}
WHOLE = Headword(
    {"_id": "w1", "text": "tear", "homograph_number": 1},
    [ENTRY, {"_id": "n2", "provider": "wiktionary", "definition_ids": [], "etymology": {"text": "Unused."}}],
    [FULL],
    [{"_id": "e1", "text": "A tear fell."}, {"_id": "e2", "text": "Tears came."}],
    [{"_id": "p1", "ipa": "/teə/", "phonetic": "TEER"}],
    [{"_id": "f1", "content": "Tears are salty.", "category": "cultural"}],
)

PRINTED = """
tear¹  /teə/  TEER (respelling)
  noun
   1  a drop of the clear liquid that comes from the eyes
      neutral · anatomy · UK · B1 · frequency band 2 of 5
      “Tears came.”
      “A tear fell.”
      synonyms: teardrop, droplet
      antonyms: grin
      cognates: Träne
      collocations: shed tears
      patterns: [C] (countable)
      forms: teared (past participle)
      usage: Not a tear in cloth. (confusion)
  Etymology: From tear. (origin: Old English; roots: a, b)
  Phrases
   -  in tears  (neutral) weeping “She was in tears.”
  Choosing a synonym
   -  All of these fall.
   -  droplet  of anything
  Facts
   -  Tears are salty.
  Sources: synthesis, wiktionary
"""


def printed(headword: Headword, width: int = 80) -> str:
    out = StringIO()
    print_page(page(headword), Console(file=out, width=width, highlight=False, force_terminal=False))
    return out.getvalue()


def sense(number: int, **fields: Any) -> Document:
    return {"_id": f"d{number}", "part_of_speech": "noun", "text": f"meaning {number}"} | fields


def test_a_whole_entry() -> None:
    """All fields are shown, in the order of a dictionary."""
    assert printed(WHOLE) == PRINTED


def test_nothing_is_printed_of_what_is_absent() -> None:
    """Null, empty and missing fields are omitted."""
    nothing = dict.fromkeys(FULL) | {"_id": "d1", "part_of_speech": "noun", "text": "a thing"}
    assert printed(Headword({"_id": "w", "text": "x", "homograph_number": None}, [], [nothing])) == (
        "\nx\n  noun\n   1  a thing\n"
    )
    assert printed(Headword({"_id": "w", "text": "x"})) == "\nx\n  No definition yet.\n"


@pytest.mark.parametrize("width", [30, 48, 80, 200])
def test_lines_keep_to_the_width(width: int) -> None:
    """Long texts are wrapped with an indent, wide characters count twice, and no line is too long to read."""
    texts = ["many words " * 30, "字" * 90, "x" * 150]
    senses = [sense(number, text=text) for number, text in enumerate(texts * 4)]
    lines = printed(Headword({"_id": "w", "text": "long"}, [], senses), width).splitlines()
    assert max(map(cell_len, lines)) <= min(width, 100)
    assert all(line.startswith(" " * 6) for line in lines if line.lstrip()[:1] in ("字", "x"))
    assert not any(line.endswith(" ") for line in lines)
    assert "  12  x" in "\n".join(lines)


def test_senses_are_numbered_within_their_part_of_speech() -> None:
    """Each part of speech is printed once, at its first definition."""
    kinds = ("noun", "verb", "noun")
    senses = [sense(number, part_of_speech=kind) for number, kind in enumerate(kinds)]
    assert [line.strip() for line in printed(Headword({"text": "x"}, [], senses)).splitlines()] == (
        ["", "x", "noun", "1  meaning 0", "2  meaning 2", "verb", "1  meaning 1"]
    )


def test_what_was_synthesised_stands_for_its_sources() -> None:
    """The definitions of the synthesis entry are shown alone; without one, those of all sources, by source."""
    senses = [sense(1, providers=["wiktionary"]), sense(2, providers=["import"]), sense(3, providers=["synthesis"])]
    sources = [{"provider": "wiktionary", "definition_ids": ["d1"]}, {"provider": "import", "definition_ids": ["d2"]}]
    ours = {"provider": "synthesis", "definition_ids": ["d3"]}
    alone = printed(Headword({"text": "x"}, [ours, *sources], senses))
    assert "meaning 3" in alone
    assert "meaning 1" not in alone
    assert "Sources: synthesis, wiktionary, import" in alone
    both = printed(Headword({"text": "x"}, sources, senses[:2]))
    assert "meaning 1\n      source: wiktionary\n   2  meaning 2\n      source: import" in both


def test_meanings_come_in_their_order() -> None:
    """Senses are shown as the synthesis entry lists them; those of sources by cluster, and those without one last."""
    orders = (2, 0, None, 1)
    clusters = [None if order is None else {"order": order} for order in orders]
    senses = [sense(number, meaning_cluster=cluster) for number, cluster in enumerate(clusters)]
    listed = ["d3", "d0", "d2", "d1"]
    ours = {"provider": "synthesis", "definition_ids": listed}
    assert [each["_id"] for each in Headword({"text": "x"}, [ours], senses).senses] == listed
    theirs = {"provider": "wiktionary", "definition_ids": listed}
    assert [each["_id"] for each in Headword({"text": "x"}, [theirs], senses).senses] == ["d1", "d3", "d0", "d2"]


def test_every_language_of_a_word_is_shown() -> None:
    """A word in several languages has a page for each, the requested one first; none mixes two languages."""
    entries = [
        {
            "provider": "synthesis",
            "languages": [language],
            "definition_ids": [f"d{number}"],
            "etymology": {"text": text},
        }
        for number, (language, text) in enumerate((("en", "From chatter."), ("fr", "From Latin.")))
    ]
    word = Headword({"text": "chat", "languages": ["en", "fr"]}, entries, [sense(0), sense(1)])
    for language, order in (("fr", [1, 0]), ("en", [0, 1])):
        out = StringIO()
        print_page(page(word, language), Console(file=out, width=80))
        lines = [line.strip() for line in out.getvalue().splitlines() if line]
        heads = ["chat  (English)", "chat  (French)"]
        assert [lines.index(heads[each]) for each in order] == sorted(lines.index(head) for head in heads)
        assert [line[3:] for line in lines if "meaning" in line] == [f"meaning {each}" for each in order]
        assert sum(line.startswith("Etymology:") for line in lines) == 2


def test_every_synthesis_entry_is_shown() -> None:
    """The oldest synthesis entry is shown as the word's, and those that Floridify added later, after it."""
    times = [datetime(2025, month, 1, tzinfo=UTC) for month in (3, 1)]
    entries = [
        {"_id": number, "provider": "synthesis", "created_at": made, "definition_ids": [f"d{number}"]}
        for number, made in enumerate(times)
    ]
    lines = printed(Headword({"text": "x"}, entries, [sense(0), sense(1)])).splitlines()
    found = [line.strip() for line in lines if "meaning" in line or "Another" in line]
    assert found == ["1  meaning 1", "Another synthesis entry", "1  meaning 0"]


def test_every_source_has_its_etymology() -> None:
    """Without a combined etymology, each source's is listed with its provider."""
    sources = [{"provider": name, "etymology": {"text": f"By {name}."}} for name in ("one", "two")]
    shown = printed(Headword({"text": "x"}, sources))
    assert "Etymology (one): By one." in shown
    assert "Etymology (two): By two." in shown


EVIL = "a\u001b[2Jb\u009b31mc\u202ed\r\ne\u0007[bold]f[/bold]"


def filled(document: Mapping[str, Any], value: Any) -> Document:
    """Return a document whose texts are all different, at any depth."""
    other: Document = {}
    for name, each in document.items():
        kept = name.endswith(("_id", "_ids")) or not isinstance(each, str | list | dict)
        other[name] = each if kept else _filled(each, value)
    return other


def _filled(each: Any, value: Any) -> Any:
    if isinstance(each, dict):
        return filled(each, value)
    return [_filled(item, value) for item in each] if isinstance(each, list) else value


def test_texts_are_harmless() -> None:
    """No text from the database moves the cursor, changes colours or is read as markup."""
    evil = Headword(
        filled(WHOLE.word, EVIL),
        *(
            [filled(each, EVIL) for each in documents]
            for documents in (WHOLE.entries, WHOLE.definitions, WHOLE.examples, WHOLE.pronunciations, WHOLE.facts)
        ),
    )
    shown = printed(evil)
    assert shown.count("[bold]f[/bold]") > 20
    assert all(character.isprintable() for character in shown.replace("\n", ""))
    raw = json_text([evil])
    assert all(character.isprintable() for character in raw.replace("\n", ""))
    assert json.loads(raw)[0]["word"]["text"] == EVIL


@pytest.mark.parametrize("value", [7, None, [1], {"a": [None]}, [{"text": None}], True])
def test_fields_of_other_types(value: Any) -> None:
    """A malformed document is shown as far as it can be read."""
    strange = dict.fromkeys(FULL, value) | {"_id": "d1"}
    entry = dict.fromkeys(ENTRY, value) | {"_id": "n1", "definition_ids": ["d1"]}
    assert printed(Headword({"text": value, "homograph_number": value}, [entry], [strange])).startswith("\n")
