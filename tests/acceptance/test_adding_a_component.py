"""The instructions in CONTRIBUTING.md for adding a component."""

import re
import shutil
from pathlib import Path
from textwrap import dedent

import pytest

import floridify_batch
from tests.acceptance.conftest import ShellFactory
from tests.documents import add_known, owned
from tests.sandbox import Sandbox

TEXT = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = TEXT.split("## Adding a component\n")[1].split("\n## ")[0]
STEP = re.compile(
    r"^ +`(?P<file>[\w/.]+)`[^\n]*\n\n(?P<indent> +)```\w+\n(?P<text>.*?)\n(?P=indent)```$", re.MULTILINE | re.DOTALL
)


def extended_package(folder: Path) -> Path:
    """A copy of the package with the component of CONTRIBUTING.md."""
    package = folder / "floridify_batch"
    shutil.copytree(Path(floridify_batch.__file__).parent, package)  # with the bytecode, which need not be made again
    (module, prompt, registry) = [(folder / step["file"], dedent(step["text"])) for step in STEP.finditer(SECTION)]
    for path, text in (module, prompt):
        assert not path.exists()
        path.write_text(f"{text}\n", encoding="utf-8")
    path, line = registry
    before = path.read_text(encoding="utf-8")
    after = re.sub(
        r"(class SynthesisComponent.*?)(\n\n\n)", rf"\1\n    {line.strip()}\2", before, count=1, flags=re.DOTALL
    )
    assert len(after.splitlines()) == len(before.splitlines()) + 1
    path.write_text(after, encoding="utf-8")
    return folder


def test_a_component_is_one_module_one_prompt_and_one_line(
    quick: Sandbox, make_shell: ShellFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After the steps of CONTRIBUTING.md a new component is requested, stored, shown, and not requested twice."""
    shell = make_shell(quick)
    shell.write("record")
    add_known(shell.database, "record")
    extended = str(extended_package(tmp_path_factory.mktemp("extended")))

    def run(*arguments: str) -> str:
        done = shell.run(*arguments, PYTHONPATH=extended)
        assert done.code == 0, done
        return done.out

    assert "hyphenation" in run("components")
    run("run", "words.txt", "--yes", "--components", "hyphenation")
    (definition,) = owned(shell.database)
    assert definition["hyphenation"]
    assert "hyphenation" in definition["synthesis"]
    assert f"hyphenation: {', '.join(definition['hyphenation'])}" in " ".join(run("show", "record").split())
    again = run("run", "words.txt", "--yes", "--components", "hyphenation", "--checkpoint", "again.checkpoint.json")
    assert "Nothing" in again, again
