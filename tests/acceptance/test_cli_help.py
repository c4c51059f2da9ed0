"""Help, version, completion and usage errors."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import orjson
import pytest

from floridify_batch.cli.help import GROUPS
from floridify_batch.cli.main import app
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.display.output import Output
from floridify_batch.display.table import BatchFacts, BatchRow, FailureRow
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Ledger
from floridify_batch.sandbox.fault import KINDS
from tests.acceptance.command import COMMAND, PATIENCE, Terminal
from tests.acceptance.command_server import done
from tests.ledgers import run_info

ROOT = Path(__file__).parents[2]
COMMANDS = [
    info.name or info.callback.__name__ for info in app.registered_commands if info.callback and not info.hidden
]
LOOKERS = [name for name in COMMANDS if name not in ("run", "resume")]
NOTHING: Mapping[str, str] = MappingProxyType({})
ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONUTF8": "1"}


def executed(*arguments: str, folder: Path | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    command = [COMMAND, *arguments]
    return subprocess.CompletedProcess(command, *done(command, folder or ROOT, ENV | env, PATIENCE))


@contextmanager
def terminal(
    folder: Path, *arguments: str, rows: int = 24, columns: int = 80, env: Mapping[str, str] = NOTHING
) -> Iterator[Terminal]:
    """Run a command in a terminal to its end."""
    opened = Terminal([COMMAND, *arguments], folder, ENV | {"TERM": "xterm-256color", **env}, rows, columns)
    try:
        opened.ended()
        yield opened
    finally:
        opened.close()


# ── help ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "rows"), [("", 24), ("run", 40), ("resume", 24), *((name, 24) for name in LOOKERS)]
)
def test_help_fits_a_screen(tmp_path: Path, command: str, rows: int) -> None:
    """The help of a command fits a screen; no line is truncated or continued."""
    with terminal(tmp_path, *command.split(), "--help", rows=rows) as shown:
        lines = shown.text.splitlines()
    assert len(lines) < rows
    assert max(map(len, lines)) <= 80
    if command:
        body = lines[lines.index("") + 1 :]
        assert not [line for line in body if line.startswith(" " * 11)]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_grouped_and_ends_in_two_examples(command: str) -> None:
    """Options are grouped in one order, and the last lines are two examples."""
    text = executed(command, "--help", COLUMNS="80").stdout
    groups = re.findall(r"^([A-Z]\w+)  ", text, re.MULTILINE)
    assert groups == [*(each for each in GROUPS if each in groups), "Options", "Examples"]
    examples = [line.removeprefix("Examples").strip() for line in text.splitlines()[-2:]]
    assert all(line.startswith("batch-synth ") for line in examples)
    assert any(line.startswith(f"batch-synth {command}") for line in examples)


def test_the_groups_of_a_run() -> None:
    """Content, location, cost, control, advanced and output each have their options."""
    text = executed("run", "--help", COLUMNS="80").stdout
    blocks = dict(re.findall(r"^([A-Z]\w+)  (.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL))
    members = {
        "Content": "--components",
        "Location": "--checkpoint",
        "Cost": "--max-cost",
        "Control": "--max-batches",
        "Advanced": "batch-synth help run --all",
    }
    assert all(option in blocks[group] for group, option in members.items())
    assert all(option in blocks["Output"] for option in ("--output", "-q, --quiet"))


@pytest.mark.parametrize("command", ["", "run", "status"])
def test_help_in_a_narrow_terminal(tmp_path: Path, command: str) -> None:
    """In 40 columns the text of an option is below its name, and lines break between words."""
    with terminal(tmp_path, *command.split(), "--help", columns=40) as shown:
        text = shown.text.split("Examples")[0]
    assert max(map(len, text.splitlines())) <= 40
    everything = " ".join(text.split())
    wide = " ".join(executed(*command.split(), "--help", COLUMNS="80").stdout.split("Examples")[0].split())
    assert set(wide.split()) == set(everything.split())


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_help_in_colour(tmp_path: Path, env: dict[str, str], coloured: bool) -> None:
    """Help is coloured in a terminal with colours."""
    with terminal(tmp_path, "--help", env=env) as shown:
        assert ("\x1b[" in shown.raw) == coloured
    assert "\x1b[" not in executed("--help").stdout


def test_version() -> None:
    """The version is the installed package's."""
    for option in ("--version", "-V"):
        done = executed(option)
        assert (done.returncode, done.stdout) == (0, f"batch-synth {version('batch-synth')}\n")


def test_advanced_options() -> None:
    """`help COMMAND --all` lists advanced options, too, each with its explanation."""
    short = executed("run", "--help", COLUMNS="80").stdout
    full = executed("help", "run", "--all", COLUMNS="80").stdout
    pointer = re.search(r"^Advanced  See: batch-synth help run --all$", short, re.MULTILINE)
    assert pointer is not None
    block = re.search(r"^Advanced  (.*?)\n\n", full, re.MULTILINE | re.DOTALL)
    assert block is not None
    advanced = re.findall(r"^ *(--[a-z-]+) \S+ +[A-Z]\w", block[1], re.MULTILINE)
    assert {"--workers", "--cluster", "--poll-interval", "--request-option"} <= set(advanced)
    assert not [option for option in advanced if option in short]
    squeezed = {" ".join(line.split()) for line in full.splitlines()}
    assert {" ".join(line.split()) for line in short.splitlines()} - squeezed == {" ".join(pointer[0].split())}


def test_faults_in_the_full_help() -> None:
    """`help sandbox --all` lists every fault with its effect, which `--help` refers to."""
    full = " ".join(executed("help", "sandbox", "--all", COLUMNS="100").stdout.split())
    assert [kind.name for kind in KINDS if f"{kind.example} {kind.effect}" not in full] == []
    assert "help sandbox --all" in executed("sandbox", "--help", COLUMNS="80").stdout


def test_help_as_a_command() -> None:
    """`help` prints the help, `help COMMAND` that of a command, and a typo gets a suggestion."""
    assert executed("help").stdout == executed("--help").stdout
    assert executed("help", "status").stdout == executed("status", "--help").stdout
    done = executed("help", "rnu")
    assert (done.returncode, done.stderr) == (2, "batch-synth: No such command 'rnu'. Did you mean run?\n")


def test_components_say_what_they_are() -> None:
    """Every component is listed with its content."""
    lines = executed("components", COLUMNS="150").stdout.splitlines()
    content = {
        parts[0]: parts[1] for parts in (re.split(r"  +", line) for line in lines) if parts[0] in SynthesisComponent
    }
    assert content.keys() == set(SynthesisComponent)
    assert content["antonyms"] == "words of the opposite meaning"
    assert all(len(each) > len("the ") for each in content.values())


def test_no_command() -> None:
    """Without a command, the help is printed on standard error, with exit code 2."""
    done = executed()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == executed("--help").stdout


# ── slips ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("columns", [40, 80])
def test_usage_error_is_wrapped(tmp_path: Path, columns: int) -> None:
    """A usage error has the problem, a suggestion and a pointer to the help, wrapped between words."""
    with terminal(tmp_path, "run", "words.txt", "--max-queued-token", "3", columns=columns) as shown:
        lines = shown.text.splitlines()
    assert lines[-1] == "  batch-synth run --help"
    assert " ".join(lines[:-1]) == (
        "batch-synth: No such option: --max-queued-token. Did you mean --max-queued-tokens? See:"
    )
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("run words.txt --output jsno", "Invalid --output 'jsno'. Did you mean json?"),
        ("run words.txt --output loud", "Invalid --output 'loud'. Choose from auto, plain, json, quiet."),
        ("resume -c words.checkpoint.json -q --output json", "--quiet and --output json exclude each other"),
        ("status --watch --json", "--watch and --json exclude each other"),
    ],
)
def test_outputs_that_there_are_not(tmp_path: Path, arguments: str, says: str) -> None:
    """An invalid --output is refused with the closest valid one; contradictory options are refused."""
    done = executed(*arguments.split(), folder=tmp_path)
    assert (done.returncode, says in done.stderr, done.stderr.count("\n")) == (2, True, 1)


def test_a_slip_in_the_environment(tmp_path: Path) -> None:
    """An error names the environment variable that set an invalid value."""
    bad = {"BATCH_SYNTH_POLL_INTERVAL": "soon"}
    assert (
        "(set by BATCH_SYNTH_POLL_INTERVAL). See: batch-synth run --help"
        in executed("run", "words.txt", folder=tmp_path, **bad).stderr
    )
    typed = executed("run", "words.txt", "--poll-interval", "never", folder=tmp_path, **bad)
    assert (typed.returncode, "set by" in typed.stderr) == (2, False)


INTERRUPTED = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv = ["batch-synth", "run", "words.txt", "--sandbox", "--yes"]
from floridify_batch.cli.entry_point import main
main()
"""
"""A run that is interrupted when it imports a module."""


@pytest.mark.parametrize("module", ["floridify_batch.cli.main", "floridify_batch.cli.session", "rich.console"])
def test_an_interrupt_at_the_start_is_a_sentence(tmp_path: Path, module: str) -> None:
    """Ctrl-C while the command is being imported, or before its run begins, ends it with a sentence and code 130."""
    (tmp_path / "words.txt").write_text("bank\n")
    code = INTERRUPTED.format(module=module)
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.splitlines()[-1].startswith("Stopped.")
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["words.txt"]


def test_ctrl_c_is_handled_before_anything_is_imported() -> None:
    """The package itself imports no module, so that the command handles Ctrl-C from its first lines on."""
    code = "import sys; known = {*sys.modules}; import floridify_batch; print(*{*sys.modules} - known)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["floridify_batch"]


def test_a_checkpoint_is_picked_in_a_terminal(tmp_path: Path) -> None:
    """With several checkpoints, a command lists them in a terminal, the latest first, and asks for a number."""
    for name in ("old", "new"):
        ledger = Ledger(start_time=0.0, run=run_info(words=1), list_cursor=1, failed_words={f"{name}word": "no"})
        Checkpoint(tmp_path / f"{name}.checkpoint.json").save(ledger)
    os.utime(tmp_path / "old.checkpoint.json", (0, 0))
    opened = Terminal([COMMAND, "failures", "--words"], tmp_path, ENV | {"TERM": "xterm-256color"}, 24, 80)
    try:
        opened.wait_for("Number (1-2):")
        assert re.search(r"1 +new.checkpoint.json +ended, 1 failed of 1 word", opened.text)
        opened.type("7\n2\n")
        assert opened.ended() == 0
        assert "oldword" in opened.text
        assert "newword" not in opened.text
    finally:
        opened.close()


# ── completion ─────────────────────────────────────────────────────────────────────────────────────────────────────


def completed(line: str, folder: Path, **env: str) -> list[str]:
    """Return the completions that bash gets for a line, with the cursor at its end."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_BATCH_SYNTH_COMPLETE": "complete_bash"}
    done = executed(folder=folder, **asked, **env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def checkpoint_in(folder: Path, name: str = "words.checkpoint.json") -> None:
    """A checkpoint with the parts that completion reads."""
    chunks = [
        {"batch_id": "batch_1", "state": "DONE"},
        {"batch_id": "batch_2", "state": "SUBMITTED"},
        {"state": "PLANNED"},
    ]
    (folder / name).write_bytes(orjson.dumps({"chunks": [{"batch_id": None} | chunk for chunk in chunks]}))


def test_completion_of_names(tmp_path: Path) -> None:
    """Commands, options, components one after the other, languages, outputs, counts and faults are completed."""
    assert completed("batch-synth re", tmp_path) == ["resume", "report", "recover", "review"]
    assert completed("batch-synth run words.txt --max-q", tmp_path) == ["--max-queued-tokens"]
    assert completed("batch-synth run w --components synonyms,ant", tmp_path) == ["synonyms,antonyms"]
    assert set(completed("batch-synth run w --components ", tmp_path)) == {"default", "all", *SynthesisComponent}
    assert "domain,domain" not in completed("batch-synth run w --components domain,", tmp_path)
    assert completed("batch-synth import f --language d", tmp_path) == ["da", "de"]
    assert set(completed("batch-synth resume --output ", tmp_path)) == set(map(str, Output))
    assert completed("batch-synth run w --count syn", tmp_path) == ["synonyms="]
    assert completed("batch-synth sandbox --fault exp", tmp_path) == ["expire="]


def test_completion_of_files_and_batches(tmp_path: Path) -> None:
    """Checkpoints of this folder and of others are completed, and the batches of a checkpoint."""
    (tmp_path / "runs").mkdir()
    checkpoint_in(tmp_path)
    checkpoint_in(tmp_path / "runs", "other.checkpoint.json")
    (tmp_path / "words.json").write_text("{}")
    assert completed("batch-synth status -c ", tmp_path) == ["words.checkpoint.json"]
    assert completed("batch-synth resume --checkpoint runs/", tmp_path) == ["runs/other.checkpoint.json"]
    assert completed("batch-synth status batch", tmp_path) == ["batch_2", "batch_1"]
    assert completed("batch-synth cancel batch", tmp_path) == ["batch_2"]
    assert completed("batch-synth status -c runs/other.checkpoint.json b", tmp_path) == ["batch_2", "batch_1"]


def test_completion_of_words_and_models(tmp_path: Path) -> None:
    """`show` completes the words of the runs in the folder, `--model` OpenAI's chat models with a known price."""
    assert completed("batch-synth show ba", tmp_path) == []
    for name, words in (("a", "bank\nbark\nleaf\n"), ("b", "bass\nen coulisse\n")):
        checkpoint_in(tmp_path, f"{name}.checkpoint.json")
        (tmp_path / f"{name}.checkpoint.files").mkdir()
        (tmp_path / f"{name}.checkpoint.files" / "words.txt").write_text(words)
    assert completed("batch-synth show ba", tmp_path) == ["bank", "bark", "bass"]
    assert completed("batch-synth show -c b.checkpoint.json ba", tmp_path) == ["bass"]
    assert completed("batch-synth status batch", tmp_path) == ["batch_2", "batch_1"] * 2
    models = completed("batch-synth run words.txt --model gpt-5", tmp_path)
    assert "gpt-5-mini" in models
    assert "gpt-5-codex" not in models
    assert completed("batch-synth resume --model gpt-5-mi", tmp_path) == ["gpt-5-mini"]


def test_completion_is_silent(tmp_path: Path) -> None:
    """With a damaged checkpoint, several or none, completion offers and prints nothing."""
    assert completed("batch-synth status batch", tmp_path) == []
    (tmp_path / "a.checkpoint.json").write_bytes(b'{"chunks": ')
    assert completed("batch-synth status batch", tmp_path) == []
    assert completed("batch-synth status -c nowhere/x.checkpoint.json batch", tmp_path) == []
    checkpoint_in(tmp_path)
    assert completed("batch-synth cancel batch", tmp_path) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(tmp_path: Path, shell: str) -> None:
    """Each shell gets a completion script that calls the command."""
    done = executed(folder=tmp_path, _BATCH_SYNTH_COMPLETE=f"source_{shell}")
    assert (done.returncode, "_BATCH_SYNTH_COMPLETE=complete_" + shell in done.stdout) == (0, True)


def test_nothing_heavy_is_loaded_to_help() -> None:
    """Help and completion do not import the packages of the service, the database and the screens."""
    heavy = {
        "openai",
        "motor",
        "pymongo",
        "rich",
        "tiktoken",
        "genai_prices",
        "floridify_batch.components.registry",
    }
    heavy |= {"jinja2", "pydantic", "starlette"}
    code = "import sys; from floridify_batch.cli.main import app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert heavy.isdisjoint(loaded)


# ── JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("title", "kind"), [("A chunk", BatchRow), ("A batch", BatchFacts), ("A failure", FailureRow)])
def test_the_document_names_every_field(title: str, kind: type) -> None:
    """docs/json.md lists exactly the fields of each object."""
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]
    named = re.findall(r"`([a-z_]+)`", re.sub(r"\([^)]*\)", "", section))
    assert named == [field.name for field in fields(kind)]
