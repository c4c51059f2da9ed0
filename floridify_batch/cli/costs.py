"""The `costs` command: the bill of a run so far."""

from floridify_batch.cli.context import checkpoint_or_only, ledger_of, name_of_run, say_if_sandbox
from floridify_batch.cli.options import JsonOption, OnlyCheckpointOption

CHUNKS_SHOWN = 20
"""Chunks listed one by one in a terminal; elsewhere, all are."""


def costs(checkpoint: OnlyCheckpointOption = None, json: JsonOption = False) -> None:
    """Show the cost of a run, compared with the estimate."""
    from rich.console import Console

    from floridify_batch.display.console import say, say_json
    from floridify_batch.display.cost_table import costs_panel
    from floridify_batch.display.json_output import costs_object
    from floridify_batch.run.bill import costs_of

    place = checkpoint_or_only(checkpoint)
    ledger = ledger_of(place)
    spent = costs_of(ledger)
    if json:
        say_json(costs_object(spent))
        return
    say(name_of_run(place, ledger))
    console = Console()
    console.print(costs_panel(spent, console.width, CHUNKS_SHOWN if console.is_terminal else None))
    say_if_sandbox(ledger)
