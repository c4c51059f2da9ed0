"""Words, answers, complaints and file names are data: none of them becomes a path, a query or a terminal's command."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.acceptance.command import CommandResult, Shell
from tests.acceptance.conftest import ShellFactory
from tests.acceptance.hostile_service import BELL_TITLE, NO_WORDS, PRINTABLE, READ, WORDS, harm, hostile_service
from tests.documents import add_known, contents
from tests.sandbox import Sandbox

COMPONENTS = "synonyms,examples,cefr_level,domain,etymology,pronunciation,facts"
RUN = ("run", "words.txt", "--yes", "--components", COMPONENTS, "--max-attempts", "1")
FAILURES = ("failures", "-c", "words.checkpoint.json")
STATUS = ("status", "-c", "words.checkpoint.json")


@pytest.fixture
def hostile_shell(make_shell: ShellFactory, quick: Sandbox) -> Iterator[Shell]:
    """A shell with a hostile list and a hostile service; one harmless word is in the database, and not in the list."""
    with hostile_service(quick.url) as url:
        shell = make_shell(quick, "hostile")
        shell = replace(shell, env=shell.env | {"BATCH_SYNTH_BASE_URL": url})
        shell.write(*WORDS, *NO_WORDS)
        add_known(shell.database, "bystander")
        yield shell


def assert_harmless(*results: CommandResult) -> None:
    for each in results:
        assert harm(each.out + each.err) == []
        assert "Traceback" not in each.err


def prompts(shell: Shell) -> str:
    """Return the prompts of the first chunk."""
    lines = (shell.checkpoint.folder / "0001" / "requests.jsonl").read_bytes().splitlines()
    return "\n".join(message["content"] for line in lines for message in orjson.loads(line)["body"]["messages"])


def test_in_lines(hostile_shell: Shell) -> None:
    """A run over hostile words with hostile answers stores them as texts, without effect on log and files."""
    shell = hostile_shell
    outside, bystander = sorted(shell.folder.parent.iterdir()), contents(shell.database)[("bystander", None)]
    left = shell.run(*RUN, "--no-wait")
    assert left.code == 0, left
    assert "3 lines with control or unassigned characters" in left.out
    assert "300 characters" in left.out
    assert "no letters or digits" in left.out
    asked = prompts(shell)
    assert all(word in asked for word in READ)
    ended = shell.run("resume", "-c", "words.checkpoint.json")
    assert ended.code == 1
    looked = shell.each(FAILURES, STATUS, *(("show", "--", word) for word in WORDS))
    assert_harmless(left, ended, *looked)
    assert [each.code for each in looked] == [0] * len(looked)
    found = contents(shell.database)
    assert sorted(text for text, _ in found) == sorted([*READ, "bystander"])
    assert found.pop(("bystander", None)) == bystander
    assert all(PRINTABLE in sense["text"] for senses in found.values() for sense in senses)
    assert all(senses for senses in found.values())
    assert sorted(shell.folder.parent.iterdir()) == outside
    strange = [name for name in shell.listing() if not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789./-")]
    assert strange == []


def test_on_the_screen(hostile_shell: Shell) -> None:
    """The live screen, the summary and the tables keep their size and are sanitised, for any words and answers."""
    with hostile_shell.terminal(*RUN) as terminal:
        assert terminal.ended() == 1
        shown = terminal.raw
    assert "processed" in shown
    assert harm(shown) == []
    for command in (FAILURES, STATUS, ("show", "--", WORDS[0])):
        with hostile_shell.terminal(*command, columns=80) as terminal:
            assert terminal.ended() == 0
            assert harm(terminal.raw) == []


def named(folder: Path) -> str:
    """Return the name of a list that contains control sequences."""
    name = f"evil{BELL_TITLE.replace('/', '')}\u202e\x9b77;98H.txt"
    (folder / name).write_text("moon\n", encoding="utf-8")
    return name


COMPLAINTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "no list": (2, ("run", f"no{BELL_TITLE}", "--yes")),
    "no option": (2, ("run", f"--no{BELL_TITLE}")),
    "no command": (2, (f"no{BELL_TITLE}",)),
    "one too many": (2, ("run", "words.txt", f"more{BELL_TITLE}")),
    "no number": (2, ("run", "words.txt", "--batch-size", f"no{BELL_TITLE}")),
    "no component": (2, ("run", "words.txt", "--components", f"no{BELL_TITLE}")),
    "no address": (2, ("run", "words.txt", "--yes", "--base-url", f"no{BELL_TITLE}")),
    "no checkpoint": (3, ("resume", "-c", f"no{BELL_TITLE}")),
    "no batch": (4, ("status", f"no{BELL_TITLE}")),
    "no templates": (2, ("run", "words.txt", "--templates", f"no{BELL_TITLE}")),
    "no word": (1, ("show", f"no{BELL_TITLE}")),
    "no file": (2, ("import", f"no{BELL_TITLE}")),
}


DEBUGGED = ("no list", "no component", "no batch")


def test_complaints(hostile_shell: Shell) -> None:
    """An error that quotes a name, an option or the service is sanitised; so is a traceback."""
    debugged = [(code, ("--debug", *arguments)) for code, arguments in map(COMPLAINTS.__getitem__, DEBUGGED)]
    asked = [*COMPLAINTS.values(), *debugged]
    result = hostile_shell.each(*(arguments for _, arguments in asked))
    wrong = [
        (arguments, outcome)
        for (code, arguments), outcome in zip(asked, result, strict=True)
        if outcome.code != code
        or harm(outcome.out + outcome.err)
        or ("Traceback" in outcome.err) != (arguments[0] == "--debug")
    ]
    assert wrong == []


def test_names_of_files(shell: Shell) -> None:
    """A list whose name contains terminal commands is read normally, and its name has no effect."""
    name = named(shell.folder)
    with shell.terminal("run", name, "--yes", "--components", "domain", "--no-wait") as terminal:
        assert terminal.ended() == 0
        assert "Collect their results with" in terminal.text
        assert harm(terminal.raw) == []
    checkpoint = name.replace(".txt", ".checkpoint.json")
    assert (shell.folder / checkpoint).exists()
    for command in (("resume", "-c", checkpoint), ("status", "-c", checkpoint), ("failures", "-c", checkpoint)):
        with shell.terminal(*command) as terminal:
            assert terminal.ended() == 0
            assert harm(terminal.raw) == []
    (shell.folder / checkpoint).write_bytes(b"{")
    outcome = shell.run("resume", "-c", checkpoint)
    assert (outcome.code, harm(outcome.err)) == (3, [])
