"""From a word list to a dictionary that readers open: a run against the sandbox, and its export."""

import json
from xml.etree import ElementTree as ET
from zipfile import ZipFile

from tests.acceptance.conftest import ShellFactory
from tests.sandbox import Sandbox


def test_from_a_run_to_dictionaries(make_shell: ShellFactory, quick: Sandbox) -> None:
    """Without an argument, `export` takes the only run here; the suffix tells the format, and repeating replaces."""
    shell = make_shell(quick)
    words = shell.known("export", 3)
    assert shell.run("run", "words.txt", "--yes", "--quiet").code == 0
    for _ in range(2):
        result = shell.run("export", "--out", "words.jsonl")
        assert (result.code, result.out) == (
            0,
            f"3 entries with 3 senses of the database {shell.database.name} written to words.jsonl.\n",
        )
        assert "invented" in result.err
    lines = (shell.folder / "words.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["headword"] for line in lines] == words
    for name in ("words.zip", "words.xml", "words.csv"):
        assert shell.run("export", "words.txt", "--out", name).code == 0
    assert ZipFile(shell.folder / "words.zip").testzip() is None
    ET.parse(shell.folder / "words.xml")  # noqa: S314  our own file
    refused = shell.run("export", "--out", "words.txt")
    assert refused.code == 2
    assert "is not an export" in refused.err
    assert (shell.folder / "words.txt").read_text() == "".join(f"{word}\n" for word in words)
    assert not [path for path in shell.folder.iterdir() if path.suffix == ".partial"]
