"""All output is sanitised: sentences go through `say`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import floridify_batch

ROOT = Path(floridify_batch.__file__).parent
SAFE = {"plain", "json_text", "json.dumps", "context.get_help", "shown.get_help"}
"""Functions that return sanitised text."""


def printed(path: Path) -> Iterator[ast.expr]:
    """Yield the expressions that a module prints directly."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.echo", "print", "sys.stdout.write"):
            yield from node.args


def safe(text: ast.expr) -> bool:
    """Whether the text is a literal or the result of a function that sanitises."""
    return isinstance(text, ast.Constant) or (isinstance(text, ast.Call) and ast.unparse(text.func) in SAFE)


def test_sentences_are_sanitised() -> None:
    """Outside the sandbox, a module prints only literals and sanitised text."""
    modules = (path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "sandbox")
    unsafe = {(path.name, ast.unparse(text)) for path in modules for text in printed(path) if not safe(text)}
    assert unsafe == set()
