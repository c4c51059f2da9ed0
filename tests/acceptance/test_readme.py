"""README and CONTRIBUTING match the package: help, commands, options, components, modules, scripts."""

import os
import re
from itertools import chain
from pathlib import Path

import pytest

from floridify_batch.cli.main import app
from floridify_batch.components.registry import DEFAULT_COMPONENTS, RECIPES, SynthesisComponent
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState
from tests.acceptance.command import COMMAND, PATIENCE
from tests.acceptance.command_server import done
from tests.unit.test_imports import FOUNDATIONS, LIBRARY, ORDER

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COMMANDS = [
    info.name or info.callback.__name__ for info in app.registered_commands if info.callback and not info.hidden
]
PLAIN = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "PATH": os.environ["PATH"], "PYTHONUTF8": "1"}


def help_of(*command: str, every: bool = False) -> str:
    """Return the help of a command, with all its options or the usual ones, at 80 columns without colours."""
    arguments = ["help", *command, "--all"] if every else [*command, "--help"]
    code, out, err = done([COMMAND, *arguments], ROOT, PLAIN, PATIENCE)
    assert (code, err) == (0, "")
    return "\n".join(line.rstrip() for line in out.strip("\n").splitlines())


def test_help_in_readme_is_current() -> None:
    """The README's block of help is the output of `batch-synth --help`."""
    shown = re.search(r"<!-- help -->\n```text\n(.*?)\n```\n<!-- /help -->", README, re.DOTALL)
    assert shown is not None
    assert shown[1] == help_of()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_readme(command: str) -> None:
    """Every command is shown with an example in the README, and has its own help."""
    assert f"batch-synth {command}" in README
    assert "Usage: batch-synth " + command in help_of(command)


def test_every_option_in_readme_exists() -> None:
    """Every option in the README exists."""
    everything = "\n".join(help_of(*([name] if name else []), every=True) for name in ("", "help", *COMMANDS))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--wheel", "--no-deps"}  # of uv and pip
    assert {option for option in named if option not in everything} == set()


def test_components_in_readme_are_complete() -> None:
    """The README's two sets of components, `definitions`, and those that are only requested by name are all."""
    default = re.search(r"\| `default` \| (.*?) \|", README)
    more = re.search(r"\| `all` \| these, and (.*?) \|", README)
    assert default is not None
    assert more is not None
    assert set(default[1].split(", ")) == set(DEFAULT_COMPONENTS)
    named = {each for each in SynthesisComponent if RECIPES[each].on_request and f"`{each}`" in README}
    assert {*default[1].split(", "), *more[1].split(", "), "definitions", *named} == set(SynthesisComponent)


def test_every_module_is_in_the_table_of_packages() -> None:
    """The table in CONTRIBUTING lists every package in the order of imports, with all its modules."""
    section = CONTRIBUTING.split("<!-- packages -->")[1].split("<!-- /packages -->")[0]
    table = [[cell.strip() for cell in row.strip("|").split("|")] for row in section.strip().splitlines()[2:]]
    stated = {row[0].strip("`/"): set(re.findall(r"`(\w+)`", row[2])) for row in table}
    package = ROOT / "floridify_batch"
    present = {"foundations": set(FOUNDATIONS), "library": set(LIBRARY)}
    present |= {name: modules_of(package / name) for name in chain(*ORDER) if (package / name).is_dir()}
    stated_top = stated["foundations"] | stated["library"]
    assert stated == present | {"foundations": stated["foundations"], "library": stated["library"]}
    assert stated["foundations"] <= set(FOUNDATIONS)
    assert stated["library"] <= set(LIBRARY)
    assert stated_top == modules_of(package)
    assert list(stated) == [*chain(*(_names(line) for line in ORDER))]


def _names(line: tuple[str, ...]) -> tuple[str, ...]:
    return {FOUNDATIONS: ("foundations",), LIBRARY: ("library",)}.get(line, line)


def modules_of(folder: Path) -> set[str]:
    """Return the modules of a folder, without `__init__` and `__main__`."""
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}


def test_every_place_of_the_index_exists() -> None:
    """Every file that the index of CONTRIBUTING names exists, and contains the name given with it."""
    index = CONTRIBUTING.split("## Where to make a change")[1].split("## Rules")[0]
    places = re.findall(r"`((?:\w+/)*\w+\.\w+)`(?: \(`(\w+)`\))?", index)
    assert len(places) > 60
    for path, name in places:
        files = [each for each in (ROOT / "floridify_batch" / path, ROOT / path) if each.is_file()]
        assert files or "NAME" in path, path
        assert all(name in each.read_text(encoding="utf-8") for each in files), (path, name)


def test_every_script_exists() -> None:
    """Every script that README and CONTRIBUTING name exists and is executable, and none is missing there."""
    named = set(re.findall(r"scripts/([a-z_]+)\b", README + CONTRIBUTING))
    present = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and os.access(path, os.X_OK)}
    assert named == present


def test_readme_length() -> None:
    """The README has at most 250 lines."""
    assert len(README.splitlines()) <= 250


def test_example_checkpoint_loads() -> None:
    """The example can be loaded like any checkpoint, and shows a run in progress with the documented keys."""
    ledger = Checkpoint(ROOT / "checkpoints.example.json").load()
    assert ledger is not None
    assert ledger.processed_words
    assert any(ledger.in_state(ChunkState.SUBMITTED))
    totals = ledger.totals()
    assert totals.cost is not None
    assert ledger.total_cost == pytest.approx(float(totals.cost))
    assert ledger.total_tokens == totals.usage.total
