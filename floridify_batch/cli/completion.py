"""Shell completion of option values. It runs at every Tab, so heavy modules are imported only when needed.

A completion that fails prints nothing: an error message would appear in the middle of the line being typed.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import typer

type Completer = Callable[[typer.Context, str], list[str]]
"""Candidates for an incomplete value, given the options before it."""

CHECKPOINTS = "*.checkpoint.json"

WORDS_OFFERED = 200
"""Words of a list that are offered: a shell asks before it shows as many."""


def _silent(complete: Callable[[typer.Context, str], Iterable[str]]) -> Completer:
    """Return no candidates where completing raises an error."""

    def completed(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return [each for each in complete(ctx, incomplete) if each.startswith(incomplete)]
        except Exception:  # such as a damaged checkpoint or an unreadable folder
            return []

    return completed


@_silent
def components(_: typer.Context, incomplete: str) -> Iterator[str]:
    """The last name of a list of components, without those already in it."""
    from floridify_batch.components.registry import SynthesisComponent

    before, comma, _last = incomplete.rpartition(",")
    if not comma:
        yield from ("default", "all")
    yield from (f"{before}{comma}{each}" for each in SynthesisComponent if each not in before.split(","))


@_silent
def counts(_: typer.Context, _incomplete: str) -> Iterator[str]:
    """The components that have a count, up to the equals sign."""
    from floridify_batch.components.registry import RECIPES

    yield from (f"{component}=" for component, recipe in RECIPES.items() if recipe.count)


@_silent
def languages(_: typer.Context, _incomplete: str) -> Iterable[str]:
    """The languages that have a name here."""
    from floridify_batch.words.language import LANGUAGE_NAMES

    return LANGUAGE_NAMES


@_silent
def outputs(_: typer.Context, _incomplete: str) -> Iterable[str]:
    """The output formats of a run."""
    from floridify_batch.display.output import Output

    return map(str, Output)


@_silent
def formats(_: typer.Context, _incomplete: str) -> Iterable[str]:
    """The formats of an export."""
    from floridify_batch.export.format import Format

    return map(str, Format)


@_silent
def faults(_: typer.Context, _incomplete: str) -> Iterator[str]:
    """The faults of the sandbox, up to the equals sign."""
    from floridify_batch.sandbox.fault import HTTP, KINDS

    yield from ("http_500=", "http_429=", "http_0=")
    yield from (f"{kind.name}=" if kind.value else kind.name for kind in KINDS if not kind.name.startswith(HTTP))


@_silent
def checkpoints(_: typer.Context, incomplete: str) -> Iterator[str]:
    """The checkpoints of the current folder, or of the one in the incomplete path."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    yield from (f"{folder}{path.name}" for path in sorted(Path(folder).expanduser().glob(CHECKPOINTS)))


@_silent
def words(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """The words of the given checkpoint, or of all in the folder."""
    named = ctx.params.get("checkpoint")
    for path in [Path(named)] if named else sorted(Path().glob(CHECKPOINTS)):
        folder = path.with_name(path.name.removesuffix(".json") + ".files")
        with (folder / "words.txt").open(encoding="utf-8") as lines:
            found = (line.rstrip("\n") for line in lines if line.startswith(incomplete))
            yield from islice(found, WORDS_OFFERED)


@_silent
def models(_: typer.Context, _incomplete: str) -> Iterable[str]:
    """OpenAI's models with a known price that batches take."""
    from floridify_batch.components.model_profile import check_chat_model
    from floridify_batch.costs.price import listed_models
    from floridify_batch.errors import UsageError

    for name in sorted(listed_models()):
        try:
            check_chat_model(name)
        except UsageError:
            continue
        yield name


@_silent
def batches(ctx: typer.Context, _incomplete: str) -> Iterator[str]:
    """The batch IDs of the given checkpoint, or of all in the folder; the latest first."""
    yield from (chunk["batch_id"] for chunk in _chunks(ctx) if chunk.get("batch_id"))


@_silent
def batches_in_flight(ctx: typer.Context, _incomplete: str) -> Iterator[str]:
    """The IDs of those batches that can be cancelled."""
    yield from (chunk["batch_id"] for chunk in _chunks(ctx) if chunk["state"] == "SUBMITTED")


def _chunks(ctx: typer.Context) -> list[dict[str, Any]]:
    """The chunks of a checkpoint's file, without validation."""
    import json

    named = ctx.params.get("checkpoint")
    paths = [Path(named)] if named else sorted(Path().glob(CHECKPOINTS), key=lambda path: path.stat().st_mtime)
    chunks: list[dict[str, Any]] = [each for path in paths for each in json.loads(path.read_bytes())["chunks"]]
    return chunks[::-1]
