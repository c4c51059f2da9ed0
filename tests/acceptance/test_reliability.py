"""The document about reliability speaks of what is there: all promises, and modules, tests, scripts and options."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROMISES = re.split(r"^### \d+\. ", TEXT.split("## Measure it yourself")[0], flags=re.MULTILINE)[1:]


def test_all_promises() -> None:
    """There are eleven promises, counted through, and the README leads to them."""
    assert re.findall(r"^### (\d+)\. ", TEXT, re.MULTILINE) == [str(number) for number in range(1, 12)]
    assert "(docs/reliability.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("promise", PROMISES, ids=[promise.partition("\n")[0] for promise in PROMISES])
def test_kept_and_tested_by_what_is_there(promise: str) -> None:
    """Each promise names the modules that keep it and the tests that hold it, and all of them exist."""
    kept = promise.split("*Kept by.*")[1].split("*Tested by.*", maxsplit=1)[0]
    modules = re.findall(r"`([a-z_]+)`", kept)
    assert modules
    assert [name for name in modules if not (ROOT / "floridify_batch" / f"{name}.py").exists()] == []
    tests = re.findall(r"`((?:unit|integration|acceptance)/\w+\.py)`", promise)
    assert tests
    assert [name for name in tests if not (ROOT / "tests" / name).exists()] == []


def test_names_of_scripts_and_options() -> None:
    """Every script that is named can be found, and every option is one of the commands' or of the scripts'."""
    assert all((ROOT / name).exists() for name in re.findall(r"scripts/[a-z]+", TEXT))
    sources = [*(ROOT / "floridify_batch").glob("cli/*.py"), *(ROOT / "scripts/soaks").glob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    spelt = code + code.replace("_", "-")
    named = {option.removeprefix("--") for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)}
    assert {name for name in named if name not in spelt} == set()
