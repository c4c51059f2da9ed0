"""Measures of the package's structure, from its syntax trees alone.

Prints modules, folders, lines, functions and their length, parameters and complexity, docstrings, classes, suppressed
checks and the import graph. `limits` returns the violations of the rules in CONTRIBUTING.md, which a unit test
enforces.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "floridify_batch"

LONGEST_FUNCTION = 40
LONGEST_MODULE = 450
MOST_PARAMETERS = 6
MEDIAN_FUNCTION = 10

MANY_PARAMETERS = (
    "cli",
    "synthesis",
    "enhancement",
    "entry_synthesis",
    "batch_synthesis",
    "batch_processor",
    "providers/openai_connector",
)
"""Modules and packages whose functions have as many parameters as a command has options or callers know."""

GERUNDS = {"timing", "formatting"}
"""Module names in -ing that are established terms."""

OPENINGS = re.compile(
    r"(?i)(what|who|whoever|whatever|how|where|so many|somebody|nobody)\b"
    r"|.*\b(whoever|nobody|anew|oftener|asked again|deeds?|sittings?|told)\b"
)
"""Wording that the first line of a docstring must not have."""

type Function = ast.FunctionDef | ast.AsyncFunctionDef

_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.comprehension, ast.match_case)


@dataclass(frozen=True, slots=True)
class Module:
    """A parsed module; `name` is its path below the package, without suffix."""

    name: str
    source: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Return the number of lines."""
        return len(self.source.splitlines())

    def functions(self) -> list[Function]:
        """Return all functions and methods, nested ones included."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    def documented(self) -> Iterator[tuple[str, ast.Module | ast.ClassDef | Function]]:
        """Yield everything that can have a docstring, with its name."""
        yield self.name, self.tree
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{self.name}.{node.name}", node


def modules(package: Path = PACKAGE) -> list[Module]:
    """Parse every module of a package."""
    found = []
    for path in sorted(package.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        found.append(Module(path.relative_to(package).with_suffix("").as_posix(), source, ast.parse(source)))
    return found


# ── single measures ────────────────────────────────────────────────────────────────────────────────────────────────


def length(function: Function) -> int:
    """Return the lines of a function's body, without its docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: Function) -> int:
    """Return the number of parameters, without `self` and `cls`."""
    arguments = function.args
    named = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in named if name not in ("self", "cls")]) + bool(arguments.vararg) + bool(arguments.kwarg)


def complexity(function: Function) -> int:
    """Return the cyclomatic complexity: 1, and 1 per branch and boolean operator."""
    nodes = list(ast.walk(function))
    operators = sum(len(node.values) - 1 for node in nodes if isinstance(node, ast.BoolOp))
    return 1 + operators + sum(isinstance(node, _BRANCHES) for node in nodes)


def is_public(name: str) -> bool:
    """Whether no part of a dotted name is private."""
    return not name.rpartition(".")[2].startswith("_")


def imports(module: Module) -> set[str]:
    """Return the package's own modules and names that a module imports."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE.name:
            base = (node.module or "").removeprefix(PACKAGE.name).strip(".").replace(".", "/")
            found |= {base} | {f"{base}/{alias.name}".strip("/") for alias in node.names}
    return found


def graph(parsed: Sequence[Module]) -> dict[str, set[str]]:
    """Return the imported modules of each module."""
    names = {module.name for module in parsed}
    return {module.name: imports(module) & names for module in parsed}


# ── the table ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _spread(values: Iterable[int]) -> str:
    ordered = sorted(values)
    return f"{median(ordered):.0f} / {ordered[len(ordered) * 9 // 10]} / {ordered[-1]}"


def rows(parsed: Sequence[Module]) -> Iterator[tuple[str, str]]:
    """Yield the names and values of all measures."""
    functions = [function for module in parsed for function in module.functions()]
    source = "\n".join(module.source for module in parsed)
    edges = graph(parsed)
    yield "modules", str(len(parsed))
    yield "folders", str(len({module.name.rpartition("/")[0] for module in parsed}))
    yield "lines", f"{sum(module.lines for module in parsed):,}"
    yield "lines of a module: median / p90 / max", _spread(module.lines for module in parsed)
    yield "functions", f"{len(functions):,}"
    yield "lines of a function: median / p90 / max", _spread(map(length, functions))
    yield "parameters: median / p90 / max", _spread(map(parameters, functions))
    yield f"functions with over {MOST_PARAMETERS} parameters", str(_above(map(parameters, functions), MOST_PARAMETERS))
    yield "complexity: median / p90 / max", _spread(map(complexity, functions))
    yield "functions with a complexity over 10", str(_above(map(complexity, functions), 10))
    yield "docstrings: all / public", _docstrings(parsed)
    yield "classes", str(sum(isinstance(node, ast.ClassDef) for module in parsed for node in ast.walk(module.tree)))
    yield "type: ignore", str(source.count("type: ignore"))
    yield "noqa", str(source.count("# noqa"))
    yield "import edges", str(sum(map(len, edges.values())))
    yield "fan-out: median / p90 / max", _spread(map(len, edges.values()))
    fan_in = Counter(name for imported in edges.values() for name in imported)
    yield "fan-in: median / p90 / max", _spread(fan_in[module.name] for module in parsed)


def _above(values: Iterable[int], limit: int) -> int:
    return sum(value > limit for value in values)


def _docstrings(parsed: Sequence[Module]) -> str:
    nodes = [(name, ast.get_docstring(node) is not None) for module in parsed for name, node in module.documented()]
    public = [has for name, has in nodes if is_public(name)]
    return f"{100 * sum(has for _, has in nodes) // len(nodes)} % / {100 * sum(public) // len(public)} %"


# ── limits ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def limits(parsed: Sequence[Module]) -> Iterator[str]:
    """Yield one sentence per violation of a limit."""
    lengths = [length(function) for module in parsed for function in module.functions()]
    if lengths and (middle := median(lengths)) >= MEDIAN_FUNCTION:
        yield f"the median function has {middle} lines, not below {MEDIAN_FUNCTION}"
    for module in parsed:
        yield from _module_limits(module)


def _module_limits(module: Module) -> Iterator[str]:
    if module.lines > LONGEST_MODULE:
        yield f"{module.name} has {module.lines} lines, over {LONGEST_MODULE}"
    last = module.name.rpartition("/")[2]
    if last.endswith("ing") and last not in GERUNDS:
        yield f"{module.name} is a gerund"
    for function in module.functions():
        if length(function) > LONGEST_FUNCTION:
            yield f"{module.name}.{function.name} has {length(function)} lines, over {LONGEST_FUNCTION}"
        if parameters(function) > MOST_PARAMETERS and not module.name.startswith(MANY_PARAMETERS):
            yield f"{module.name}.{function.name} has {parameters(function)} parameters, over {MOST_PARAMETERS}"
    for name, node in module.documented():
        first = (ast.get_docstring(node) or "").partition("\n")[0]
        if first and OPENINGS.match(first):
            yield f'{name} begins "{first}"'


def main() -> None:
    """Print the table of measures and the violations."""
    parsed = modules()
    for name, value in rows(parsed):
        print(f"{name:<42}{value}")
    for violation in limits(parsed):
        print(violation)


if __name__ == "__main__":
    main()
