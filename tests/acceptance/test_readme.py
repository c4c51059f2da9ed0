"""What the README shows is what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from floridify_batch.cli.main import app
from floridify_batch.components.registry import DEFAULT_COMPONENTS, SynthesisComponent
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = Path(sys.executable).with_name("batch-synth")
COMMANDS = [info.name or info.callback.__name__ for info in app.registered_commands if info.callback]
PLAIN = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "PATH": os.environ["PATH"]}


def help_of(*command: str) -> str:
    """The help of a command, as a terminal of 80 columns without colours shows it."""
    done = subprocess.run([COMMAND, *command, "--help"], capture_output=True, text=True, env=PLAIN, check=True)
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


def test_the_help_that_the_readme_shows_is_the_commands_own() -> None:
    """The README's block of help is what `batch-synth --help` prints."""
    shown = re.search(r"<!-- help -->\n```text\n(.*?)\n```\n<!-- /help -->", README, re.DOTALL)
    assert shown is not None
    assert shown[1] == help_of()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_none_other_is_in_the_readme(command: str) -> None:
    """Every command is shown with an example in the README, and has a help of its own."""
    assert f"batch-synth {command}" in README
    assert "Usage: batch-synth " + command in help_of(command)


def test_every_option_that_the_readme_names_exists() -> None:
    """No option in the README is one that no command has."""
    everything = "\n".join(help_of(*([name] if name else [])) for name in ("", *COMMANDS))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--strict"}  # mypy's
    assert {option for option in named if option not in everything} == set()


def test_the_components_that_the_readme_names_are_those_there_are() -> None:
    """The README's two sets of components, together with `definitions`, are all there are."""
    default = re.search(r"\| `default` \| (.*?) \|", README)
    more = re.search(r"\| `all` \| these, and (.*?) \|", README)
    assert default is not None
    assert more is not None
    assert set(default[1].split(", ")) == set(DEFAULT_COMPONENTS)
    assert {*default[1].split(", "), *more[1].split(", "), "definitions"} == set(SynthesisComponent)


def test_every_module_is_in_the_readmes_table() -> None:
    """The table of modules leaves none out and invents none."""
    section = README.split("## How it is built")[1].split("## Working on it")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)/?`", row)
    }
    package = ROOT / "floridify_batch"
    present = {path.stem for path in package.glob("*.py") if path.stem != "__init__"} | {"sandbox"}
    assert named == present


def test_every_script_that_the_readme_names_exists() -> None:
    """The scripts can be started by the names that the README gives them."""
    for name in set(re.findall(r"scripts/([a-z]+)\b", README)):
        assert os.access(ROOT / "scripts" / name, os.X_OK)


def test_the_example_checkpoint_is_a_real_one() -> None:
    """The example loads like any checkpoint, and shows a run that is under way, with the keys that users know."""
    ledger = Checkpoint(ROOT / "checkpoints.example.json").load()
    assert ledger is not None
    assert ledger.processed_words
    assert any(ledger.in_state(ChunkState.SUBMITTED))
    totals = ledger.totals()
    assert totals.cost is not None
    assert ledger.total_cost == pytest.approx(float(totals.cost))
    assert ledger.total_tokens == totals.usage.total
