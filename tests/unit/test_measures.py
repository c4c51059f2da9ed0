"""The limits on the structure of the package, measured as `scripts/measures` does."""

import ast

import pytest

from scripts.checks.measures import Module, limits, modules


def test_limits() -> None:
    """Functions and modules stay short, names are nouns, and docstrings begin with the field's terms."""
    assert list(limits(modules())) == []


@pytest.mark.parametrize(
    ("name", "source", "violation"),
    [
        pytest.param("package/entry", "\n" * 451, "has 451 lines", id="long module"),
        pytest.param("package/packing", "", "is a gerund", id="gerund"),
        pytest.param("package/entry", "def f():\n" + "    x = 1\n" * 41, "has 41 lines", id="long function"),
        pytest.param("package/entry", "def f(a, b, c, d, e, *, f, g): ...", "has 7 parameters", id="parameters"),
        pytest.param("package/entry", 'def f():\n    """What is asked."""', 'begins "What is asked."', id="docstring"),
    ],
)
def test_violations(name: str, source: str, violation: str) -> None:
    """Each kind of violation is found and named."""
    found = [each for each in limits([Module(name, source, ast.parse(source))]) if "median" not in each]
    assert len(found) == 1
    assert violation in found[0]
