"""The `sandbox` command: run a local server that simulates OpenAI's API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from floridify_batch.cli.completion import faults
from floridify_batch.cli.help import Row
from floridify_batch.cli.project_file import ProjectCommand


class SandboxCommand(ProjectCommand):
    """The command whose full help lists the faults of the sandbox."""

    def reference(self) -> Iterator[Row]:
        """The faults, each with its effect."""
        from floridify_batch.sandbox.fault import KINDS

        yield from (Row("Faults", kind.example, kind.effect) for kind in KINDS)
        yield Row("Faults", "NAME=VALUE@N", "only in the first N batches or requests")


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 picks a free one.")] = 8787,
    data: Annotated[Path, typer.Option(metavar="DIR", help="Data folder.")] = Path("batch-synth-sandbox"),
    seconds: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Duration of a batch in seconds.")] = 10.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Inject a fault (help sandbox --all); repeatable.", autocompletion=faults
        ),
    ] = None,
    answers_from: Annotated[
        str | None, typer.Option(metavar="URL", help="Get the answers from this API.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of answers and faults.")] = 0,
) -> None:
    """Run a local server that simulates OpenAI's API."""
    from floridify_batch.display.console import say
    from floridify_batch.sandbox.process import serve
    from floridify_batch.sandbox.sandbox_settings import SandboxSettings

    settings = SandboxSettings(
        data=data,
        port=port,
        running_seconds=seconds,
        faults=tuple(fault or ()),
        seed=seed,
        answers_from=answers_from or "",
    )
    serve(settings, listening=lambda url: say(f"Sandbox at {url} (any API key works). Ctrl-C stops it."))
