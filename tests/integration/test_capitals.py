"""Lists in capitals: words that the database has in lower case are not bought again unnoticed."""

from pathlib import Path
from typing import Any

import pytest

from floridify_batch.cli import session
from floridify_batch.words.word_list import ListSource
from tests.documents import add_known
from tests.workspace import Workspace

NOTE = "2 of 4 words are in the database in lower case; add --lower-case to use them."


async def planned(workspace: Workspace, words: list[str], **source: Any) -> None:
    """Print the estimate of a list."""
    settings = workspace.settings(words, components="synonyms")
    here = workspace.session_of("words")
    await session.run(settings, here, ListSource((Path(settings.words_file),), **source), dry_run=True)


async def test_a_list_in_capitals(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """The estimate counts the words that are there in lower case only, and names the option."""
    add_known(workspace.database, "bank", "shore", "Polish", "polish")
    await planned(workspace, ["BANK", "SHORE", "Polish", "new"])
    output = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert NOTE in output
    await planned(workspace, ["bank", "Polish", "new"])
    assert "lower case" not in capsys.readouterr().out


async def test_a_list_folded(workspace: Workspace) -> None:
    """With --lower-case, the words of the database are used, and a word in both spellings is there once."""
    add_known(workspace.database, "bank", "shore")
    settings = workspace.settings(["BANK", "SHORE", "Bank"], components="synonyms")
    here = workspace.session_of("words")
    source = ListSource((Path(settings.words_file),), lower_case=True)
    assert await session.run(settings, here, source, dry_run=False) == 0
    ledger = here.checkpoint.load()
    assert ledger is not None
    assert ledger.processed_words == ["bank", "shore"]
    assert workspace.database.words.count_documents({}) == 2
