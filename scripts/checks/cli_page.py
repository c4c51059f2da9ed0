"""The reference page of the command line, `docs/cli.md`, generated from the commands themselves.

`python -m scripts.checks.cli_page` writes the page; `tests/unit/cli/test_cli_page.py` compares it.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

from typer.main import get_command

from floridify_batch.cli.help import GROUPS
from floridify_batch.cli.main import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"

_HEAD = """# Command line

Every command with its arguments, options and environment variables, as `batch-synth help COMMAND --all` lists them. An
option wins over its environment variable. This page is generated:
`.venv/bin/python -m scripts.checks.cli_page`.
"""


def page() -> str:
    """The page as Markdown."""
    group: Any = get_command(app)
    context = group.make_context("batch-synth", [], resilient_parsing=True)
    commands = (group.get_command(context, name) for name in group.list_commands(context))
    sections = [_section(each) for each in commands if not each.hidden]
    return "\n".join([_HEAD, *sections])


def _section(command: Any) -> str:
    arguments = " ".join(each.metavar or each.name.upper() for each in command.params if _is_argument(each))
    usage = f"batch-synth {command.name} [OPTIONS] {arguments}".rstrip()
    lines = [f"## {command.name}", "", command.help.strip(), "", f"    {usage}", ""]
    params = sorted(command.params, key=_rank)
    for name, group in groupby(params, key=_group):
        lines += [f"| {name} | environment | meaning |", "|---|---|---|", *map(_row, group), ""]
    lines += [f"    {example}" for example in (command.epilog or "").splitlines()]
    return "\n".join(lines).rstrip() + "\n"


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _group(param: Any) -> str:
    return getattr(param, "rich_help_panel", None) or "Options"


def _rank(param: Any) -> int:
    name = _group(param)
    return GROUPS.index(name) if name in GROUPS else len(GROUPS)


def _row(param: Any) -> str:
    variables = [param.envvar] if isinstance(param.envvar, str) else param.envvar or []
    text = (param.help or "").strip() + _default(param)
    return f"| {_name(param)} | {', '.join(f'`{each}`' for each in variables)} | {text} |".replace("|  |", "| |")


def _name(param: Any) -> str:
    metavar = (param.metavar or param.name.upper()).replace("|", "\\|")
    if _is_argument(param):
        return f"`{metavar}`"
    value = "" if param.is_flag else f" {metavar}"
    return ", ".join(f"`{name}{value}`" for name in sorted(param.opts, key=len))


def _default(param: Any) -> str:
    shown = not param.is_flag if not _is_argument(param) else False
    if not shown or param.default is None or not param.show_default or callable(param.default):
        return ""
    return f" (default: {getattr(param.default, 'value', param.default)})"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
