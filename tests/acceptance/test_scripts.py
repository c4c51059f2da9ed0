"""The scripts that a stranger starts first: what they stand on is whole, and they refuse in a sentence."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from floridify_batch.words.word_list import read_word_list
from scripts.demos import demo as play_demo

ROOT = Path(__file__).parents[2]
SCRIPTS = ["scripts/setup", "scripts/demo", "scripts/test", "scripts/lock", "scripts/soak", ".ci/run"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_every_requirement_is_pinned_with_its_hash() -> None:
    """pip's --require-hashes needs every package of every extra, and what builds the project."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [*metadata["build-system"]["requires"], *metadata["project"]["dependencies"]]
    asked += [each for extra in metadata["project"]["optional-dependencies"].values() for each in extra]
    pins = [entry for entry in CONSTRAINTS.replace("\\\n", " ").splitlines() if not entry.startswith("#")]
    pinned = {re.split("==", pin)[0]: pin for pin in pins}
    assert {re.split(r"[<>=;\[ ]", each)[0].lower() for each in asked} <= pinned.keys()
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


def test_pins_name_no_place() -> None:
    """The pinned packages name no index: their source is the user's own setting."""
    assert re.findall(r"://|-i\b|--(?:extra-)?index-url|--find-links|@ ", CONSTRAINTS) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_be_started(name: str) -> None:
    """Each script is executable and valid Bash."""
    assert os.access(ROOT / name, os.X_OK)
    subprocess.run(["bash", "-n", name], cwd=ROOT, check=True)  # noqa: S607 - whichever Bash the scripts themselves get


@pytest.fixture
def bare_clone(tmp_path: Path) -> Path:
    """A copy of the files that `scripts/setup` needs, in a folder with a space in its name; no Python in the PATH."""
    clone = tmp_path / "a clone"
    shutil.copytree(ROOT / "scripts", clone / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, clone)
    (tmp_path / "bin").mkdir()
    for name in ("bash", "env", "dirname", "cksum", "head"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    return clone


def _started(clone: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(clone.parent / "bin")}
    return subprocess.run([str(clone / script)], cwd="/", env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", ["scripts/setup", "scripts/demo", "scripts/test"])
def test_without_a_python_one_sentence(bare_clone: Path, script: str) -> None:
    """Without Python, with an old one, or with a shim that fails: exit code 2, one line, and no files."""
    for name, body in (("python3.12", "exit 127"), ("python3", "exit 1")):
        shim = bare_clone.parent / "bin" / name
        shim.write_text(f"#!/usr/bin/env bash\n{body}\n", encoding="utf-8")
        shim.chmod(0o755)
    ended = _started(bare_clone, script)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("batch-synth needs Python 3.12")
    assert ended.stderr.count("\n") == 1
    assert not (bare_clone / ".venv").exists()


def test_the_demo_knows_its_options() -> None:
    """A mistyped option does not start a demonstration."""
    ended = subprocess.run([str(ROOT / "scripts/demo"), "--frehs"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--fresh" in ended.stderr


def test_half_of_the_words_have_definitions() -> None:
    """The words of the file are in the list, homographs too; the others are unknown."""
    lines = [json.loads(line) for line in (ROOT / play_demo.DEFINITIONS).read_text(encoding="utf-8").splitlines()]
    listed = read_word_list(ROOT / play_demo.WORDS)
    known = {line["word"] for line in lines}
    assert (listed.bad_lines, listed.duplicates) == ((), 0)
    assert known < set(listed.words)
    assert {line.get("homograph_number") for line in lines if line["word"] == "bank"} == {1, 2}


_PYTHON = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$0.calls"
[[ $1 != -c ]] || echo "$0"
[[ "$1 $2" != '-m venv' ]] || { mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; }
"""
"""A Python that notes how it is called, and makes environments with the same one in them."""


def test_a_uv_that_does_not_run(bare_clone: Path) -> None:
    """A uv on PATH that fails, such as a shim of pyenv, is not used: venv and pip do the same."""
    folder = bare_clone.parent / "bin"
    shim = "#!/usr/bin/env bash\necho 'pyenv: uv: command not found' >&2\nexit 127\n"
    for name, text in (("uv", shim), ("python3.12", _PYTHON)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    for name in ("mkdir", "cp", "rm"):
        (folder / name).symlink_to(shutil.which(name) or name)
    done = _started(bare_clone, "scripts/setup")
    assert (done.returncode, done.stderr) == (0, "Installing into .venv …\n")
    assert "-m venv .venv" in (folder / "python3.12.calls").read_text()
    assert "-m pip install" in (bare_clone / ".venv/bin/python.calls").read_text()
