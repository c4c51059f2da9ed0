"""Tables and panels that are printed once: the batches, one batch, the failures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from floridify_batch.frames import WIDE, cell, facts, framed, listing, or_dash, plain
from floridify_batch.wording import count, dollars, span, stamp


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A chunk of a run, as `status` lists it."""

    chunk: int
    state: str
    batch_id: str | None = None
    status: str = ""
    done: int = 0
    total: int = 0
    failed: int = 0
    words: int = 0
    cost: Decimal | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What there is to say of one batch; `known` where a chunk of this run owns it."""

    id: str
    status: str
    total: int
    done: int
    failed: int
    created_at: datetime
    expires_at: datetime | None
    input_tokens: int | None
    output_tokens: int | None
    cost: Decimal | None
    model: str | None
    label: str | None
    errors: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A failure as the `failures` command lists it: the word, what was asked, of which kind it is, and more."""

    word: str
    component: str
    kind: str
    detail: str


def batches_table(rows: Sequence[BatchRow], now: datetime, width: int) -> RenderableType:
    """Every chunk of a run with its batch; ids are whole, so that they can be copied, and other columns give way."""
    heads: tuple[str, ...] = ("chunk", "batch", "state", "done", "expires")
    if width >= WIDE:
        heads += ("failed", "words", "cost", "age")
    table = listing(*heads, right={*heads} - {"batch", "state"})
    table.columns[1].min_width = max((len(row.batch_id or "") for row in rows), default=0)
    for row in rows:
        table.add_row(*(_batch_cell(row, head, now) for head in heads))
    return table if rows else Text("No chunk has been made yet.")


def _state(state: str) -> str:
    """A chunk's state in the words of the live tables: whether its words have gone on is nobody's concern."""
    return "stored" if state == "DONE" else state.lower()


def _batch_cell(row: BatchRow, head: str, now: datetime) -> Text:
    waits = row.expires_at is not None and row.state == "SUBMITTED"
    texts = {
        "chunk": count(row.chunk),
        "batch": row.batch_id or "-",
        "state": (row.status.replace("_", " ") if row.state == "SUBMITTED" else "") or _state(row.state),
        "done": f"{count(row.done)}/{count(row.total)}",
        "expires": span(row.expires_at - now) if waits and row.expires_at else "-",
        "failed": or_dash(row.failed),
        "words": count(row.words),
        "cost": dollars(row.cost) if row.state in ("STORED", "DONE") else "-",
        "age": span(now - row.created_at) if row.created_at else "-",
    }
    return cell(texts[head])


def batch_panel(batch: BatchFacts, now: datetime) -> RenderableType:
    """Everything that is known of one batch."""
    tokens = ("unknown" if each is None else count(each) for each in (batch.input_tokens, batch.output_tokens))
    progress = f"{count(batch.done)} of {count(batch.total)}, {count(batch.failed)} failed"
    rows = [
        ("status", batch.status.replace("_", " ")),
        ("done", progress if batch.total else "not counted yet"),
        ("created", f"{stamp(batch.created_at)}, {span(now - batch.created_at)} ago"),
        ("expires", stamp(batch.expires_at) if batch.expires_at else "unknown"),
        ("tokens", "{} in, {} out".format(*tokens)),
        ("cost", dollars(batch.cost)),
        ("model", batch.model or "unknown"),
        ("label", batch.label or "none"),
        *(("error", error) for error in batch.errors),
    ]
    if not batch.known:
        rows.append(("note", "No chunk of this checkpoint owns this batch."))
    return framed(facts(rows), plain(batch.id))


def failures_table(rows: Sequence[FailureRow], width: int) -> RenderableType:
    """Failures with their reasons, and how many there are of each kind."""
    if not rows:
        return Text("No failures.")
    table = listing("word", "component", "kind", "reason", wide="reason")
    table.columns[0].max_width = max(10, width // 4)
    for row in rows:
        table.add_row(*map(cell, (row.word, row.component, row.kind, row.detail)))
    kinds = Counter(row.kind for row in rows).most_common()
    grouped = ", ".join(f"{count(number)} {plain(kind)}" for kind, number in kinds)
    return Group(table, Text(), Text(f"{count(len(rows))} failures: {grouped}"))
