"""Word lists as people have them: with comments, counts, headers, odd encodings and mistakes."""

import unicodedata
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from floridify_batch.errors import UsageError
from floridify_batch.words import read_word_list as exported
from floridify_batch.words.entry import MAX_WORD_LENGTH, clean_word, derived_id, unknown_entry
from floridify_batch.words.word_list import (
    WordList,
    digest_of,
    joined,
    list_of,
    read_normalised,
    read_word_list,
    write_normalised,
)

patient = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, content: str | bytes, name: str = "words.txt") -> WordList:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_word_list(path)


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(UsageError) as refused:
        read(folder, content)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("one\ntwo\n", ["one", "two"], id="a word a line"),
        pytest.param("one\ntwo", ["one", "two"], id="no newline at the end"),
        pytest.param("one\r\ntwo\r\n", ["one", "two"], id="Windows line ends"),
        pytest.param("one\rtwo\r", ["one", "two"], id="old Macintosh line ends"),
        pytest.param("# list\none\n  # more\ntwo\n", ["one", "two"], id="comments"),
        pytest.param("\n\n one \n\t\ntwo\n\n", ["one", "two"], id="blanks around and between"),
        pytest.param("en coulisse\nvis-à-vis\nad  hoc\n", ["en coulisse", "vis-à-vis", "ad hoc"], id="several words"),
        pytest.param("two\none\ntwo\n", ["two", "one"], id="the first of equals stays in its place"),
        pytest.param("Polish\npolish\n", ["Polish", "polish"], id="capitals make another word"),
        pytest.param("c#\nC# minor\n", ["c#", "C# minor"], id="a # inside a line is no comment"),
        pytest.param("don't\nrock 'n' roll\n", ["don't", "rock 'n' roll"], id="apostrophes"),
        pytest.param("日本\nगाँव\nไทย\n", ["日本", "गाँव", "ไทย"], id="other scripts"),
        pytest.param("the 23135851162\nof 13,151,942\nand 1.2\n", ["the", "of", "and"], id="every line has a count"),
        pytest.param("en coulisse 1200\nad hoc 700\n", ["en coulisse", "ad hoc"], id="counts behind several words"),
        pytest.param("the 10000\ncatch 22 9000\nof 8000\n", ["the", "catch 22", "of"], id="a number and a count"),
        pytest.param("happy\ncatch 22\nsad\n", ["happy", "catch 22", "sad"], id="a number in a plain list stays"),
        pytest.param("catch 22\n", ["catch 22"], id="one line with a number is a word"),
        pytest.param("happy\t12\nsad\n", ["happy", "sad"], id="a number behind a tab is a count in any list"),
        pytest.param("7\n42\n", ["7", "42"], id="numbers alone are words"),
        pytest.param("route 66\ncatch 22\nformula 1\n", ["route 66", "catch 22", "formula 1"], id="names with numbers"),
        pytest.param(
            "39 steps\n7 wonders\n12 apostles\n", ["39 steps", "7 wonders", "12 apostles"], id="numbers first"
        ),
        pytest.param("    412 the\n     17 catch\n", ["the", "catch"], id="uniq -c"),
        pytest.param("1 one\n2 two\n3 three\n", ["one", "two", "three"], id="ranks"),
        pytest.param("9021\tthe\n300\tof\n", ["the", "of"], id="counts before, with tabs"),
        pytest.param("the\t9021\nof\t300\n", ["the", "of"], id="counts after, with tabs"),
        pytest.param("1. one\n2. two\n10) ten\n", ["one", "two", "ten"], id="numbering"),
        pytest.param("- one\n* two\n+ three\n• four\n", ["one", "two", "three", "four"], id="bullets"),
        pytest.param("- [ ] one\n- [x] two\n", ["one", "two"], id="checkboxes"),
        pytest.param("- **one** \u2013 a number\n- __two__: two\n- `three`\n", ["one", "two", "three"], id="bold"),
        pytest.param("# Title\n\n## Part\n- one\n", ["one"], id="headings"),
        pytest.param("-ness\n-able\n", ["-ness", "-able"], id="suffixes are no bullets"),
        pytest.param("| word | pos |\n|---|:--|\n| one | n |\n| two | n |\n", ["one", "two"], id="a Markdown table"),
        pytest.param('["one", "two"]', ["one", "two"], id="a JSON array"),
        pytest.param('[{"lemma": "one", "n": 1}, {"lemma": "two"}]', ["one", "two"], id="JSON objects"),
        pytest.param('{"word": "one"}\n{"word": "two"}\n', ["one", "two"], id="JSON lines"),
        pytest.param('{"words": ["one", "two"], "made": "today"}', ["one", "two"], id="a list in an object"),
        pytest.param('{"one": 3, "two": 2}', ["one", "two"], id="counts in an object"),
        pytest.param("[sic]\none\n", ["[sic]", "one"], id="a bracket is no JSON"),
        pytest.param(
            "#separator:tab\n#html:true\n#guid column:1\nx1\t<b>one</b>\tuno\nx2\tsalt &amp; pepper\tdue\n",
            ["one", "salt & pepper"],
            id="an Anki export",
        ),
        pytest.param("3\none/MS\ntwo\nand\\/or/X po:conj\n", ["one", "two", "and/or"], id="a hunspell dictionary"),
        pytest.param(
            "don\u02bct\ncan\u2019t\ncan't\nco\u2010op\nco-op\n",
            ["don\u02bct", "can't", "co-op"],
            id="typographic signs",
        ),
        pytest.param("shoe\u00adlace\ncat\u200b\n\u200edog\n", ["shoelace", "cat", "dog"], id="invisible characters"),
        pytest.param(
            "می\u200cخو\u0627\u0647م\nक्\u200dष\na\u200cb\n", ["می\u200cخو\u0627\u0647م", "क्\u200dष", "ab"], id="joiners"
        ),
        pytest.param(
            'word,definition\nbank,"an institution\nthat lends money"\nowl,"a bird\n\nof the night"\n',
            ["bank", "owl"],
            id="line breaks in cells",
        ),
        pytest.param('word,note\n"bank,x\nbark,y\n' + "bat,z\n" * 300, ["bank,x", "bark", "bat"], id="an open quote"),
        pytest.param("Headword;POS;Freq\nbank;n;120\n", ["bank"], id="another name of the column"),
        pytest.param("Wort\tWortart\nBank\tSubstantiv\n", ["Bank"], id="a German header"),
        pytest.param("red, white and blue\nhello\nbank\n", ["red, white and blue", "hello", "bank"], id="commas"),
        pytest.param("word\nlexeme\n", ["word", "lexeme"], id="the word 'word' in a plain list"),
        pytest.param("word,count\nhappy,12\nsad,3\n", ["happy", "sad"], id="a header with counts"),
        pytest.param("rank;Word;count\n1;happy;12\n", ["happy"], id="the column may stand anywhere, spelled anyhow"),
        pytest.param("word\tfrequency\nin vitro\t3\n", ["in vitro"], id="tabs between columns"),
        pytest.param('word,note\n"hello, world",x\n', ["hello, world"], id="a quoted comma belongs to the word"),
    ],
)
def test_lists_in_use(tmp_path: Path, content: str, words: list[str]) -> None:
    """Every usual format of word lists yields its words in order."""
    assert read(tmp_path, content).words == words


def test_csv_header_alone(tmp_path: Path) -> None:
    """In a .csv file with a single column `word`, the header is recognised."""
    assert read(tmp_path, "Word\nhappy\n", "list.CSV").words == ["happy"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_with_a_mark(tmp_path: Path, encoding: str) -> None:
    """A list saved by a spreadsheet or by Notepad yields the same words, without a byte order mark."""
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    assert read(tmp_path, (mark + "été\nnaïve\n").encode(encoding)).words == ["été", "naïve"]


def test_one_form_of_each_character(tmp_path: Path) -> None:
    """A word typed with combining accents is the same word as one typed without, and is stored composed."""
    found = read(tmp_path, "cafe\u0301\ncafé\n")
    assert (list(found.words), found.duplicates) == (["café"], 1)


def test_duplicates_are_counted(tmp_path: Path) -> None:
    """Duplicates are requested once, and their number is reported."""
    assert read(tmp_path, "a\nb\na\n a \nb\n").duplicates == 3


def test_bad_lines_by_number(tmp_path: Path) -> None:
    """A line that cannot be a word is skipped, and reported with an editor's line number."""
    lines = [b"good", b"# note", b"caf\xe9", b"", b"---", b"x" * 201, b"bell\x07", "übel".encode()]
    found = read(tmp_path, b"\n".join(lines))
    assert found.words == ["good", "übel"]
    assert [bad.number for bad in found.bad_lines] == [3, 5, 6, 7]
    assert str(found.bad_lines[0]) == "line 3: bytes that are not UTF-8"
    assert str(found.bad_lines[2]) == "line 6: 201 characters, more than 200"


def test_short_csv_rows_are_bad(tmp_path: Path) -> None:
    """A CSV row that ends before the word column is reported, and reading continues."""
    found = read(tmp_path, "rank,word\n1,happy\n2\n3,sad\n")
    assert found.words == ["happy", "sad"]
    assert [bad.number for bad in found.bad_lines] == [3]


def test_a_first_line_beyond_all_measure(tmp_path: Path) -> None:
    """A file that is one endless line is refused with an error."""
    assert "No word in" in refusal(tmp_path, b"x" * 200_000)


def test_an_endless_cell(tmp_path: Path) -> None:
    """An endless cell in a CSV file affects its own line only."""
    assert read(tmp_path, "word,n\n" + "x" * 200_000 + ",1\nhappy,2\n").words == ["happy"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n", b"\xef\xbb\xbf", b"---\n...\n", b"word,count\n"])
def test_no_word(tmp_path: Path, content: bytes) -> None:
    """A list without words is refused with its path."""
    message = refusal(tmp_path, content)
    assert "No word in" in message
    assert str(tmp_path / "words.txt") in message


@pytest.mark.parametrize("content", [b"\x7fELF\0\0", b"PK\x03\x04\0", b"one\ntwo\0\n"])
def test_binary(tmp_path: Path, content: bytes) -> None:
    """A program or an archive given by mistake is called a binary file."""
    assert "binary file" in refusal(tmp_path, content)


def test_broken_utf16(tmp_path: Path) -> None:
    """A file that only begins like UTF-16 is refused with a remedy."""
    assert "save it as UTF-8" in refusal(tmp_path, b"\xff\xfea")


def test_missing_and_folder(tmp_path: Path) -> None:
    """A missing file and a folder have different errors."""
    with pytest.raises(UsageError, match="File not found"):
        read_word_list(tmp_path / "absent.txt")
    with pytest.raises(UsageError, match="is a folder"):
        read_word_list(tmp_path)


@patient
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=100).map(str.encode),
        st.text(st.sampled_from("word,;\t\"'#0a \n\r\x85\u2028"), max_size=60).map(str.encode),
        st.text(max_size=50).map(lambda text: text.encode("utf-16")),
    ),
    st.sampled_from(["list.txt", "list.csv"]),
)
def test_any_bytes(tmp_path: Path, content: bytes, name: str) -> None:
    """The reader returns words that the database accepts, or refuses with our own error, for any bytes."""
    try:
        found = read(tmp_path, content, name)
    except UsageError:
        return
    assert len(set(found.words)) == len(found.words) > 0
    for word in found.words:
        assert 0 < len(word) <= MAX_WORD_LENGTH
        assert word == unicodedata.normalize("NFC", " ".join(word.split()))


@patient
@given(st.lists(st.text(min_size=1), unique=True))
def test_normalised_copy(tmp_path: Path, texts: list[str]) -> None:
    """A run's copy of its list is read back word for word, so that ordinals never shift."""
    words = [word for word, _ in map(clean_word, texts) if word]
    path = tmp_path / "copy.txt"
    write_normalised(words, path)
    assert read_normalised(path) == words


@patient
@given(st.text())
def test_cleaning_once_is_enough(text: str) -> None:
    """Cleaning is idempotent: a list that is written and read again is unchanged."""
    word, reason = clean_word(text)
    assert bool(word) != bool(reason)
    if word:
        assert clean_word(word) == (word, "")


def test_digest() -> None:
    """The digest depends on the words, their order and their boundaries, and on nothing else."""
    lists: tuple[list[str], ...] = (["a", "b"], ["b", "a"], ["ab"], ["a"], ["a b"], [])
    assert len({digest_of(words) for words in lists}) == len(lists)
    assert digest_of(iter(["a", "b"])) == digest_of(["a", "b"])


def test_digest_of_a_file(tmp_path: Path) -> None:
    """Comments, blank lines and duplicates do not change a list's digest, so that editing them keeps its run."""
    assert read(tmp_path, "# x\na\n\nb\na\n").digest == read(tmp_path, "a\nb\n").digest


def test_the_id_of_an_unknown_word() -> None:
    """An unknown word has the same ID on every machine, and another one in another language."""
    english = unknown_entry("chat", "en")
    assert english.id == unknown_entry("chat", "en").id == derived_id("word", "en", "chat")
    assert english.id != unknown_entry("chat", "fr").id
    assert len(english.id) == 24
    assert not english.word.stored


def test_comments_behind_words(tmp_path: Path) -> None:
    """A comment may follow a word; a # within a word belongs to it."""
    assert read(tmp_path, "wind # moving air\nC#\nen coulisse\t# French\n#all\n").words == ["wind", "C#", "en coulisse"]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        pytest.param("one\ntwo\n", "words.txt", None, id="a plain list"),
        pytest.param("catch 22\nhappy\nsad\n", "words.txt", None, id="a number here and there"),
        pytest.param("hello, world\none\ntwo\nthree\n", "words.txt", None, id="a comma here and there"),
        pytest.param("one 2000\ntwo 10\n", "words.txt", "removed as counts", id="counts"),
        pytest.param(
            "one 1\ntwo 2\nthree\n", "words.txt", "2 of the first 3 lines end with a number", id="half counted"
        ),
        pytest.param("bank,noun\nbark,verb\n", "words.txt", "Lines contain commas", id="two cells"),
        pytest.param("route 66\ncatch 22\nformula 1\n", "words.txt", "part of the entry", id="numbers in entries"),
        pytest.param(
            "https://example.com\nbank\n", "words.txt", "1 entry looks unlike a word: “https", id="an address"
        ),
        pytest.param(
            "=SUM(A1)\n1,234\nbank\n",
            "words.txt",
            "2 entries look unlike a word: “=SUM(A1)”, “1,234”. To leave them out, delete",
            id="a formula",
        ),
        pytest.param(
            "bank\nSumme: 62\n",
            "words.txt",
            "1 entry looks unlike a word: “Summe: 62”. To leave it out, delete",
            id="a sum",
        ),
        pytest.param("The bank lends money to us.\nbank\n", "words.txt", "unlike a word: “The bank", id="a sentence"),
        pytest.param("walk (verb)\nbank\n", "words.txt", "unlike a word: “walk (verb)”", id="a part of speech"),
        pytest.param("color(u)r\nbank\n", "words.txt", None, id="optional letters"),
        pytest.param("caf\xe9\nbank\n", "latin.txt", "read as Windows-1252", id="an old encoding"),
        pytest.param("one;1\ntwo\nthree\nfour\n", "words.csv", "Lines contain semicolons", id="called CSV"),
    ],
)
def test_how_a_list_was_read(tmp_path: Path, content: str, name: str, message: str | None) -> None:
    """Assumptions about a list that is not one word per line are reported; a plain list has no notes."""
    encoded = content.encode("latin-1" if name == "latin.txt" else "utf-8")
    readings = read(tmp_path, encoded, name).readings
    assert (not readings) if message is None else any(message in each for each in readings)


TABLE = "bank,noun,120\nbark,verb,3\nbat,noun,7\n"


@pytest.mark.parametrize(
    ("content", "name", "column", "words"),
    [
        (TABLE, "words.csv", "1", ["bank", "bark", "bat"]),
        (TABLE, "words.txt", "2", ["noun", "verb"]),
        ("Form,Class\nbank,noun\n", "words.csv", "form", ["bank"]),
        ("Form,Count\nbank,3\n", "words.csv", "1", ["bank"]),
        ('[{"text": "bank", "n": 1}]', "words.json", "text", ["bank"]),
        ("route 2000\ncatch 22\n", "words.txt", "1", ["route 2000", "catch 22"]),
        ("#separator:semicolon\n#columns:Vorne;Hinten\nBank;bench\n", "deck.txt", "Hinten", ["bench"]),
    ],
)
def test_a_column_by_name_or_number(tmp_path: Path, content: str, name: str, column: str, words: list[str]) -> None:
    """`--column` names the words' column; in a plain list, column 1 is the whole line."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert read_word_list(path, column).words == words


@pytest.mark.parametrize(
    ("content", "name", "column", "parts"),
    [
        (TABLE, "words.txt", None, ["columns bank, noun, 120", "a row: bark, verb, 3", "--column bank"]),
        ("Form,Class\nbank,noun\n", "words.csv", None, ["columns Form, Class", "a row: bank, noun", "--column Form"]),
        ("a b\tc\nd\te\n", "words.txt", None, ['--column "a b"']),
        ("Form,Class\nbank,noun\n", "words.csv", "Word", ["no column Word", "Form, Class"]),
        ("Form,Class\nbank,noun\n", "words.csv", "3", ["no column 3"]),
        ("bank\nbark\n", "words.txt", "2", ["is not a table"]),
        ('[{"text": "bank", "n": 1}]', "words.json", None, ["columns text, n", "--column text"]),
        ('{"processed_words": [], "failed_words": {}}', "words.checkpoint.json", None, ["a checkpoint", "resume -c"]),
        ('{"name": "x", "version": "1"}', "package.json", None, ["not a word list", "name, version"]),
        ("[[1, 2]]", "pairs.json", None, ["not a word list"]),
        ("not json", "words.json", None, ["No word"]),
    ],
)
def test_what_is_no_list_is_refused(
    tmp_path: Path, content: str, name: str, column: str | None, parts: list[str]
) -> None:
    """A file with an ambiguous word column is refused with its columns and the option to name one."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        read_word_list(path, column)
    for part in parts:
        assert part in str(refused.value)


def test_the_summary_shows_what_was_read(tmp_path: Path) -> None:
    """A list's summary names its source, its column, the first and last words, and what was skipped."""
    found = read(tmp_path, "Lemma,n\na,1\nb,1\na,2\nc,1\nd,1\n---,1\ne,1\nf,1\n", "words.csv")
    assert found.summary == (
        f"Read 6 words from {tmp_path / 'words.csv'}, column “Lemma”: “a”, “b”, “c” … “e”, “f”. "
        "Skipped 1 duplicate, 1 line with no letters or digits (7)."
    )
    assert read(tmp_path, "one\n").summary == f"Read 1 word from {tmp_path / 'words.txt'}: “one”."


def test_an_empty_cell_is_called_empty(tmp_path: Path) -> None:
    """A row of a table without a word is skipped as an empty cell; a cell of signs has no letters or digits."""
    found = read(tmp_path, 'Lemma,n\na,1\n,2\n" ",3\n---,4\nb,5\n', "words.csv")
    assert "2 lines with an empty cell (3, 4), 1 line with no letters or digits (5)" in found.summary


def test_the_reader_is_exported(tmp_path: Path) -> None:
    """The package of words exports the reader of lists, for scripts."""
    (tmp_path / "words.txt").write_text("bank\n")
    assert [*exported(tmp_path / "words.txt").words] == ["bank"]


def test_several_lists_are_one(tmp_path: Path) -> None:
    """Several lists and single words are joined in order, without duplicates; their counts add up."""
    first = read(tmp_path, "a\nb\na\n", "first.txt")
    second = read(tmp_path, "b\nc\n---\n", "second.txt")
    found = joined([first, second, list_of(["d", "a"])])
    assert (list(found.words), found.duplicates, len(found.bad_lines)) == (["a", "b", "c", "d"], 3, 1)
    assert found.digest == digest_of(["a", "b", "c", "d"])
    assert "first.txt" in found.name
    with pytest.raises(UsageError, match="--word '---'"):
        list_of(["---"])


def test_a_spreadsheet(tmp_path: Path) -> None:
    """The first sheet of an Excel file is read as a table: its word column is recognised, or as given."""
    openpyxl = import_module("openpyxl")
    book = openpyxl.Workbook()
    for row in (
        (None, "Lemma", "Freq"),
        (1, "bank", 120),
        (2, " en coulisse ", 3.5),
        (),
        (3, None, 1),
        (4, "café", ""),
    ):
        book.active.append(row)
    book.create_sheet("Notes").append(("word", "not a word of the list"))
    book.save(tmp_path / "words.xlsx")
    found = read_word_list(tmp_path / "words.xlsx")
    assert list(found.words) == ["bank", "en coulisse", "café"]
    assert "“Lemma”" in found.summary
    assert "5" in found.summary  # the line without a word
    with pytest.raises(UsageError, match="Lemma"):
        read_word_list(tmp_path / "words.xlsx", column="Headword")


def test_titles_above_a_table(tmp_path: Path) -> None:
    """Titles of one cell above a header with a known column are skipped, and so are bullets in cells."""
    text = "My vocabulary,,\n,,\nNr,Lemma ,Meaning\n1,bank,x\n2,• bark,x\n3,leaf,\n"
    assert list(read(tmp_path, text, "a.csv").words) == ["bank", "bark", "leaf"]
    with pytest.raises(UsageError, match=r"columns Nr, Zzz, Meaning .*--column Zzz"):
        read(tmp_path, text.replace("Lemma", "Zzz"), "b.csv")


@pytest.mark.parametrize(
    "name",
    ["Head word", "English word", "Word/phrase", "Target word", "Headwords (EN)", "Words to add", "TERM ", "head_word"],
)
@pytest.mark.parametrize("title", ["", "Unit 3 vocabulary\n", "Unit 3,,\nMay,,\n", "Unit 3\n\n"])
def test_a_known_name_within_a_header(tmp_path: Path, name: str, title: str) -> None:
    """A column whose name contains a known one as a word has the words, with titles above the header or without."""
    rows = "1,bank,a house of money\n2,en coulisse,\n3,bark,of a tree\n"
    assert list(read(tmp_path, f"{title}No.,{name},Word class\n{rows}", "a.csv").words) == [
        "bank",
        "en coulisse",
        "bark",
    ]
    tabs = f"{title}No.,{name},Word class\n{rows}".replace(",", "\t")
    assert list(read(tmp_path, tabs, "a.txt").words) == ["bank", "en coulisse", "bark"]


def test_two_names_that_fit_are_a_question(tmp_path: Path) -> None:
    """Of two columns whose names contain a known one, none is guessed; the most likely one is suggested."""
    text = "Unit 3,,\nNo.,English word,German word\n1,bank,Bank\n2,bark,Rinde\n3,bark,Bellen\n"
    with pytest.raises(UsageError, match=r'columns No\., English word, German word .*--column "German word"'):
        read(tmp_path, text, "a.csv")
    assert list(read_word_list(tmp_path / "a.csv", "English word").words) == ["bank", "bark"]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("No.,Class,Item\n1,noun,bank\n2,noun,bark\n3,verb,go\n", "Item"),
        ("Vocabulary\nKey,Item,Meaning\nx1,bank,a house of money\nx2,bark,of a tree\nx3,leaf,of a tree\n", "Item"),
        ("Word class,Form\nnoun,bank\nverb,bark\n", "Form"),
    ],
)
def test_the_likeliest_column_is_suggested(tmp_path: Path, text: str, option: str) -> None:
    """A refusal suggests the column with the most entries that look like words, never a title or a number."""
    with pytest.raises(UsageError, match=f"--column {option}$"):
        read(tmp_path, text, "a.csv")


@pytest.mark.parametrize(
    "text",
    ["word of mouth,noun,x\nbank,noun,y\nbark,verb,z\n", "term paper,noun,1\nbank,noun,2\nbark,verb,3\n"],
)
def test_an_entry_is_no_header(tmp_path: Path, text: str) -> None:
    """The first entry of a table without a header is not taken for one because it contains a known name."""
    with pytest.raises(UsageError, match="Which one holds the words"):
        read(tmp_path, text, "a.csv")
    assert len(read_word_list(tmp_path / "a.csv", "1").words) == 3


def test_a_damaged_spreadsheet(tmp_path: Path) -> None:
    """A file that is no spreadsheet is refused."""
    path = tmp_path / "words.xlsx"
    path.write_bytes(b"PK not a workbook")
    with pytest.raises(UsageError, match="cannot be read as a spreadsheet"):
        read_word_list(path)


@pytest.mark.parametrize("name", ["words.tsv", "words.txt"])
def test_cells_before_a_count(tmp_path: Path, name: str) -> None:
    """A table whose last cells are counts is no frequency list: no other cell becomes part of a word."""
    table = "bank\tn\t120\nbark\tv\t4\nbat\tn\t9\n"
    with pytest.raises(UsageError, match="--column bank"):
        read(tmp_path, table, name)
    (tmp_path / name).write_text(table)
    assert list(read_word_list(tmp_path / name, "1").words) == ["bank", "bark", "bat"]
    with pytest.raises(UsageError, match="--column bank"):
        read(tmp_path, "1\tbank\t120\n2\tbark\t4\n", name)
    assert list(read(tmp_path, "bank\t120\nbark\t4\n", name).words) == ["bank", "bark"]
