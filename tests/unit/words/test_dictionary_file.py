"""Dictionary files: what a line says, which word it is of, what becomes of it, and what is counted."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from floridify_batch.cli.import_ import summary
from floridify_batch.database.source_entry import Draft, Present, drafted, word_of, words_found, writes
from floridify_batch.database.source_import import Distinct, Tally, blocks
from floridify_batch.errors import UsageError
from floridify_batch.words.article import Article, ImportFilter, InvalidArticle, SkipReason, read_article
from floridify_batch.words.dictionary_file import MAX_LINE_BYTES, ReadStats, opened_dictionary
from floridify_batch.words.entry import DocId, Word, unknown_entry

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def kaikki(**changes: Any) -> dict[str, Any]:
    """Return a line of a Wiktionary extract."""
    usual = {"word": "kwell", "lang_code": "en", "pos": "adj", "senses": [{"glosses": ["pleasantly damp"]}]}
    return usual | changes


def plain(**changes: Any) -> dict[str, Any]:
    """Return a line of the plain kind."""
    return {"word": "kwell", "part_of_speech": "verb", "definitions": ["to dampen"], "provider": "wordnet"} | changes


def read(line: Any, asked: ImportFilter | None = None) -> tuple[Article | None, dict[SkipReason, int]]:
    left: Counter[SkipReason] = Counter()
    return read_article(json.dumps(line).encode(), asked or ImportFilter(), left), dict(left)


def article(line: Any, asked: ImportFilter | None = None) -> Article:
    found, _ = read(line, asked)
    assert found is not None
    return found


# ── one line ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_of_kaikki() -> None:
    """A Wiktionary line has word, part of speech in full, definitions, and etymology with its number."""
    line = kaikki(etymology_text=" From\nquell. ", etymology_number=2)
    assert article(line) == Article("kwell", "wiktionary", "adjective", ("pleasantly damp",), 2, "From quell.")


def test_a_plain_line() -> None:
    """A plain line has one or several definitions, and optionally a source and a homograph number."""
    assert article(plain(definitions="to dampen")) == Article("kwell", "wordnet", "verb", ("to dampen",))
    line = plain(
        part_of_speech="adv", definitions=["a", "b"], provider="Free Dictionary", homograph_number=1, language="en"
    )
    assert article(line) == Article("kwell", "free_dictionary", "adverb", ("a", "b"), 1)


def test_the_name_of_a_source() -> None:
    """A line's own provider precedes the requested one; an unknown one is replaced by the requested one."""
    asked = ImportFilter(provider="Merriam-Webster")
    assert article(kaikki(), asked).provider == article(plain(provider=None), asked).provider == "merriam_webster"
    assert article(plain(provider="gcide"), asked).provider == "gcide"
    assert article(plain(provider="its own"), asked).provider == "merriam_webster"


@pytest.mark.parametrize(
    ("pos", "name"), [("name", "proper noun"), ("Noun", "noun"), ("intj", "interjection"), ("odd_kind", "odd kind")]
)
def test_parts_of_speech(pos: str, name: str) -> None:
    """Abbreviated parts of speech are written out; others are kept."""
    assert article(kaikki(pos=pos)).part_of_speech == name


def test_a_sense_below_another() -> None:
    """The text of a subsense follows those of the senses above it, since it is often incomplete alone."""
    assert article(kaikki(senses=[{"glosses": ["To move:", "on foot"]}])).definitions == ("To move: on foot",)


def test_texts_are_one_line_in_one_spelling() -> None:
    """Definitions that differ only in line breaks, control characters or composed letters are equal."""
    line = kaikki(word="cafe\u0301", senses=[{"glosses": ["a\u0000 place\tfor  cafe\u0301\u001b[31m"]}])
    assert article(line).definitions == ("a place for caf\u00e9 [31m",)
    assert article(line).text == "caf\u00e9"


def test_what_is_left_out_of_a_line() -> None:
    """Forms and spellings of other words, senses without a text and texts over the limit are skipped and counted."""
    senses: list[Any] = [
        {"glosses": ["plural of x"], "form_of": [{"word": "x"}]},
        {"glosses": ["variant of x"], "alt_of": [{"word": "x"}]},
        {"glosses": ["past of x"], "tags": ["form-of"]},
        {"tags": ["no-gloss"]},
        {"glosses": ["  "]},
        {"glosses": ["x" * 5001]},
        {"glosses": ["x" * 5000]},
    ]
    found, left = read(kaikki(senses=senses))
    assert found is not None
    assert found.definitions == ("x" * 5000,)
    assert left == {SkipReason.FORM: 3, SkipReason.EMPTY: 2, SkipReason.LONG_TEXT: 1}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (kaikki(lang_code="de"), SkipReason.LANGUAGE),
        (plain(language="de"), SkipReason.LANGUAGE),
        (kaikki(senses=[]), SkipReason.NOTHING),
        (kaikki(word="x" * 201), SkipReason.LONG_WORD),
        (kaikki(word="!"), SkipReason.NO_WORD),
        ({"title": "colour", "redirect": "color"}, SkipReason.REDIRECT),
    ],
)
def test_lines_that_are_left_out(line: Any, why: SkipReason) -> None:
    """A valid line that is not imported is counted by its reason."""
    assert read(line) == (None, {why: 1})


BAD = [
    ([], "not a JSON object"),
    ({"word": "kwell"}, "neither `senses` nor `definitions`"),
    (kaikki(word=None), "no `word`"),
    (kaikki(word={"$ne": 1}), "no `word`"),
    (kaikki(word="a\u0007b"), "control"),
    (kaikki(pos={"$gt": ""}), "no valid `pos`"),
    (kaikki(lang_code=["en"]), "no valid `lang_code`"),
    (kaikki(senses="many"), "senses"),
    (kaikki(senses=[{"glosses": "one"}]), "glosses"),
    (kaikki(senses=[{"glosses": [{"$where": "1"}]}]), "glosses"),
    (kaikki(etymology_number=2**63), "etymology_number"),
    (kaikki(etymology_number=True), "etymology_number"),
    (plain(definitions=[{"text": "x"}]), "neither a string nor a list"),
    (plain(homograph_number="1"), "homograph_number"),
    (plain(provider={"$ne": None}), "no valid `provider`"),
    (plain(provider="Synthesis"), "reserved"),
    (plain(provider="its own"), "Floridify knows no provider 'its own'; it knows wiktionary, oxford"),
    (plain(provider=None), "no `provider`; pass one with --provider: wiktionary, oxford"),
    (plain(part_of_speech=""), "no valid `part_of_speech`"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_bad_lines(line: Any, reason: str) -> None:
    """A line without a required field, or with another type in it, is refused with the reason."""
    with pytest.raises(InvalidArticle, match=reason):
        read(line)


# ── a file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def file_of(folder: Path, *lines: Any, name: str = "words.jsonl") -> Path:
    texts = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    path = folder / name
    path.write_bytes(b"\n".join(texts) + b"\n")
    return path


def whole(path: Path, asked: ImportFilter | None = None) -> tuple[ReadStats, list[Article]]:
    with opened_dictionary(path, asked or ImportFilter()) as (reading, articles):
        return reading, list(articles)


def test_a_file(tmp_path: Path) -> None:
    """A file may have both kinds of lines, a byte order mark and empty lines; bad lines have an editor's number."""
    path = file_of(
        tmp_path, b"\xef\xbb\xbf" + json.dumps(kaikki()).encode(), b"", b"{", plain(), kaikki(lang_code="fr")
    )
    reading, articles = whole(path)
    assert [each.part_of_speech for each in articles] == ["adjective", "verb"]
    assert list(map(str, reading.bad_lines)) == ["line 3: not valid JSON"]
    assert reading.lines == 4 == reading.articles + reading.lines_skipped + reading.bad
    assert reading.done == reading.size == path.stat().st_size


def test_a_compressed_file(tmp_path: Path) -> None:
    """A compressed file is recognised by its content, not by its name, and its compressed bytes are counted."""
    path = file_of(tmp_path, *[plain(word=f"w{number}") for number in range(500)])
    path.write_bytes(gzip.compress(path.read_bytes()))
    reading, articles = whole(path)
    assert len(articles) == 500
    assert reading.done == path.stat().st_size


def test_a_compressed_file_that_breaks_off(tmp_path: Path) -> None:
    """The articles before the damage are read, and the damage is reported."""
    path = file_of(tmp_path, *[plain(word=f"w{number}", definitions=f"{number * 7919}") for number in range(5000)])
    path.write_bytes(gzip.compress(path.read_bytes())[:-2000])
    reading, articles = whole(path)
    assert 0 < len(articles) < 5000
    assert reading.damaged.startswith(f"damaged after line {reading.lines:,}")


def test_a_line_without_end(tmp_path: Path) -> None:
    """A line of many megabytes is bad; it is never in memory as a whole, and reading continues."""
    endless = b'{"word": "' + b"x" * (2 * MAX_LINE_BYTES) + b'"}'
    full = b" " * (MAX_LINE_BYTES - 1)
    reading, articles = whole(file_of(tmp_path, endless, full, plain()))
    assert [each.text for each in articles] == ["kwell"]
    assert [(line.number, line.reason) for line in reading.bad_lines] == [(1, "over 8 MB")]


def test_only_the_first_bad_lines_are_named(tmp_path: Path) -> None:
    """All bad lines are counted, and the first five are named."""
    reading, _ = whole(file_of(tmp_path, plain(), *[b"?"] * 9))
    assert (reading.bad, [line.number for line in reading.bad_lines]) == (9, [2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("contents", "line"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"not\njson\n", r"No article .*line 1: not valid JSON"),
        (b"\x1f\x8b broken", "damaged after line 0"),
        (json.dumps(kaikki(lang_code="de")).encode(), r"for --language en: 1 lines, 1 in other languages"),
    ],
)
def test_a_file_without_an_article(tmp_path: Path, contents: bytes, line: str) -> None:
    """A file without an article is refused with an error that names its content."""
    path = tmp_path / "words.jsonl"
    path.write_bytes(contents)
    with pytest.raises(UsageError, match=line):
        whole(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and an invalid provider are refused."""
    for path, asked, line in (
        (tmp_path / "none", ImportFilter(), "File not found"),
        (tmp_path, ImportFilter(), "cannot be read"),
        (file_of(tmp_path, plain()), ImportFilter(provider="synthesis"), "--provider 'synthesis'"),
        (file_of(tmp_path, plain()), ImportFilter(provider="own"), "it knows wiktionary, oxford"),
    ):
        with pytest.raises(UsageError, match=line):
            whole(path, asked)


# ── which word ─────────────────────────────────────────────────────────────────────────────────────────────────────


def numbered(*numbers: int | None) -> list[Article]:
    return [Article("tear", "wiktionary", "noun", (f"meaning {at}",), number) for at, number in enumerate(numbers)]


def placed(articles: list[Article], *there: int | None) -> list[int | None]:
    """Return the homograph numbers of the words that articles belong to, given the existing numbers."""
    documents = [{"_id": ObjectId(), "text": "tear", "homograph_number": number} for number in there]
    homographs = words_found(documents, "en").get("tear", {})
    return [word_of(each, homographs, "en").homograph_number for each in articles]


@pytest.mark.parametrize(
    ("line", "there", "found"),
    [
        ((None,), (), [None]),
        ((1, 2), (), [1, 2]),
        ((1, 2), (None,), [None, None]),
        ((1, 2), (None, 2), [None, 2]),
        ((1, 3), (1, 2), [1, 3]),
        ((None,), (1, 2), [1]),
        ((None,), (2,), [1]),
        ((2, None, 1), (), [2, 1, 1]),
        ((None, 1, 2), (), [None, None, None]),
    ],
)
def test_homographs(line: tuple[int | None, ...], there: tuple[int | None, ...], found: list[int | None]) -> None:
    """Numbered etymologies are homographs, unless the spelling is one word without a number already."""
    articles = numbered(*line)
    assert placed(articles, *there) == found
    assert placed(articles, *{*there, *found}) == found, "the same articles find the same words again"


def test_a_new_word_is_the_one_that_a_list_would_make() -> None:
    """A word that is imported and one that is planned first are the same document."""
    assert word_of(numbered(None)[0], {}, "en") == unknown_entry("tear", "en").word


# ── what becomes of it ─────────────────────────────────────────────────────────────────────────────────────────────

WORD = unknown_entry("kwell", "en").word


def draft_of(*texts: str, etymology: str | None = None) -> Draft:
    return Draft(WORD, "wordnet", [("noun", text) for text in texts], etymology)


def test_articles_of_a_word_make_one_entry_per_source() -> None:
    """An article may have several parts of speech; the first etymology is used."""
    verb = Article("kwell", "wiktionary", "verb", ("to dampen",), None, "From quell.")
    drafts = drafted([(WORD, article(kaikki())), (WORD, article(plain())), (WORD, verb)])
    assert [draft.provider for draft in drafts] == ["wiktionary", "wordnet"]
    assert drafts[0].senses == [("adjective", "pleasantly damp"), ("verb", "to dampen")]
    assert drafts[0].etymology == "From quell."


def test_ids_are_derived_from_content() -> None:
    """Equal source, word, part of speech and text have the same ID; any difference gives another."""
    first, again = (writes(draft_of("a", "b", "a"), None, NOW) for _ in range(2))
    assert first.named == again.named
    assert len(set(first.named)) == len(first.definitions) == 2
    other = Draft(Word(DocId("0" * 24), "kwell", "en"), "wordnet", [("noun", "a")])
    elsewhere = Draft(WORD, "wiktionary", [("noun", "a")])
    verb = Draft(WORD, "wordnet", [("verb", "a")])
    assert len({writes(each, None, NOW).named[0] for each in (draft_of("a"), other, elsewhere, verb)}) == 4


def present(*texts: str, etymology: bool = False) -> Present:
    named = writes(draft_of(*texts), None, NOW).named
    return Present(draft_of().entry_id, frozenset(named), etymology)


def test_an_entry_that_has_everything_is_left_alone() -> None:
    """An unchanged document is not written, so that its time and version stay."""
    assert writes(draft_of("a"), present("a", "b"), NOW).entry is None
    assert writes(draft_of("a", etymology="From b."), present("a", etymology=True), NOW).entry is None
    assert writes(draft_of("a", etymology="From b."), present("a"), NOW).entry is not None
    assert writes(draft_of("c"), present("a"), NOW).entry is not None


def test_definitions_that_others_made_are_recognised() -> None:
    """A definition that an entry of the same source already has is not imported a second time."""
    theirs = DocId("a" * 24)
    there = Present(DocId("b" * 24), frozenset([theirs]), False, {("noun", "a"): theirs})
    written = writes(draft_of("a", "b"), there, NOW)
    assert written.named[0] == theirs
    assert len(written.definitions) == 1


def test_blocks_keep_a_word_together() -> None:
    """A block ends between two words, or within a word only if that is too long."""
    articles = [Article(text, "wordnet", "noun", ("a",)) for text in "aaabbbbc"]
    assert ["".join(each.text for each in block) for block in blocks(articles, 2)] == ["aaa", "bbbb", "c"]
    endless = [Article("a", "wordnet", "noun", ("a",))] * 5
    assert [len(block) for block in blocks(endless, 2)] == [4, 1]


def test_the_closing_words_add_up() -> None:
    """Each sentence begins with a figure, which is the sum of its parts."""
    reading = ReadStats(
        0,
        lines=11,
        articles=6,
        bad=2,
        skipped=Counter({SkipReason.LANGUAGE: 2, SkipReason.NOTHING: 1, SkipReason.FORM: 3}),
    )
    tally = Tally(new_words=2, new_entries=1, new_definitions=4)
    for name in ("a", "b", "a"):
        tally.entries.add(name)
    for name in ("a", "b", "c", "a"):
        tally.words.add(name)
    for name in ("a", "b", "c", "d", "e", "e"):
        tally.definitions.add(name)
    assert list(summary("x.jsonl", reading, tally)) == [
        "Imported 6 of 11 lines of x.jsonl (2 in other languages, 1 without a definition, 2 invalid).",
        "Words: 3: 2 new, 1 already present.",
        "Entries: 2: 1 new, 1 already present.",
        "Definitions: 9: 4 new, 1 already present, 1 duplicate, 3 forms and spellings of other words.",
    ]


def test_distinct_counts() -> None:
    """Distinct items are counted once, occurrences each."""
    things = Distinct()
    for number in range(3000):
        things.add(str(number % 1000))
    assert (things.count(), things.occurrences()) == (1000, 3000)


# ── kaikki's newer files, and tables ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("stated", "number"), [("1", 1), ("2.1", 2), (" 3 ", 3), ("12.3.4", 12), (4, 4), (None, None)])
def test_etymology_numbers_are_strings_too(stated: object, number: int | None) -> None:
    """Etymology numbers may be strings, with parts: "1.2" belongs to etymology 1. No line is lost for it."""
    assert article(kaikki(etymology_number=stated)).number == number


@pytest.mark.parametrize("stated", ["", "x", "1.", "0", "1000", "-1", "1.2.", [1]])
def test_etymology_numbers_that_are_none(stated: object) -> None:
    """An etymology number that is not a number invalidates its line, which is named."""
    with pytest.raises(InvalidArticle, match="etymology_number"):
        read(kaikki(etymology_number=stated))


def test_etymologies_of_other_editions() -> None:
    """Other editions of Wiktionary state a list of etymologies."""
    assert (
        article(kaikki(etymology_texts=["From  Latin.", "", 3, "Via\nFrench."])).etymology == "From Latin. Via French."
    )
    assert article(kaikki(etymology_text="One.", etymology_texts=["Two."])).etymology == "One."


def test_a_region_is_of_its_language() -> None:
    """An import for `en-GB` takes the lines of `en`, and not those of another language."""
    wanted = ImportFilter("en-GB")
    assert read(kaikki(), wanted)[0]
    assert read(kaikki(lang_code="de"), wanted)[0] is None


def test_a_table_has_a_definition_per_row(tmp_path: Path) -> None:
    """A CSV file with named columns is imported row by row; a bad row costs itself and is named with its line."""
    path = tmp_path / "words.csv"
    rows = (
        b'\xef\xbb\xbfHeadword;POS;Meaning;Source\nbank;n;"a slope\nbeside water";oxford\n;n;nothing;\n'
        b"bank;v;to heap up;gcide\ncaf\xe9;n;a place;\n\nowl;n;a bird;gcide\n"
    )
    path.write_bytes(rows)
    stats, articles = whole(path)
    assert [(each.text, each.part_of_speech, each.definitions, each.provider) for each in articles] == [
        ("bank", "noun", ("a slope beside water",), "oxford"),
        ("bank", "verb", ("to heap up",), "gcide"),
        ("owl", "noun", ("a bird",), "gcide"),
    ]
    assert [(bad.number, bad.reason) for bad in stats.bad_lines] == [(4, "no `word`"), (6, "bytes that are not UTF-8")]
    assert stats.lines == stats.articles + stats.lines_skipped + stats.bad == 5


DEEP = b"[" * 100_000
ODD_LINES = [b"{", b'{"word": "caf\xe9"}', b"null", b"7", b'"bank"', b"[]", b"{}", b"\x00", DEEP, b'{"word": NaN}']


def test_an_odd_line_of_any_kind_costs_itself(tmp_path: Path) -> None:
    """Broken JSON, other types, and bytes that are not UTF-8 are named with their lines; the lines around are read."""
    lines = [each for odd in ODD_LINES for each in (odd, plain())]
    stats, articles = whole(file_of(tmp_path, *lines))
    assert len(articles) == len(ODD_LINES)
    assert stats.bad == len(ODD_LINES)
    assert [each.number for each in stats.bad_lines] == [*range(1, 2 * len(ODD_LINES), 2)][: len(stats.bad_lines)]
    rows = (
        "word,definition,part_of_speech,source",
        "bank",
        "bank,a slope",
        "bank,a slope,n,gcide,more",
        ",,,",
        "owl,,n",
    )
    path = tmp_path / "words.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    stats, articles = whole(path)
    assert [(each.text, each.definitions) for each in articles] == [("bank", ("a slope",))]
    assert [each.number for each in stats.bad_lines] == [2, 3, 6]


@pytest.mark.parametrize("content", ["word,definition\nbank,a slope\n", "a,b\n1,2\n", "\n"])
def test_a_table_without_its_columns_is_refused(tmp_path: Path, content: str) -> None:
    """A CSV file without a word, a definition or a part of speech is refused with the names to use."""
    path = tmp_path / "words.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"missing: .*part_of_speech"):
        whole(path)
