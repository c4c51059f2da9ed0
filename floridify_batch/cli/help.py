"""Layout of `--help`: one line per option with its group beside it, so that the help fits a screen.

A group is an option's `rich_help_panel`; frames around the groups would take more lines than a terminal has. A
command's epilog holds its examples, one per line.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import chain, groupby
from shutil import get_terminal_size
from textwrap import wrap as wrapped
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from floridify_batch.cli.context import ExitCode, has_colour

GROUPS = ("Content", "Location", "Cost", "Control", "Advanced", "Output")
"""The groups of options in their order; any other group follows them."""

ADVANCED = "Advanced"
"""The group of rare options, in place of which `--help` names the command that lists them."""

ALL_OPTIONS = "batch_synth.all_options"
"""Key in a context's `meta`: whether its help lists advanced options, too."""

_HIDDEN = ("install_completion", "show_completion", "help")
"""Options that only `help --all` lists, so that the commands fit a screen."""

_FEW = 3
"""Number of advanced options that are listed in any case."""

wrap = partial(wrapped, break_on_hyphens=False, break_long_words=False)

_LEAST = 26
"""Columns that a help text needs beside its option; where there are fewer, it goes below."""


@dataclass(frozen=True, slots=True)
class Row:
    """An option, argument or command with its help text."""

    group: str
    name: str
    text: str = ""


class HelpfulCommand(TyperCommand):
    """A command with this layout of its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help; the types of Typer's parameters have no public names."""
        rows = _options(self.get_params(ctx))
        if ctx.meta.get(ALL_OPTIONS):
            formatter.write(_screen(self, ctx, rows, list(self.reference())))
        else:
            formatter.write(_screen(self, ctx, _without_advanced(rows, ctx)))

    def reference(self) -> Iterable[Row]:
        """Rows below all options, such as the values of one of them."""
        return ()


class HelpfulGroup(TyperGroup):
    """The group of all commands, with the same layout."""

    def invoke(self, ctx: Any) -> Any:
        """Invoke a command; Ctrl-C before its run begins, or in a command without one, ends in a sentence."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
            raise typer.Exit(ExitCode.STOPPED) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help: the commands, then the options before a command."""
        commands = filter(None, (self.get_command(ctx, name) for name in self.list_commands(ctx)))
        hidden = () if ctx.meta.get(ALL_OPTIONS) else _HIDDEN
        params = (param for param in self.get_params(ctx) if param.name not in hidden)
        formatter.write(_screen(self, ctx, list(_commands(commands)), _options(params)))


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _commands(commands: Iterable[Any]) -> Iterator[Row]:
    for each in commands:
        if not each.hidden:
            yield Row(each.rich_help_panel or "Commands", each.name or "", each.short_help or each.help or "")


def _options(params: Iterable[Any]) -> list[Row]:
    """The rows of arguments and options, by group."""
    rows = [
        Row(getattr(param, "rich_help_panel", None) or "Options", _name(param), _text(param))
        for param in params
        if not getattr(param, "hidden", False)
    ]
    return sorted(rows, key=lambda row: GROUPS.index(row.group) if row.group in GROUPS else len(GROUPS))


def _without_advanced(rows: Sequence[Row], ctx: Any) -> list[Row]:
    """The rows with one in place of all advanced options, unless they are few."""
    advanced = [row for row in rows if row.group == ADVANCED]
    if len(advanced) <= _FEW:
        return list(rows)
    pointer = Row(ADVANCED, f"See: batch-synth help {ctx.info_name} --all")
    return [pointer if row == advanced[0] else row for row in rows if row not in advanced[1:]]


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return _metavar(param)
    names = ", ".join(sorted(param.opts, key=len))
    return names if param.is_flag else f"{names} {_metavar(param)}"


def _metavar(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _text(param: Any) -> str:
    """The help text of an option, with its default."""
    text, default = param.help or "", param.default
    shown = default.value if isinstance(default, Enum) else default
    if getattr(param, "is_flag", False) or shown is None or callable(shown) or not param.show_default:
        return str(text)
    return f"{text.removesuffix('.')} (default: {shown})."


# ── layout ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _screen(command: Any, ctx: Any, *sections: Sequence[Row]) -> str:
    """The whole help; without blank lines, and even without examples, where it would otherwise not fit the terminal."""
    columns, lines = get_terminal_size()
    examples = [Row("Examples", line) for line in (command.epilog or "").splitlines()]
    margin = max(len(row.group) for row in chain(examples, *sections)) + 2
    blocks = [block for section in (*sections, examples) for block in _blocks(section, margin, columns)]
    usage, about = _usage(command, ctx, columns), wrap(" ".join((command.help or "").split()), columns)
    height = len(usage) + len(about) + sum(map(len, blocks)) + len(blocks) + 2  # one for the prompt
    if sys.stdout.isatty() and height > lines:
        compact = [*usage, *about, "", *chain.from_iterable(blocks)]
        if len(compact) >= lines:
            compact.remove("")
        if len(compact) >= lines:
            compact = compact[: -sum(map(len, blocks[len(blocks) - bool(examples) :])) or None]
        return "\n".join(compact)
    return "\n\n".join("\n".join(block) for block in (usage, about, *blocks))


def _usage(command: Any, ctx: Any, columns: int) -> list[str]:
    """The usage line: required options and arguments."""
    needed = [
        _name(each).split(", ")[-1] for each in command.params if each.required and each.param_type_name == "option"
    ]
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    names = [_metavar(each) for each in arguments]
    named = [
        name if each.required or name.startswith("[") else f"[{name}]"
        for each, name in zip(arguments, names, strict=True)
    ]
    more = ["COMMAND [ARGS]..."] if isinstance(command, TyperGroup) else []
    return wrap(" ".join(["Usage:", ctx.command_path, *needed, "[OPTIONS]", *named, *more]), columns)


def _blocks(rows: Sequence[Row], margin: int, columns: int) -> Iterator[list[str]]:
    """The lines of each group, beside its name if there is space, else below it."""
    names = max((len(row.name) for row in rows if row.text), default=0) + 2
    least = _LEAST if any(row.text for row in rows) else -2
    for group, members in groupby(rows, key=lambda row: row.group):
        if columns - margin - names < least:
            yield [_styled(group, bold=True), *chain.from_iterable(_stacked(row, columns) for row in members)]
        else:
            lines = list(chain.from_iterable(_lines(row, names, columns - margin) for row in members))
            yield [_styled(f"{group:<{margin}}", bold=True) + lines[0], *(" " * margin + line for line in lines[1:])]


def _lines(row: Row, names: int, columns: int) -> list[str]:
    """A row with its help text beside its name."""
    if not row.text:
        return [row.name]
    first, *others = wrap(row.text, columns - names)
    name = _styled(row.name, fg="cyan") + " " * (names - len(row.name))
    return [name + first, *(" " * names + other for other in others)]


def _stacked(row: Row, columns: int) -> list[str]:
    """A row with its help text below its name; an example stays on one line, so that it can be copied."""
    if not row.text:
        return [f"  {row.name}"]
    below = wrap(row.text, columns, initial_indent="      ", subsequent_indent="      ")
    return [f"  {_styled(row.name, fg='cyan')}", *below]


def _styled(text: str, **style: Any) -> str:
    return typer.style(text, **style) if has_colour() else text
