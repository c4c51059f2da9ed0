"""The report of a real run, as its file lies in the folder and as a browser shows it."""

import os
import stat
from pathlib import Path

import pytest

from floridify_batch.formatting import count, dollars
from tests.acceptance.browser import Tab, browsing, installed_browser
from tests.acceptance.command import Shell

BROWSER = installed_browser()
FEW = ("--components", "synonyms,cefr_level,register")
PHONE, PAPER, DESKTOP = 390, 720, 1280
WORDS = ("report", "en coulisse", "naïve", "字引", "reporting")


@pytest.fixture
def reported(shell: Shell) -> Shell:
    """A finished run with failed words and retried requests, and its report."""
    shell.write(*WORDS)
    first = shell.sandbox.next_batch() + 3
    with shell.sandbox.faults("refuse=reporting-", f"http_500=1@{first}", f"expire=0.2@{first + 1}"):
        ran = shell.run("run", "words.txt", "--yes", "--batch-size", "2", *FEW)
    assert ran.code == 1
    assert shell.ledger.finished, ran.err
    done = shell.run("report", "--html", "report.html", "--provenance")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Sandbox: the answers of this run are invented")
    assert done.out.endswith("\nReport written to report.html.\n")
    return shell


def figures(shell: Shell) -> list[str]:
    """Return the figures that the page must contain, by the checkpoint."""
    totals = shell.ledger.totals()
    numbers = (totals.processed, totals.failed, totals.unique_requests, totals.answered, totals.usage.input)
    kinds = [f"{kind}\t{count(number)}" for kind, number in shell.ledger.failures().items()]
    parts = [f"{name.replace('_', ' ')}\t{count(spent.answered)}" for name, spent in shell.ledger.spent.items()]
    assert "refused" in shell.ledger.failures()
    assert len(shell.ledger.failures()) > 1
    assert parts
    model = shell.ledger.run.settings.model
    parts += [f"{name}\t{model}: " for name in ("synonyms", "cefr level", "register")]
    return [*map(count, numbers), dollars(totals.cost), shell.ledger.run.id, *kinds, *parts, *shell.ledger.failed_words]


def test_the_file(reported: Shell) -> None:
    """The report is private, is replaced by the next one, and never replaces another file."""
    path = reported.folder / "report.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [name for name in reported.listing() if name.endswith(".partial")]
    before = reported.checkpoint.path.read_bytes()
    again, beside, over, nowhere = reported.each(
        ("report", "-c", "words.checkpoint.json", "--html", "report.html"),
        ("report",),
        ("report", "--html", "words.checkpoint.json"),
        ("report", "--html", "no/such/folder.html"),
    )
    assert (again.code, beside.code, over.code, nowhere.code) == (0, 0, 2, 2)
    assert (reported.folder / "words.report.html").read_bytes() == path.read_bytes()
    assert "is not a batch-synth report" in over.err
    assert "cannot be written" in nowhere.err
    assert reported.checkpoint.path.read_bytes() == before


def test_without_a_run(shell: Shell) -> None:
    """Without a checkpoint there is no report, and the error says whether the checkpoint was named."""
    named, unnamed = shell.each(("report", "-c", "none.json"), ("report",))
    assert (named.code, unnamed.code) == (3, 2)
    assert "Checkpoint not found: none.json" in named.err
    assert "No checkpoint in this folder" in unnamed.err
    assert shell.listing() == set()


@pytest.mark.skipif(BROWSER is None, reason="neither Chromium nor Chrome is here to open the report in")
def test_in_a_browser(reported: Shell, tmp_path: Path) -> None:
    """In a browser without network, the report shows the run's figures without errors or network requests."""
    path = reported.folder / "report.html"
    with browsing(BROWSER or os.devnull, tmp_path / "profile") as tab:
        tab.size(DESKTOP)
        tab.prefer("light")
        tab.open(path)
        shown = tab.value("document.body.innerText")
        assert [figure for figure in figures(reported) if figure not in shown] == []
        everything = tab.value("document.body.textContent")
        assert all(record.batch_id in everything for record in reported.ledger.chunks if record.batch_id)
        assert_readable(tab)
        for method in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            assert tab.of(method) == []
        asked_for = {event["request"]["url"] for event in tab.of("Network.requestWillBeSent")}
        assert {url for url in asked_for if not url.startswith("data:")} == {path.as_uri()}


def assert_readable(tab: Tab) -> None:
    """The page fits a phone and a screen with its table opened, and has a dark theme, a light one and one for print."""
    tab.value("document.querySelector('details').open = true")
    light, dark, screen = ("light", "screen"), ("dark", "screen"), ("dark", "print")
    grounds = {}
    for width, look in ((PHONE, light), (PHONE, dark), (DESKTOP, light), (DESKTOP, dark), (PAPER, screen)):
        tab.size(width)
        tab.prefer(*look)
        grounds[look] = tab.value("getComputedStyle(document.body).backgroundColor")
        assert tab.value("document.documentElement.scrollWidth") == tab.value("innerWidth") == width
    assert grounds[light] != grounds[dark]
    assert grounds[screen] == "rgb(255, 255, 255)"
