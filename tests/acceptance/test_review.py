"""The page of a review, as a browser shows it, and the file that it saves."""

import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from floridify_batch.review.decision import DecidedRow, DecisionFile
from floridify_batch.review.review_file import write_review
from floridify_batch.review.row import SheetRow
from tests.acceptance.browser import Tab, browsing, installed_browser

BROWSER = installed_browser()
PHONE, DESKTOP = 390, 1280
KEY = "definitions/0123456789abcdef0123456{}/{}/1a2b3c4d"
EDITED = '=one, "two"; three\n</script> שמע'


def row(number: int, field: str, value: str, doubts: str = "") -> SheetRow:
    """A row of the word "bank"."""
    key = KEY.format(number, field)
    return SheetRow(key, "bank", f"noun {number}: an edge", field, value, "gpt-6-luna, 2026-11-28", doubts)


ROWS = (
    row(1, "definition", "an edge", "high: defines the word by “edge”"),
    row(1, "synonyms", "</script><b>side\nשפה"),
    row(1, "antonyms", "middle", "low: is long (9 words)"),
    row(2, "definition", "<img src=x>"),
)


async def rows(listed: Sequence[SheetRow]) -> AsyncIterator[SheetRow]:
    for each in listed:
        yield each


def click(tab: Tab, number: int, verdict: str) -> None:
    """Click a button of one of the rows that are shown."""
    tab.value(f"document.querySelectorAll('article')[{number}].querySelector('[value={verdict}]').click()")


def chosen(tab: Tab, state: str) -> int:
    """Choose which rows are shown; return how many are."""
    tab.value(f"place('state').value = {json.dumps(state)}; place('state').onchange()")
    return int(tab.value("document.querySelectorAll('article').length"))


@pytest.mark.skipif(BROWSER is None, reason="neither Chromium nor Chrome is here to open the page in")
async def test_in_a_browser(tmp_path: Path) -> None:
    """Without network, the page filters rows, keeps decisions over a reload, and saves a file that `--in` reads."""
    path = tmp_path / "review.html"
    await write_review(rows(ROWS), path)
    with browsing(BROWSER or os.devnull, tmp_path / "profile") as tab:
        tab.size(DESKTOP)
        tab.open(path)
        assert tab.value("document.querySelectorAll('.value')[1].textContent") == ROWS[1].value
        assert [chosen(tab, state) for state in ("all", "doubtful", "high", "decided")] == [4, 2, 1, 0]
        chosen(tab, "all")
        click(tab, 0, "accept")
        click(tab, 1, "edit")
        tab.value(f"document.querySelector('textarea').value = {json.dumps(EDITED)}")
        tab.value("document.querySelector('textarea').oninput()")
        click(tab, 2, "reject")
        for width in (PHONE, DESKTOP):
            tab.size(width)
            assert tab.value("document.documentElement.scrollWidth") == width
        tab.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        tab.value("place('save').click()")
        tab.wait("!unsaved")
        tab.open(path)
        assert [chosen(tab, state) for state in ("open", "decided")] == [1, 3]
        saved = tmp_path / "saved.csv"
        saved.write_text(tab.value("table()"), encoding="utf-8", newline="")
        for method in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            assert tab.of(method) == []
        asked_for = {event["request"]["url"] for event in tab.of("Network.requestWillBeSent")}
        assert {url for url in asked_for if not url.startswith(("data:", "blob:"))} == {path.as_uri()}
    decided = [each for each in DecisionFile(saved).rows() if isinstance(each, DecidedRow)]
    assert [(str(each.key), each.verdict) for each in decided] == [
        (ROWS[number].key, verdict) for number, verdict in enumerate(("accept", "edit", "reject"))
    ]
    assert decided[1].edited == f"'{EDITED}"
    assert (tmp_path / "review.csv").read_bytes() == saved.read_bytes()
