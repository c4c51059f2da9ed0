"""The order of imports between packages, read from the source."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import floridify_batch

ROOT = Path(floridify_batch.__file__).parent
PACKAGE = "floridify_batch"

FOUNDATIONS = ("errors", "timing", "files", "formatting", "retry")
LIBRARY = (
    "settings",
    "definition_conversion",
    "synthesis",
    "judgement",
    "enhancement",
    "entry_synthesis",
    "_batch_transport",
    "batch_synthesis",
    "batch_processor",
)

ORDER = (
    FOUNDATIONS,
    ("words",),
    ("costs",),
    ("components",),
    ("pipeline", "providers", "database", "sandbox"),
    ("run", "export"),
    ("review",),
    LIBRARY,
    ("display",),
    ("cli",),
)
"""The packages in the order in which data passes through them: each imports only from packages of earlier lines, and
packages of one line do not import each other. Foundations and the library are single modules, in any order without
cycles."""

ALLOWED = {
    "openai": {"providers"},
    "httpx2": {"providers", "sandbox"},
    "tenacity": {"providers", "database", "retry"},
    "motor": {"database"},
    "pymongo": {"database"},
    "bson": {"database"},
    "rich": {"display", "cli"},
    "typer": {"cli"},
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
    "filelock": {"run", "sandbox"},
    "genai_prices": {"costs"},
    "langcodes": {"words"},
    "simplemma": {"words"},
    "tiktoken": {"costs"},
    "distributed": {"run"},
    "jinja2": {"components", "display"},
}
"""The only packages of ours that may import a third-party package."""


@cache
def imports(path: Path) -> frozenset[str]:
    """Everything that a file imports, at its top or inside functions, by its full name."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            for alias in node.names:
                within = node.module.split(".")[0] == PACKAGE
                yield f"{node.module}.{alias.name}" if within else node.module


def package_of(path: Path) -> str:
    """The top-level module or sub-package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
RANK = {name: rank for rank, line in enumerate(ORDER) for name in line}
PACKAGES = sorted({package_of(path) for path in FILES})


def imported_by(package: str) -> set[str]:
    """Everything that the files of a package import."""
    return {name for path in FILES if package_of(path) == package for name in imports(path)}


def importers_of(wanted: Callable[[str], bool]) -> set[str]:
    """The packages that import a name."""
    return {package_of(path) for path in FILES if any(map(wanted, imports(path)))}


def used_packages(names: set[str]) -> set[str]:
    """Our sub-packages among imported names."""
    return {name.split(".")[1] for name in names if name.startswith(PACKAGE + ".")} & set(RANK)


def may_import(importer: str, imported: str) -> bool:
    """Whether a package may import from another one."""
    alike = RANK[importer] == RANK[imported] and any(importer in line for line in (FOUNDATIONS, LIBRARY))
    return importer == imported or RANK[imported] < RANK[importer] or alike


def module_name(path: Path) -> str:
    """The dotted name of a module below the package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_package_is_in_order() -> None:
    """Every package has a place in the order of imports."""
    assert set(PACKAGES) <= set(RANK)


@pytest.mark.parametrize("importer", PACKAGES)
def test_imports_go_one_way(importer: str) -> None:
    """A package imports only from packages before it."""
    used = used_packages(imported_by(importer))
    assert not {each for each in used if not may_import(importer, each)}


def test_no_import_cycles() -> None:
    """No two modules import each other, directly or through others, inside a package or across packages."""
    modules = {module_name(path) for path in FILES if path.name != "__init__.py"}
    graph: dict[str, set[str]] = {}
    for path in FILES:
        ours = (name.removeprefix(PACKAGE + ".") for name in imports(path) if name.startswith(PACKAGE + "."))
        graph[module_name(path)] = {
            each for name in ours for each in (name, name.rpartition(".")[0]) if each in modules
        }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules of a cycle


@pytest.mark.parametrize("package", ALLOWED)
def test_third_party_imports(package: str) -> None:
    """A third-party package is imported only where it is allowed, so that it can be replaced."""
    importers = importers_of(lambda name: name.split(".")[0] == package)
    assert importers
    assert importers <= ALLOWED[package]


def test_imports_of_sandbox() -> None:
    """The sandbox is for trials and tests: only the code that starts it depends on it."""
    importers = importers_of(lambda name: name.startswith(f"{PACKAGE}.sandbox"))
    assert importers <= {"sandbox", "run", "cli"}


def test_imports_by_sandbox() -> None:
    """The sandbox validates requests, so it shares no code with the modules that build them."""
    assert used_packages(imported_by("sandbox")) <= {"sandbox", "errors", "files", "costs"}


def test_only_the_command_line_reads_the_environment() -> None:
    """Only cli/ and the library's settings read the environment: a run depends on its parameters alone."""
    readers = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                readers.add(module_name(path))
    assert readers <= {"cli.context", "settings", "database.server"}  # a mongod inherits its environment
