"""Tables and panels that are printed once: the batches, one batch, the failures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from floridify_batch.costs.usage import together
from floridify_batch.display.text import WIDE, cell, facts, framed, lines_of, listing, or_dash, plain
from floridify_batch.formatting import STATES, brief, count, counted, dollars, span, stamp
from floridify_batch.run.ledger import SETTLED


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
    """A failure as the `failures` command lists it: the word, what was asked, of which kind it is, and more.

    `document` is the id of the definition, or of the word, that was asked about; `status` is of HTTP.
    """

    word: str
    component: str
    kind: str
    detail: str
    document: str | None = None
    custom_id: str | None = None
    status: int | None = None
    attempt: int | None = None


_AROUND = 5  # lines of a screen that are not rows: heads, rules, what is summed up, the shell's own line
_HEADS = ("chunk", "batch", "state", "done", "failed", "words", "cost", "age", "expires")
_FAILED = "failed: by the service's count until stored, then all without a usable answer"


def batches_table(rows: Sequence[BatchRow], now: datetime, width: int, height: int | None = None) -> RenderableType:
    """The chunks of a run with their batches; ids are whole, so that they can be copied, on lines of their own.

    Of more than fit into `height` lines, those that are stored are summed up, but for the last ones.
    """
    if not rows:
        return Text("No chunk has been made yet.")
    roomy = width >= WIDE
    lines = 1 if roomy else 2
    shown, hidden = _latest(rows, len(rows) if height is None else max(4, (height - _AROUND) // lines))
    heads = [head for head in _HEADS if roomy or head != "batch"]
    table = listing(*heads, right={*heads} - {"batch", "state"})
    for row in shown:
        texts = _batch_texts(row, now)
        table.add_row(*(cell(texts[head]) for head in heads))
    parts: list[RenderableType] = [table if roomy else _Interleaved(table, [row.batch_id or "-" for row in shown])]
    if hidden:
        requests = counted(sum(row.total for row in hidden), "request")
        cost = dollars(together(row.cost for row in hidden))
        parts.append(Text(f"and {counted(len(hidden), 'stored chunk')} before: {requests}, {cost}", "dim"))
    if any(row.failed for row in shown):
        parts += [Text(line, "dim") for line in lines_of(_FAILED, width)]
    return Group(*parts)


def _latest(rows: Sequence[BatchRow], most: int) -> tuple[Sequence[BatchRow], Sequence[BatchRow]]:
    """Those that have something before them and the last of the others; and the rest."""
    settled = [row for row in rows if row.state in SETTLED]
    hidden = settled[: max(0, len(rows) - most)]
    gone = {row.chunk for row in hidden}
    return [row for row in rows if row.chunk not in gone], hidden


class _Interleaved:
    """A table with a line of text below each of its rows."""

    def __init__(self, table: Table, below: Sequence[str]) -> None:
        self._table = table
        self._below = below

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The heads and their rule, then row by row."""
        head, rule, *rows = console.render_lines(self._table, options, pad=False)
        for line in (head, rule):
            yield from (*line, Segment.line())
        for line, text in zip(rows, self._below, strict=True):
            yield from (*line, Segment.line())
            yield Text(f"       {plain(text)}", "dim", no_wrap=True, overflow="ellipsis")


def _batch_texts(row: BatchRow, now: datetime) -> Mapping[str, str]:
    waits = row.expires_at is not None and row.state == "SUBMITTED"
    state = row.status.replace("_", " ") if row.state == "SUBMITTED" else ""
    return {
        "chunk": count(row.chunk),
        "batch": row.batch_id or "-",
        "state": state or STATES.get(row.state, row.state.lower()),
        "done": f"{count(row.done)}/{count(row.total)}",
        "expires": brief(row.expires_at - now) if waits and row.expires_at else "-",
        "failed": or_dash(row.failed),
        "words": count(row.words),
        "cost": dollars(row.cost) if row.state in SETTLED else "-",
        "age": brief(now - row.created_at) if row.created_at else "-",
    }


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


def failures_table(rows: Sequence[FailureRow], width: int, height: int | None = None) -> RenderableType:
    """Failures by kind, how many there are and one of each; then one by one, as many as fit into `height` lines."""
    if not rows:
        return Text("No failures.")
    first = {row.kind: row for row in reversed(rows)}
    kinds = listing("failed", "why", "for example", right=("failed",), wide="for example")
    for kind, number in Counter(row.kind for row in rows).most_common():
        example = first[kind]
        kinds.add_row(
            count(number), cell(kind or "-", "bold red"), cell(f"{example.word} {example.component}: {example.detail}")
        )
    most = None if height is None else max(4, height - len(first) - _AROUND - 3)
    about = width >= WIDE
    table = listing("word", "component", *(["asked about"] if about else []), "kind", "reason", wide="reason")
    table.columns[0].max_width = max(10, width // 4)
    for row in rows[:most]:
        ids = [row.document or "-"] if about else []
        table.add_row(*map(cell, (row.word, row.component, *ids, row.kind, row.detail)))
    parts: list[RenderableType] = [Text(counted(len(rows), "failure"), "bold"), kinds, Text(), table]
    if most is not None and len(rows) > most:
        parts.append(Text(f"and {count(len(rows) - most)} more; send the output to a file for all of them", "dim"))
    return Group(*parts)
