"""Review files as spreadsheets save them."""

from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from floridify_batch.errors import UsageError
from floridify_batch.review.decision import DecidedRow, DecisionFile, RefusedRow, Verdict
from floridify_batch.review.row import COLUMNS, RowKey

SENSE = "0123456789abcdef01234567"
KEY = f"definitions/{SENSE}/synonyms/1a2b3c4d"
CELL_ERRORS = ("#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#N/A", " ########", "one\n#WERT!", "Err:508")


def saved(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "review.csv"
    path.write_bytes(text.encode(encoding))
    return path


def table(*rows: tuple[str, str, str], delimiter: str = ",") -> str:
    """A review file with a key, a decision and an edited value in each row."""
    head = [COLUMNS[0], "edited value", "notes", "Decision "]
    cells = [head, *([key, edited, "", decision] for key, decision, edited in rows)]
    return "".join(delimiter.join(f'"{each}"' for each in row) + "\r\n" for row in cells)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spreadsheets(tmp_path: Path, delimiter: str, encoding: str) -> None:
    """Delimiters and encodings of spreadsheets are recognised, and so are moved and added columns."""
    path = saved(tmp_path, table((KEY, "EDIT", "a, b; c\t|\nשמע"), (KEY, "", ""), delimiter=delimiter), encoding)
    row, undecided = DecisionFile(path).rows()
    assert isinstance(row, DecidedRow)
    assert (row.number, str(row.key), row.verdict) == (2, KEY, Verdict.EDIT)
    assert row.edited == "a, b; c\t|\nשמע"
    assert undecided is None


@pytest.mark.parametrize("word", ["accept", " Accepted", "a", "“ACCEPT”", "accept."])
def test_decision_words(tmp_path: Path, word: str) -> None:
    """A decision is recognised in capitals, abbreviated, and in quotation marks."""
    (row,) = DecisionFile(saved(tmp_path, table((KEY, word, "")))).rows()
    assert isinstance(row, DecidedRow)
    assert row.verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((KEY, "perhaps", ""), "the decision “perhaps” is none of accept, edit, reject"),
        ((KEY, "edit", " "), "write reject to remove the value"),
        ((KEY, "accept", "text"), "write edit, or clear it"),
        ((KEY, "", "text"), "an edited value without a decision"),
        ((KEY, "edit", "\u200b\u2060 \u3164"), "write reject to remove the value"),
        *(((KEY, "edit", each), "has replaced the edited value by an error") for each in CELL_ERRORS),
        (("", "accept", ""), "its row ID is missing or damaged"),
        ((KEY.replace("synonyms", "spelling"), "accept", ""), "its row ID is missing or damaged"),
        ((KEY.rpartition("/")[0], "accept", ""), "its row ID is missing or damaged"),
    ],
)
def test_odd_rows(tmp_path: Path, row: tuple[str, str, str], reason: str) -> None:
    """An odd row is named with the reason, and the rows after it are read."""
    refused, after = DecisionFile(saved(tmp_path, table(row, (KEY, "reject", "")))).rows()
    assert isinstance(refused, RefusedRow)
    assert refused.number == 2
    assert reason in refused.reason
    assert isinstance(after, DecidedRow)
    assert after.number == 3


def test_an_open_quotation_mark(tmp_path: Path) -> None:
    """The rows that an unclosed quotation mark swallows are counted, and those after it are read."""
    text = f'row ID,decision,edited value\n{KEY},edit,"open\n{KEY},accept,\n{KEY},accept,"x"\n{KEY},reject,\n'
    refused, *others = DecisionFile(saved(tmp_path, text)).rows()
    assert isinstance(refused, RefusedRow)
    assert "a quotation mark in it is not closed, so that 2 rows below cannot be separated" in refused.reason
    assert [row.verdict for row in others if isinstance(row, DecidedRow)] == [Verdict.REJECT]
    assert [(row.number, type(row)) for row in others if row] == [(3, RefusedRow), (4, RefusedRow), (5, DecidedRow)]


OTHER = f"definitions/{SENSE}/examples/{SENSE}/1a2b3c4d"
SWALLOWING = [
    f'head,one,{KEY},edit,"open\nhead,two,{OTHER},accept,\nhead,three,{KEY},reject,"x"\n',
    f'head,one,{KEY},edit,"open\nhead,"sense, of it",{OTHER},accept,\n',
    f'head,"one,{KEY},accept,\nhead,"sense, of it",{OTHER},accept,\n',
    f'head,"one,{KEY},accept,\nhead,two,{OTHER},edit,"x"\n',
]


@pytest.mark.parametrize("text", SWALLOWING)
def test_swallowed_rows(tmp_path: Path, text: str) -> None:
    """Wherever the row ID stands, and wherever the quotation mark is closed, all swallowed rows are refused."""
    path = saved(tmp_path, f"word,sense,row ID,decision,edited value\n{text}head,last,{KEY},reject,\n")
    *refused, last = DecisionFile(path).rows()
    assert [row.number for row in refused if isinstance(row, RefusedRow)] == list(range(2, 2 + text.count("\n")))
    assert isinstance(last, DecidedRow)
    assert last.number == 2 + text.count("\n")


def test_separators_without_quotation_marks(tmp_path: Path) -> None:
    """A text that a separator has divided is refused, not cut."""
    (refused,) = DecisionFile(saved(tmp_path, f"row ID,decision,edited value\n{KEY},edit,one, two\n")).rows()
    assert isinstance(refused, RefusedRow)
    assert "more cells than the first row" in refused.reason


def test_bytes_of_another_encoding(tmp_path: Path) -> None:
    """Only the rows with characters of another encoding are refused."""
    refused, read = DecisionFile(saved(tmp_path, table((KEY, "edit", "café"), (KEY, "accept", "")), "cp1252")).rows()
    assert isinstance(refused, RefusedRow)
    assert "not in UTF-8" in refused.reason
    assert isinstance(read, DecidedRow)


@pytest.mark.parametrize("text", ["", "word\nbank\n", "\0\1\2\3", "row ID,word\n", "PK\3\4 no spreadsheet"])
def test_other_files(tmp_path: Path, text: str) -> None:
    """A file that is no review file is refused as a whole."""
    with pytest.raises(UsageError, match=r"is not a review file|cannot be read as an Excel file"):
        list(DecisionFile(saved(tmp_path, text)).rows())


@pytest.mark.parametrize("name", ["row ID", "decision", "Edited Value"])
def test_two_columns_of_one_name(tmp_path: Path, name: str) -> None:
    """Of two columns with decisions, as of two people, none is silently left out: the file is refused."""
    path = tmp_path / "review.csv"
    path.write_text(f"row ID,decision,edited value,{name}\n{KEY},accept,,reject\n")
    with pytest.raises(UsageError, match=r"has two columns .* rename the one that does not count"):
        DecisionFile(path)


def test_excel(tmp_path: Path) -> None:
    """Texts and numbers of an Excel file are read; a date, which nobody has typed, is refused."""
    book = import_module("openpyxl").Workbook()
    sheet: Any = book.active
    sheet.append(["notes", *COLUMNS])
    for name, edited in (("synonyms", "a\nb"), ("frequency_band", 2), ("antonyms", date(2026, 1, 2))):
        sheet.append(["", KEY.replace("synonyms", name), *[None] * 7, "edit", edited])
    book.save(tmp_path / "review.xlsx")
    text, number, dated = DecisionFile(tmp_path / "review.xlsx").rows()
    assert isinstance(text, DecidedRow)
    assert isinstance(number, DecidedRow)
    assert isinstance(dated, RefusedRow)
    assert (text.edited, number.edited) == ("a\nb", "2")
    assert "into a date (2026-01-02" in dated.reason


def test_rejected_definitions(tmp_path: Path) -> None:
    """The definitions that a file rejects are found, wherever their rows are."""
    path = saved(tmp_path, table((KEY, "reject", ""), (f"definitions/{SENSE}/definition/1a2b3c4d", "r", "")))
    assert DecisionFile(path).rejected_definitions == {SENSE}


ENTRY = f"entries/{SENSE}"
CONTRADICTIONS = [
    [(KEY, "accept", ""), (KEY, "reject", "")],
    [(KEY, "edit", "one"), (KEY, "edit", "two")],
    [(KEY, "edit", "one"), (KEY, "reject", ""), (KEY, "edit", "one")],
    [(f"{ENTRY}/etymology.origin_language/1a2b3c4d", "edit", "Norse"), (f"{ENTRY}/etymology.text/1a2b3c4d", "r", "")],
    [(f"definitions/{SENSE}/definition/1a2b3c4d", "reject", ""), (KEY, "accept", "")],
    [(f"definitions/{SENSE}/definition/1a2b3c4d", "a", ""), (f"definitions/{SENSE}/definition/00000000", "r", "")],
    [
        (f"definitions/{SENSE}/examples/{SENSE}/1a2b3c4d", "a", ""),
        (f"definitions/{SENSE}/definition/1a2b3c4d", "r", ""),
    ],
]


@pytest.mark.parametrize("rows", CONTRADICTIONS)
def test_contradictions(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    """Rows that contradict each other are refused with all their numbers, in any order; another row is read."""
    other = KEY.replace("synonyms", "antonyms").replace("0", "f")
    for listed in (rows, rows[::-1]):
        path = saved(tmp_path, table(listed[0], (other, "reject", ""), *listed[1:]))
        *refused, last = sorted(DecisionFile(path).rows(), key=lambda row: isinstance(row, DecidedRow))
        assert isinstance(last, DecidedRow)
        numbers = [2, *range(4, 3 + len(rows))]
        reason = f"rows {', '.join(map(str, numbers[:-1]))} and {len(rows) + 2} contradict each other"
        assert refused == [RefusedRow(number, reason) for number in (2, *range(4, 3 + len(rows)))]
        assert not DecisionFile(path).rejected_definitions


def test_many_contradictions(tmp_path: Path) -> None:
    """A sentence lists a few numbers."""
    rows = [(f"definitions/{SENSE}/examples/{number:024}/1a2b3c4d", "accept", "") for number in range(9)]
    path = saved(tmp_path, table(*rows, (f"definitions/{SENSE}/definition/1a2b3c4d", "reject", "")))
    reasons = {row.reason for row in DecisionFile(path).rows() if isinstance(row, RefusedRow)}
    assert reasons == {"rows 2, 3, 4, 5, 6 and 5 more contradict each other"}


def test_repetitions(tmp_path: Path) -> None:
    """Identical rows are one decision, and decisions about parts of one value are no contradiction."""
    texts = (f"{ENTRY}/etymology.text/1a2b3c4d", "edit", "From bank.")
    origin = (f"{ENTRY}/etymology.origin_language/1a2b3c4d", "reject", "")
    rows = [*DecisionFile(saved(tmp_path, table((KEY, "edit", "one"), texts, (KEY, "edit", "one "), origin))).rows()]
    assert [row.repeated for row in rows if isinstance(row, DecidedRow)] == [False, False, True, False]


def test_keys() -> None:
    """A key is read as it is written, with the linked document where the field has one."""
    for text in (KEY, f"definitions/{SENSE}/examples/{SENSE}/1a2b3c4d", f"entries/{SENSE}/etymology.text/00000000"):
        assert str(RowKey.read(text)) == text
    assert RowKey.read(f"definitions/{SENSE}/examples/1a2b3c4d") is None


@pytest.mark.parametrize("identity", ["def/1", "a b", "one\ntwo", SENSE[1:]])
def test_other_ids(identity: str) -> None:
    """A key with an id that no document of Floridify has is damaged."""
    assert RowKey.read(f"definitions/{identity}/synonyms/1a2b3c4d") is None
    assert RowKey.read(f"definitions/{SENSE}/examples/{identity}/1a2b3c4d") is None
