"""Nobody prints what could be a terminal's command: sentences go through `say`, which sees to it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import floridify_batch

ROOT = Path(floridify_batch.__file__).parent
HARMLESS = {"plain", "as_one_json", "json.dumps", "context.get_help"}
"""Functions whose texts can do nothing."""


def echoed(path: Path) -> Iterator[ast.expr]:
    """What a module prints itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.echo", "print"):
            yield from node.args


def harmless(text: ast.expr) -> bool:
    """Whether it is written in the code, or has gone through one of the functions."""
    return isinstance(text, ast.Constant) or (isinstance(text, ast.Call) and ast.unparse(text.func) in HARMLESS)


def test_sentences_are_said() -> None:
    """Outside of `telling`, and of the sandbox's own process, only what is written in the code is printed as it is."""
    modules = (path for path in ROOT.glob("*.py") if path.name != "telling.py")
    wild = {(path.name, ast.unparse(text)) for path in modules for text in echoed(path) if not harmless(text)}
    assert wild == set()
