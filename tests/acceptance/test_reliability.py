"""docs/reliability.md names all guarantees, and existing modules, tests, scripts and options."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
GUARANTEES = re.split(r"^### \d+\. ", TEXT.split("## Measure it yourself")[0], flags=re.MULTILINE)[1:]


def test_all_guarantees() -> None:
    """There are eleven numbered guarantees, and the README links to them."""
    assert re.findall(r"^### (\d+)\. ", TEXT, re.MULTILINE) == [str(number) for number in range(1, 12)]
    assert "(docs/reliability.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=[each.partition("\n")[0] for each in GUARANTEES])
def test_mechanisms_and_tests_exist(guarantee: str) -> None:
    """Each guarantee names the modules of its mechanism and its tests, and all of them exist."""
    kept = guarantee.split("*Mechanism.*")[1].split("*Tests.*", maxsplit=1)[0]
    modules = re.findall(r"`([a-z_]+(?:/[a-z_]+)?)`", kept)
    assert modules
    assert [name for name in modules if not (ROOT / "floridify_batch" / f"{name}.py").exists()] == []
    tests = re.findall(r"`((?:unit|integration|acceptance)/[\w/]+\.py)`", guarantee)
    assert tests
    assert [name for name in tests if not (ROOT / "tests" / name).exists()] == []


def test_names_of_scripts_and_options() -> None:
    """Every script exists, and every option belongs to a command or a script."""
    assert all((ROOT / name).exists() for name in re.findall(r"scripts/[a-z_]+", TEXT))
    sources = [*(ROOT / "floridify_batch").glob("cli/*.py"), *(ROOT / "scripts/soaks").glob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    spelt = code + code.replace("_", "-")
    named = {option.removeprefix("--") for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)}
    assert {name for name in named if name not in spelt} == set()
