"""The `config` command: the settings that a new run would have, or those of a checkpoint, each with its origin."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from floridify_batch.cli.context import (
    checkpoint_or_only,
    config_at,
    database_named,
    ledger_of,
    poll_interval_of,
    table_console,
    variable_set,
)
from floridify_batch.cli.project_file import PROJECT, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from floridify_batch.cli.floridify_config import FloridifyConfig


def config(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[LIST AND OPTIONS OF RUN]...", help="The same as for run.", rich_help_panel="Content"),
    ] = None,
) -> None:
    """Show a new run's settings and where each comes from."""
    from floridify_batch.display.text import cell, listing

    group: Any = context.parent
    command = group.command.get_command(group, "run")
    with command.make_context("run", list(arguments or ()), parent=group) as run:
        table = listing("setting", "value", "from")
        floridify = _floridify(run)
        given = run.get_parameter_source("checkpoint").name == "COMMANDLINE"
        named = Path(run.params["checkpoint"]) if given else None
        rows = _of_run(named) if named and named.exists() else _rows(command, run, floridify)
        key = () if run.params["sandbox"] else (_key(run, floridify),)
        for row in (*rows, *key):
            table.add_row(*map(cell, row))
    table_console().print(table)


type Row = tuple[str, str, str]


def _rows(command: Any, run: Any, floridify: "FloridifyConfig") -> "Iterator[Row]":
    """The settings with their values and origins."""
    by_name, derived = {each.name: each for each in command.params}, _derived(run, floridify)
    for param in (by_name[name] for name in SETTINGS if name in by_name):
        name, value, source = param.name.replace("_", "-"), run.params.get(param.name), _source(run, param)
        theirs = getattr(floridify, param.name, None)
        if param.name in derived:
            yield name, *derived[param.name]
        elif value is not None and value != () and source != "default":
            yield name, _shown(param.name, value), source
        elif theirs is not None:
            yield name, _shown(param.name, theirs), str(run.params["floridify_config"])
        else:
            yield name, _default(param), "default"


def _derived(run: Any, floridify: "FloridifyConfig") -> dict[str, tuple[str, str]]:
    """The settings that follow from other options, and from which: by parameter."""
    from floridify_batch.components.entry_store import sandbox_database
    from floridify_batch.database.connection import database_in

    given = run.params
    database = database_named(given["database"], given["mongo_url"], floridify)
    derived: dict[str, tuple[str, str]] = {}
    if given["sandbox"]:
        derived["base_url"] = ("the sandbox's", "--sandbox")
        derived["database"] = (sandbox_database(database), "--sandbox")
    elif not given["database"] and database_in(given["mongo_url"]):
        derived["database"] = (database, "mongo-url")
    if given["poll_interval"] is None and (given["sandbox"] or given["immediate"]):
        seconds = poll_interval_of(None, local=True)
        derived["poll_interval"] = (f"{seconds:g}", "--sandbox" if given["sandbox"] else "--immediate")
    return derived


def _of_run(path: Path) -> "Iterator[Row]":
    """The settings that the run of a checkpoint has."""
    checkpoint = checkpoint_or_only(path)
    for name, value in ledger_of(checkpoint).run.settings.model_dump(mode="json").items():
        shown = "-" if value in (None, False, "", [], {}) else _shown(name, value)
        yield name.replace("_", "-"), shown, "checkpoint"


def _floridify(run: Any) -> "FloridifyConfig":
    path = run.params.get("floridify_config")
    return config_at(Path(path) if path else None)


def _source(run: Any, param: Any) -> str:
    """The origin of a value: the command line, an environment variable, the project file, or the default."""
    source = run.get_parameter_source(param.name)
    name = source.name if source else "DEFAULT"
    if name == "COMMANDLINE":
        return "option"
    if name == "ENVIRONMENT":
        names = [param.envvar] if isinstance(param.envvar, str) else param.envvar
        return f"environment: {variable_set(names)}"
    return str(run.meta[PROJECT].origin(param.name)) if name == "DEFAULT_MAP" else "default"


def _default(param: Any) -> str:
    """The default that the option's help states, else that of its declaration."""
    stated = re.search(r"\(default: (.+)\)", param.help or "")
    if stated:
        return stated[1]
    return "-" if param.default in (None, (), False) or callable(param.default) else str(param.default)


def _shown(name: str, value: Any) -> str:
    if name == "mongo_url":
        from floridify_batch.run.resources import redacted_url

        return str(redacted_url(value))
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _key(run: Any, floridify: "FloridifyConfig") -> Row:
    """Whether there is an API key; never the key itself."""
    if variable_set(["OPENAI_API_KEY"]):
        return "API key", "set", "environment: OPENAI_API_KEY"
    if floridify.api_key:
        return "API key", "set", str(run.params["floridify_config"])
    return "API key", "not set", "-"
