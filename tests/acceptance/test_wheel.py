"""The wheel, installed into a fresh virtual environment as the README says."""

import ensurepip
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

PLAN = """
import floridify_batch
from pathlib import Path
from floridify_batch.components.registry import RECIPES
from floridify_batch.costs.tokenizer import count_tokens

assert Path(floridify_batch.__file__).is_relative_to({folder!r}), floridify_batch.__file__
package = Path(floridify_batch.__file__).parent
for name in RECIPES:
    assert (package / "components/prompts" / f"{{name}}.md").is_file(), name
assert (package / "display/pages/report.html").is_file()
assert (package / "py.typed").is_file() and (package / "__init__.pyi").is_file()
assert count_tokens("a word") == 2
"""


def run(command: Sequence[str | Path], folder: Path) -> str:
    """Return the output of a command that succeeds."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel; the dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"], ROOT)
    (wheel,) = (folder / "dist").iterdir()
    assert f"dist/{wheel.name}" in README
    run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], folder)
    (pip,) = Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")  # runs as it is; unpacking it takes seconds
    run([folder / "venv/bin/python", pip / "pip", "install", "--no-compile", "--no-deps", "--no-index", wheel], folder)
    (site,) = (folder / "venv/lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder / "venv"


def test_the_installed_command_works(environment: Path, tmp_path: Path) -> None:
    """The installed command prints its version and its help outside of the repository."""
    version = run([environment / "bin/batch-synth", "--version"], tmp_path)
    assert version.split()[-1] in README
    assert "batch-synth run words.txt" in run([environment / "bin/batch-synth", "--help"], tmp_path)


def test_the_wheel_is_complete(environment: Path, tmp_path: Path) -> None:
    """The wheel contains the prompts, the report's pages, the tokenizer's data and the type information."""
    run([environment / "bin/python", "-c", PLAN.format(folder=str(environment))], tmp_path)
