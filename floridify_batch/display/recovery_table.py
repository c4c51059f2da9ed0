"""Tables of `recover`: the batches found at the service, and what became of their requests."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from rich.console import RenderableType

from floridify_batch.display.text import cell, facts, framed, listing
from floridify_batch.formatting import brief, count, counted, dollars
from floridify_batch.pipeline.change_derivation import Disposition
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.recovery import Recovered

_OUTCOMES: Sequence[tuple[str, Callable[[Recovered], int]]] = (
    ("stored now", lambda recovered: recovered.dispositions[Disposition.FRESH]),
    ("already stored", lambda recovered: recovered.dispositions[Disposition.STORED]),
    (
        "newer value kept",
        lambda recovered: recovered.dispositions[Disposition.NEWER] + recovered.dispositions[Disposition.KEPT],
    ),
    (
        "target changed or gone",
        lambda recovered: recovered.dispositions[Disposition.CHANGED] + recovered.dispositions[Disposition.ORPHANED],
    ),
    ("of another database", lambda recovered: recovered.elsewhere),
    ("without an answer", lambda recovered: recovered.failures.total() - unstored(recovered)),
)


def unstored(recovered: Recovered) -> int:
    """The valid answers that were not stored."""
    return sum(recovered.dispositions[each] for each in (Disposition.CHANGED, Disposition.ORPHANED))


def found_batches(
    found: Sequence[BatchJob], wanted: Sequence[BatchJob], begun: set[str], now: datetime
) -> Iterator[RenderableType]:
    """A table per run of the batches found; IDs are whole, so that they can be copied.

    `wanted` are those that will be stored, `begun` the IDs of those with stored answers.
    """
    for run in dict.fromkeys(batch.run for batch in found):
        own = [batch for batch in found if batch.run == run]
        yield cell(f"Run {run}: {counted(len(own), 'batch', 'batches')}", "bold")
        table = listing("batch", "status", "done", "age", "stored here", right=("done", "age"))
        table.columns[0].min_width = max(len(batch.id) for batch in own)
        for batch in own:
            stored = "some" if batch.id in begun else "nothing"
            done = f"{count(batch.done)}/{count(batch.total)}"
            status, age = batch.status.replace("_", " "), brief(now - batch.created_at)
            table.add_row(*map(cell, (batch.id, status, done, age, stored if batch in wanted else "duplicate")))
        yield table


def outcome_of(recovered: Recovered) -> str:
    """Return the results of a batch's requests in one line."""
    parts = (f"{count(of(recovered))} {name}" for name, of in _OUTCOMES if of(recovered))
    return f"{counted(recovered.requests, 'request')}: {', '.join(parts) or 'none'}; cost {dollars(recovered.cost)}"


def recovered_panel(batches: int, unreadable: int, recovered: Recovered) -> RenderableType:
    """The summary of all batches."""
    missing = Counter(recovered.missing.values())
    reasons = ", ".join(f"{count(number)} {kind}" for kind, number in missing.most_common())
    rows = [
        ("batches", count(batches)),
        *([("not readable", counted(unreadable, "batch", "batches"))] if unreadable else []),
        ("requests", count(recovered.requests)),
        *((name, count(of(recovered))) for name, of in _OUTCOMES),
        ("still missing", f"{count(missing.total())} ({reasons})" if reasons else "none"),
        ("cost", dollars(recovered.cost)),
    ]
    return framed(facts(rows), "Recovered")
