"""The settings file of a project: `batch-synth.toml` beside the word list, or `[tool.batch-synth]` in pyproject.toml.

Its values are defaults of options, so that options on the command line and environment variables win. Keys and
passwords are refused: a project's file is shared, and often public.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from floridify_batch.cli.completion import CHECKPOINTS
from floridify_batch.cli.help import HelpfulCommand
from floridify_batch.errors import UsageError

FILE, PYPROJECT, TABLE = "batch-synth.toml", "pyproject.toml", "tool.batch-synth"

PROJECT = "batch_synth.project"
"""Key in a context's `meta`: the project file of the command, or None."""

_NUMBERS = (
    *("batch_size", "max_attempts", "max_batches", "max_queued_tokens", "max_cost", "poll_interval", "patience"),
    *("lookup_seconds", "concurrency", "workers", "pack"),
)
_TEXTS = (
    *("model", "language", "gloss_language", "database", "mongo_url", "base_url", "frequency_scale", "cluster"),
    *("answers", "service_tier", "judge", "judge_sample"),
)
_PATHS = ("templates", "floridify_config")
_TABLES = ("count", "price", "model_for", "request_option")

SETTINGS = ("components", *_TEXTS, *_PATHS, *_TABLES, *_NUMBERS, "no_preflight", "notify")
"""The options that a project file may set, by parameter."""

_DATABASE = frozenset({"database", "mongo_url", "floridify_config"})
COMMAND_SETTINGS: Mapping[str, frozenset[str]] = {
    "run": frozenset(SETTINGS),
    "resume": frozenset({"mongo_url", "floridify_config", "notify"}),  # a run keeps the settings it was started with
    "cancel": frozenset({"mongo_url", "floridify_config"}),
    "status": frozenset({"floridify_config"}),
    "failures": frozenset({"mongo_url", "floridify_config"}),
    "report": frozenset({"mongo_url"}),
    "recover": _DATABASE | {"base_url", "templates", "price"},
    "undo": _DATABASE,
    "mend": _DATABASE,
    "import": _DATABASE | {"language"},
    "check": _DATABASE | {"language"},
    "export": _DATABASE | {"language"},
    "review": _DATABASE | {"language"},
    "show": _DATABASE | {"language"},
}
"""The settings that each command takes from the file."""

PER_COMMAND = (
    *(
        "word",
        "column",
        "lower_case",
        "force",
        "stale",
        "replace_edited",
        "checkpoint",
        "sandbox",
        "immediate",
        "dry_run",
        "yes",
        "pilot",
        "pilot_only",
    ),
    *("no_wait", "details", "accept_database", "output", "log_file", "quiet", "fault"),
)
"""Options of a single command, which a file does not set."""

_SECRET = re.compile(r"(^|_)key$|secret|(^|_)token$|password")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a project file, as the option takes it; `line` is None if it cannot be found in the text."""

    value: Any
    line: int | None


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A project file and its settings, by the parameters of options."""

    path: Path
    settings: Mapping[str, Setting]

    def origin(self, name: str) -> str:
        """The place of a setting: "batch-synth.toml, line 3"."""
        return _place(self.path, self.settings[name].line)


class ProjectCommand(HelpfulCommand):
    """A command whose options take their defaults from the project file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the project file, then parse the arguments; `--help` works beside a file with errors."""
        names = COMMAND_SETTINGS.get(self.name or "", frozenset())
        if names and not ctx.resilient_parsing and not {"-h", "--help"} & set(args):
            typed = self.make_parser(ctx).parse_args(args=list(args))[0]
            project = project_file(_folders(typed))
            ctx.meta[PROJECT] = project
            ctx.default_map = _defaults(project, _applicable(names, self.name or "", typed)) if project else None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Invoke the command; `run` says first which settings come from the file."""
        used = from_project(ctx)
        if used and self.name == "run" and not ctx.params.get("quiet"):
            from floridify_batch.display.console import say

            say(f"Settings from {ctx.meta[PROJECT].path}: {', '.join(map(_option, used))}.", err=True)
        return super().invoke(ctx)


def from_project(ctx: Any) -> list[str]:
    """The parameters of a command whose values come from the project file."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return [name for name in SETTINGS if sources.get(name) is not None and sources[name].name == "DEFAULT_MAP"]


def _folders(typed: Mapping[str, Any]) -> Iterable[Path]:
    """The folders that may have a project file: that of the word list or checkpoint, then the current one."""
    words = typed.get("words") or ()
    named = [*(words if isinstance(words, list | tuple) else [words]), typed.get("run"), typed.get("checkpoint")]
    # `failures --words` is a flag, whose value is no path.
    yield from (Path(each).parent for each in named if isinstance(each, str) and each not in {"", "-"})
    yield Path()


def _applicable(names: frozenset[str], command: str, typed: Mapping[str, Any]) -> frozenset[str]:
    """The settings that apply: some commands take the database of a run, if there is one, before the project's."""
    of_run = command in ("show", "check") and (typed.get("checkpoint") or any(Path().glob(CHECKPOINTS)))
    of_run = of_run or (command == "undo" and Path(typed.get("run") or "").is_file())
    return names - {"database"} if of_run else names


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def project_file(folders: Iterable[Path]) -> ProjectFile | None:
    """The project file of the first folder that has one. Raises `UsageError`."""
    for folder in folders:
        for name, table in ((FILE, ""), (PYPROJECT, TABLE)):
            path = folder / name
            text = _text_of(path)
            if text is not None and (not table or table in text):
                values = _values(path, text, table)
                if values is not None:
                    return ProjectFile(path, dict(_setting(path, text, table, *each) for each in values.items()))
    return None


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}.") from None


def _values(path: Path, text: str, table: str) -> Mapping[str, Any] | None:
    """The values of a file or of one table of it; None without that table. Raises `UsageError`."""
    import tomllib
    from decimal import Decimal

    try:
        found: Any = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from None
    for part in table.split(".") if table else ():
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _setting(path: Path, text: str, table: str, written: str, value: Any) -> tuple[str, Setting]:
    """A setting by its parameter. Raises `UsageError` for an unknown name, a key and a value of another type."""
    line = _line_of(text, table, written)
    name = written.replace("-", "_").lower()
    try:
        _check_name(name, written)
        _check_secret(name, value)
        return name, Setting(_as_option(name, value, path.parent), line)
    except UsageError as error:
        raise UsageError(f"{_place(path, line)}: {error}") from None


def _place(path: Path, line: int | None) -> str:
    return f"{path}, line {line}" if line else str(path)


def _line_of(text: str, table: str, name: str) -> int | None:
    """The line that sets a name in a table, or that begins its own table."""
    section, own = "", f"{table}.{name}" if table else name
    key = re.compile(rf"""["']?{re.escape(name)}["']?\s*[=.]""")
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            section = header[1].replace('"', "").replace("'", "").replace(" ", "")
            if section == own:
                return number
        elif section == table and key.match(line.strip()):
            return number
    return None


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_name(name: str, written: str) -> None:
    from difflib import get_close_matches

    if name in SETTINGS or _SECRET.search(name):
        return
    if name in PER_COMMAND:
        raise UsageError(f"{written!r} is not read from this file; pass it on the command line.")
    near = get_close_matches(name, SETTINGS, 1, _SIMILAR)
    known = f"Did you mean {_option(near[0])}?" if near else f"Settings are {', '.join(map(_option, SETTINGS))}."
    raise UsageError(f"unknown setting {written!r}. {known}")


def _check_secret(name: str, value: Any) -> None:
    from urllib.parse import urlsplit

    if _SECRET.search(name) or (isinstance(value, str) and value.startswith("sk-")):
        raise UsageError("keys are not read from this file. Remove the key, and set OPENAI_API_KEY.")
    if name in ("mongo_url", "base_url") and isinstance(value, str) and "@" in value and urlsplit(value).password:
        raise UsageError(f"passwords are not read from this file. Remove {_option(name)}, and set {_VARIABLES[name]}.")


_SIMILAR = 0.7
"""The similarity from which a name is suggested."""

_VARIABLES = {"mongo_url": "MONGODB_URL", "base_url": "OPENAI_BASE_URL"}


def _option(name: str) -> str:
    return name.replace("_", "-")


def _as_option(name: str, value: Any, folder: Path) -> Any:
    """A value in the form in which its option takes it; relative paths start at the file. Raises `UsageError`."""
    if name == "components":
        return (
            ",".join(value)
            if isinstance(value, list) and all(isinstance(each, str) for each in value)
            else (_text(name, value))
        )
    if name in _NUMBERS:
        return _number(name, value)
    if name in _TABLES:
        return _pairs(name, value)
    if name == "no_preflight":
        if not isinstance(value, bool):
            raise UsageError(f"{_option(name)} must be true or false.")
        return value
    return str(folder / Path(_text(name, value)).expanduser()) if name in _PATHS else _text(name, value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"{_option(name)} must be a string in quotation marks.")
    return value


def _number(name: str, value: Any) -> str:
    from decimal import Decimal

    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise UsageError(f"{_option(name)} must be a number.")
    return str(value)


def _pairs(name: str, value: Any) -> Any:
    """A table as NAME=VALUE options; a price is one option."""
    import json

    if name == "price" and isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise UsageError(f"{_option(name)} must be a table, such as {_EXAMPLES[name]}.")
    written = json.dumps if name == "request_option" else str
    try:
        pairs = [f"{key}={written(each)}" for key, each in value.items()]
    except TypeError:
        raise UsageError(f"{_option(name)} must be a table, such as {_EXAMPLES[name]}.") from None
    return ",".join(pairs) if name == "price" else pairs


_EXAMPLES = {
    "count": "{ synonyms = 8 }",
    "model_for": '{ synonyms = "gpt-5-mini" }',
    "price": "{ in = 0.05, out = 0.25 }",
    "request_option": "{ temperature = 0 }",
}


def _defaults(project: ProjectFile, names: frozenset[str]) -> dict[str, Any]:
    """The defaults of a command's options. Raises `UsageError` for a value that its option refuses."""
    chosen = {name: setting.value for name, setting in project.settings.items() if name in names}
    for name in chosen.keys() & _CHECKS.keys():
        try:
            _CHECKS[name](chosen[name])
        except UsageError as error:
            raise UsageError(f"{project.origin(name)}: {error}") from None
    return chosen


def _check_components(names: str) -> None:
    from floridify_batch.components.registry import components_named

    components_named(names)


def _check_language(name: str) -> None:
    from floridify_batch.words.language import language_named

    language_named(name)


def _check_counts(counts: Sequence[str]) -> None:
    from floridify_batch.components.registry import counts_named

    counts_named(counts)


def _check_price(price: str) -> None:
    from floridify_batch.costs.price import price_named

    price_named(price)


def _check_cost(amount: str) -> None:
    from floridify_batch.costs.price import dollars_named

    dollars_named("max-cost", amount)


_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "components": _check_components,
    "language": _check_language,
    "gloss_language": _check_language,
    "count": _check_counts,
    "price": _check_price,
    "max_cost": _check_cost,
}
