"""The order of the house: who may import whom, read from the source."""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

import floridify_batch

ROOT = Path(floridify_batch.__file__).parent
PACKAGE = "floridify_batch"

ORDER = [
    "errors",
    "seams",
    "wording",
    "pacing",
    "words",
    "word_lists",
    "word_logs",
    "pricing",
    "priors",
    "samples",
    "accounts",
    "failures",
    "languages",
    "tokens",
    "shapes",
    "answers",
    "requests",
    "changes",
    "clusters",
    "components",
    "outcomes",
    "word_outcomes",
    "templates",
    "word_recipes",
    "recipes",
    "planning",
    "finishing",
    "chunks",
    "packing",
    "results",
    "applying",
    "events",
    "estimates",
    "quotes",
    "run_settings",
    "ledger",
    "spending",
    "checkpoint",
    "examples",
    "briefing",
    "stations",
    "workshop",
    "crews",
    "throttling",
    "connector",
    "replies",
    "listings",
    "batches",
    "immediate_batches",
    "creation",
    "downloads",
    "layouts",
    "documents",
    "replacing",
    "articles",
    "dictionary_files",
    "drafts",
    "entry_stores",
    "store",
    "local_mongo",
    "run",
    "fatal",
    "submission",
    "collection",
    "archive",
    "recovery",
    "feeding",
    "surveying",
    "driver",
    "waiting",
    "carrying",
    "batch_synthesis",
    "asking",
    "synthesis",
    "enhancement",
    "batch_processor",
    "frames",
    "telling",
    "run_view",
    "panels",
    "money_panels",
    "costing",
    "cost_panels",
    "screens",
    "summary",
    "log_lines",
    "json_lines",
    "keyboard",
    "live",
    "display",
    "sandbox",
    "assembly",
    "dictionary",
    "importing",
    "showing",
    "inspection",
    "watching",
    "plots",
    "report",
    "report_page",
    "reporting",
    "gate",
    "recovering",
    "standing",
    "previews",
    "commands",
    "cancelling",
    "floridify",
    "cli_errors",
    "cli_completion",
    "cli_options",
    "cli_parts",
    "cli_help",
    "cli_run",
    "cli_look",
    "cli_mend",
    "cli_dictionary",
    "cli",
]
"""Every module of the package: each imports only from those before it. `sandbox` stands for its whole folder."""

SANDBOX_ORDER = [
    "faults",
    "settings",
    "refusals",
    "dice",
    "vocabulary",
    "schemas",
    "reading",
    "contents",
    "replies",
    "strictness",
    "bodies",
    "storage",
    "validation",
    "results",
    "batches",
    "service",
    "file_routes",
    "batch_routes",
    "chat_routes",
    "server",
    "protocol",
    "running",
    "__main__",
]

ALLOWED = {
    "openai": {"connector", "replies", "batches"},
    "httpx2": {"connector", "replies"},
    "tenacity": {"connector", "batches", "store"},
    "motor": {"store"},
    "pymongo": {"store", "documents", "drafts", "importing"},
    "bson": {"layouts"},
    "rich": {
        "display",
        "frames",
        "live",
        "panels",
        "money_panels",
        "cost_panels",
        "screens",
        "summary",
        "watching",
        "gate",
        "previews",
        "commands",
        "inspection",
        "recovering",
        "importing",
        "showing",
    },
    "typer": {
        "telling",
        "gate",
        "cli_completion",
        "cli_options",
        "cli_parts",
        "cli_help",
        "cli_look",
        "cli_mend",
        "cli_dictionary",
        "cli_errors",
        "cli",
        "showing",
    },
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
    "filelock": {"checkpoint", "sandbox"},
    "genai_prices": {"pricing"},
    "tiktoken": {"tokens"},
    "distributed": {"crews"},
    "jinja2": {"templates", "report_page"},
}
"""The only modules that may know of a package."""


def imports(path: Path) -> Iterator[str]:
    """Everything that a file imports, at its top or inside functions, by its full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            for alias in node.names:
                within = node.module.split(".")[0] == PACKAGE
                yield f"{node.module}.{alias.name}" if within else node.module


def room(path: Path) -> str:
    """The module, or the folder of modules, that a file is of."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


FILES = [path for path in sorted(ROOT.rglob("*.py")) if path.name != "__init__.py"]
BY_ROOM = [(room(path), set(imports(path))) for path in FILES]


def used_rooms(names: set[str]) -> set[str]:
    """The rooms of the package among imported names."""
    return {name.split(".")[1] for name in names if name.startswith(PACKAGE + ".")} & set(ORDER)


def test_the_order_is_complete() -> None:
    """The written order holds every module, each once: a new one is given its place before it is used."""
    inner = {path.stem for path in (ROOT / "sandbox").glob("*.py") if path.stem != "__init__"}
    for order, modules in ((ORDER, {room(path) for path in FILES}), (SANDBOX_ORDER, inner)):
        assert modules <= set(order)
        assert len(set(order)) == len(order)


@pytest.mark.parametrize("module", ORDER)
def test_no_import_goes_backwards(module: str) -> None:
    """A module imports only from those above it, so that it can be read knowing only them."""
    used = used_rooms(set(chain.from_iterable(names for where, names in BY_ROOM if where == module)))
    later = {each for each in used - {module} if ORDER.index(each) > ORDER.index(module)}
    assert not later


@pytest.mark.parametrize("module", SANDBOX_ORDER)
def test_no_import_goes_backwards_in_the_sandbox(module: str) -> None:
    """The sandbox's own modules keep an order, too."""
    prefix = f"{PACKAGE}.sandbox."
    names = imports(ROOT / "sandbox" / f"{module}.py")
    used = {name.removeprefix(prefix).split(".")[0] for name in names if name.startswith(prefix)}
    later = {each for each in used - {module} if SANDBOX_ORDER.index(each) > SANDBOX_ORDER.index(module)}
    assert not later


@pytest.mark.parametrize("package", ALLOWED)
def test_who_knows_of_a_package(package: str) -> None:
    """A package is known to the modules that own it, so that another can take its place."""
    who = {where for where, names in BY_ROOM if any(name.split(".")[0] == package for name in names)}
    assert who
    assert who <= ALLOWED[package]


def test_who_knows_of_the_sandbox() -> None:
    """The sandbox is for trying and testing: nothing of a run leans on it but what starts it."""
    who = {where for where, names in BY_ROOM if any(name.startswith(f"{PACKAGE}.sandbox") for name in names)}
    assert who <= {"sandbox", "assembly", "cli_completion", "cli_dictionary"}


def test_the_sandbox_knows_little_of_us() -> None:
    """The sandbox judges our requests, so it shares no code with what makes them."""
    used = set(chain.from_iterable(used_rooms(names) for where, names in BY_ROOM if where == "sandbox"))
    assert used <= {"sandbox", "errors", "tokens"}


def test_nobody_reads_the_environment_but_the_command_line() -> None:
    """Settings come in as parameters: a run cannot depend on a variable that nobody passed on."""
    readers = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                readers.add(room(path))
    assert readers <= {"cli_parts", "local_mongo"}  # a program that we start is handed our own environment
