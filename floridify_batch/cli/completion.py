"""What a shell completes: names and files that an option takes. It is asked at every Tab, so it imports nothing early.

A completion that fails says nothing: an error's text would stand in the middle of the line that somebody types.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

type Completer = Callable[[typer.Context, str], list[str]]
"""From the options so far and what was typed of this one, what it may become."""

CHECKPOINTS = "*.checkpoint.json"


def _silent(complete: Callable[[typer.Context, str], Iterable[str]]) -> Completer:
    """Complete to nothing where something is wrong."""

    def completed(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return [each for each in complete(ctx, incomplete) if each.startswith(incomplete)]
        except Exception:  # a damaged checkpoint, a folder that may not be read: no reason to disturb
            return []

    return completed


@_silent
def components(_: typer.Context, incomplete: str) -> Iterator[str]:
    """The last name of a list of components, without those that are there already."""
    from floridify_batch.components.recipe import SynthesisComponent

    before, comma, _last = incomplete.rpartition(",")
    if not comma:
        yield from ("default", "all")
    yield from (f"{before}{comma}{each}" for each in SynthesisComponent if each not in before.split(","))


@_silent
def counts(_: typer.Context, _incomplete: str) -> Iterator[str]:
    """The components that have a count, ready for the number."""
    from floridify_batch.components.definition_recipes import RECIPES

    yield from (f"{component}=" for component, recipe in RECIPES.items() if recipe.count)


@_silent
def languages(_: typer.Context, _incomplete: str) -> Iterable[str]:
    """The languages that we have a name for."""
    from floridify_batch.words.language import LANGUAGE_NAMES

    return LANGUAGE_NAMES


@_silent
def outputs(_: typer.Context, _incomplete: str) -> Iterable[str]:
    """How a run can be shown."""
    from floridify_batch.display.output import Output

    return map(str, Output)


@_silent
def faults(_: typer.Context, _incomplete: str) -> Iterator[str]:
    """What can go wrong in the sandbox, ready for its value."""
    from floridify_batch.sandbox.fault import HTTP, KINDS

    yield from ("http_500=", "http_429=", "http_0=")
    yield from (f"{kind.name}=" if kind.value else kind.name for kind in KINDS if not kind.name.startswith(HTTP))


@_silent
def checkpoints(_: typer.Context, incomplete: str) -> Iterator[str]:
    """The checkpoints of a folder: of this one, or of the one that was begun to be typed."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    yield from (f"{folder}{path.name}" for path in sorted(Path(folder).expanduser().glob(CHECKPOINTS)))


@_silent
def batches(ctx: typer.Context, _incomplete: str) -> Iterator[str]:
    """The batches of the checkpoint that was named, or of the folder's only one; the last one first."""
    yield from (chunk["batch_id"] for chunk in _chunks(ctx) if chunk.get("batch_id"))


@_silent
def batches_in_flight(ctx: typer.Context, _incomplete: str) -> Iterator[str]:
    """Those of them that can be cancelled."""
    yield from (chunk["batch_id"] for chunk in _chunks(ctx) if chunk["state"] == "SUBMITTED")


def _chunks(ctx: typer.Context) -> list[dict[str, Any]]:
    """The chunks of a checkpoint as its file has them: only its owner need know whether it is sound."""
    import json

    named = ctx.params.get("checkpoint")
    (path,) = [Path(named)] if named else Path().glob(CHECKPOINTS)
    chunks: list[dict[str, Any]] = json.loads(path.read_bytes())["chunks"]
    return chunks[::-1]
