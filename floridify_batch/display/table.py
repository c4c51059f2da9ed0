"""Tables of batches, of failures and of recovered results, live or printed once, and the panel of one batch.

A column of a batch is defined once, here, for the live screen and for `status`.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from heapq import nlargest

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from floridify_batch.components.doubt import Doubt, Severity
from floridify_batch.components.failure import Failure
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.requests import parse_custom_id
from floridify_batch.costs.usage import together
from floridify_batch.database.trace import EMPTIED, ENTRIES, WORDS, UndoResult
from floridify_batch.display.text import (
    NARROW,
    WIDE,
    Bar,
    cell,
    facts,
    framed,
    lines_of,
    listing,
    or_dash,
    plain,
    shorten,
    whole,
    wrapped,
)
from floridify_batch.formatting import STATES, brief, count, counted, dollar_column, dollars, span, stamp
from floridify_batch.pipeline.change_derivation import Disposition
from floridify_batch.providers.interface import BatchJob
from floridify_batch.run.ledger import SETTLED
from floridify_batch.run.recovery import Recovered


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch of a run, as the live screen and `status` list it. `status` is the service's, `state` the ledger's."""

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
    """Details of one batch. `known`: whether it belongs to the checkpoint's run."""

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
    """A failed request as `failures` lists it; a word without a failed request has only its reason, in `detail`.

    `document`: the id of the definition or word that the request is about; `sense`: the text of that definition, "" for
    a word, None if unknown; `status`: the HTTP status; `packed`: the requests in the pack that carried it, 0 for one
    with a line of its own.
    """

    word: str
    component: str
    kind: str
    detail: str
    document: str | None = None
    custom_id: str | None = None
    status: int | None = None
    attempt: int | None = None
    sense: str | None = None
    packed: int = 0


# ── batches ────────────────────────────────────────────────────────────────────────────────────────────────────────

_GAP = 2
"""Columns of the terminal between two columns of a table."""

_ID, _SHORTEST_ID, _BAR, _SHORTEST_BAR = 38, 15, 24, 8


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the batch tables: its text for a row, and its least width."""

    text: Callable[[BatchRow, datetime], str]
    width: int = 0
    right: bool = True


def _state(row: BatchRow, _: datetime) -> str:
    status = row.status.replace("_", " ") if row.state == "SUBMITTED" else ""
    return status or STATES.get(row.state, row.state.replace("_", " ").lower())


def _expires(row: BatchRow, now: datetime) -> str:
    ended = row.total and row.done >= row.total
    if row.state != "SUBMITTED" or row.expires_at is None or ended:
        return "-"
    return brief(row.expires_at - now) if row.expires_at > now else "overdue"


_COLUMNS: Mapping[str, _Column] = {
    "batch": _Column(lambda row, _: count(row.chunk), 5),
    "id": _Column(lambda row, _: row.batch_id or "-", right=False),
    "state": _Column(_state, 11, right=False),
    "done": _Column(lambda row, _: f"{count(row.done)}/{count(row.total)}", 13),
    "failed": _Column(lambda row, _: or_dash(row.failed), 6),
    "words": _Column(lambda row, _: count(row.words)),
    "cost": _Column(lambda *_: "-"),  # of settled batches, the column adds up
    "age": _Column(lambda row, now: brief(now - row.created_at) if row.created_at else "-", 5),
    "expires": _Column(_expires, 7),
}

_STATUS = ("batch", "id", "state", "done", "failed", "words", "cost", "age", "expires")
_LIVE = ("batch", "id", "state", "", "done", "failed", "age", "expires")
"""The columns of each table; the live one has a bar in the column without a name."""

_AROUND = 5  # lines of a screen that are not rows: header, rule, totals, the shell's prompt
_FAILED = "failed: as reported by the service; once stored, requests without a usable answer"


def live_batches(rows: Sequence[BatchRow], now: datetime, width: int, *, ruled: bool) -> Table:
    """The batches of a live screen with a bar each; fixed widths keep the columns in place as figures grow."""
    left_out = {"age"} if width < WIDE else set()
    left_out |= {"id"} if width < NARROW else set()
    heads = [head for head in _LIVE if head not in left_out]
    widths = {head: _COLUMNS[head].width for head in heads if head}
    room = width - sum(widths.values()) - _GAP * (len(heads) - 1)
    longest = max(len(plain(row.batch_id or "")) for row in rows)
    widths[""] = max(_SHORTEST_BAR, min(_BAR, room - (_ID if "id" in heads else 0)))
    widths["id"] = min(room - widths[""], max(_SHORTEST_ID, longest))
    table = listing(*heads, right={head for head in heads if head and _COLUMNS[head].right}, ruled=ruled)
    for column, head in zip(table.columns, heads, strict=True):
        column.min_width = widths[head]
    for row in rows:
        table.add_row(*(_live_cell(row, head, now, widths[head]) for head in heads))
    return table


def _live_cell(row: BatchRow, head: str, now: datetime, width: int) -> Text | Bar:
    if not head:
        return Bar(row.done, row.total, width)
    text = _COLUMNS[head].text(row, now)
    return cell(shorten(plain(text), max(1, width)) if head == "id" else text)


def batches_table(rows: Sequence[BatchRow], now: datetime, width: int, height: int | None = None) -> RenderableType:
    """The batches of a run; on narrow screens, each id is on a separate line, so that it can be copied.

    If there are more than fit into `height` lines, the stored ones are summed up, except the latest.
    """
    if not rows:
        return Text("No batches yet.")
    roomy = width >= WIDE
    lines = 1 if roomy else 2
    shown, hidden = _latest(rows, len(rows) if height is None else max(4, (height - _AROUND) // lines))
    left_out = (set() if roomy else {"id"}) | ({"age"} if width < NARROW else set())
    heads = [head for head in _STATUS if head not in left_out]
    table = listing(*heads, right={head for head in heads if _COLUMNS[head].right})
    settled = [row for row in shown if row.state in SETTLED]
    rest = together(row.cost for row in hidden) if hidden else Decimal(0)
    *amounts, earlier = dollar_column([*(row.cost for row in settled), rest])
    costs = {row.chunk: amount for row, amount in zip(settled, amounts, strict=True)}
    for row in shown:
        texts = ((head, _COLUMNS[head].text(row, now)) for head in heads)
        table.add_row(*(cell(costs.get(row.chunk, text) if head == "cost" else text) for head, text in texts))
    parts: list[RenderableType] = [table if roomy else _Interleaved(table, [row.batch_id or "-" for row in shown])]
    if hidden:
        requests = counted(sum(row.total for row in hidden), "request")
        batches = counted(len(hidden), "earlier batch", "earlier batches")
        parts.append(Text(f"{batches} stored: {requests}, {earlier}", "dim"))
    if any(row.failed for row in shown):
        parts += [Text(line, "dim") for line in lines_of(_FAILED, width)]
    return Group(*parts)


def _latest(rows: Sequence[BatchRow], most: int) -> tuple[Sequence[BatchRow], Sequence[BatchRow]]:
    """Unfinished batches and the latest finished ones; and the rest."""
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
        """The header and its rule, then row by row."""
        head, rule, *rows = console.render_lines(self._table, options, pad=False)
        for line in (head, rule):
            yield from (*line, Segment.line())
        for line, text in zip(rows, self._below, strict=True):
            yield from (*line, Segment.line())
            yield Text(f"       {plain(text)}", "dim", no_wrap=True, overflow="ellipsis")


def batch_panel(batch: BatchFacts, now: datetime) -> RenderableType:
    """The details of one batch."""
    tokens = ("unknown" if each is None else count(each) for each in (batch.input_tokens, batch.output_tokens))
    progress = f"{count(batch.done)} of {count(batch.total)}, {count(batch.failed)} failed"
    rows = [
        ("status", batch.status.replace("_", " ")),
        ("done", progress if batch.total else "not counted yet"),
        ("created", f"{stamp(batch.created_at)}, {span(now - batch.created_at)} ago"),
        ("expires", stamp(batch.expires_at) if batch.expires_at else "unknown"),
        ("tokens", "{} input, {} output".format(*tokens)),
        ("cost", dollars(batch.cost)),
        ("model", batch.model or "unknown"),
        ("label", batch.label or "none"),
        *(("error", error) for error in batch.errors),
    ]
    if not batch.known:
        rows.append(("note", "This batch does not belong to this checkpoint."))
    return framed(facts(rows), plain(batch.id))


# ── failures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def failure_kinds(
    counts: Mapping[str, int],
    examples: Mapping[str, str],
    *,
    most: int | None = None,
    ruled: bool = True,
    cut: bool = True,
) -> Table:
    """The kinds of failures, the most frequent first, each with its number and an example, `cut` to one line."""
    table = listing("failed", "reason", "example", right=("failed",), wide="example", ruled=ruled)
    shown = cell if cut else whole
    if not cut:
        wrapped(table, 2)
    ordered = nlargest(len(counts) if most is None else most, counts.items(), key=lambda each: each[1])
    for kind, number in ordered:
        table.add_row(count(number), cell(kind or "-", "bold red"), shown(examples.get(kind, "-")))
    return table


def example_of(failure: Failure) -> str:
    """A failure in one line: the word and component of its request, and the service's message."""
    parts = parse_custom_id(failure.custom_id)
    request = f"{parts.slug} {parts.component}" if parts else failure.custom_id
    return f"{request}: {failure.detail}"


def _sense_of(row: FailureRow) -> str:
    """The text of a failure's sense; its document's id if the database was not available."""
    return (row.document if row.sense is None else row.sense) or "-"


def failures_shown(rows: Sequence[FailureRow], height: int | None) -> Sequence[FailureRow]:
    """The failures that are listed one by one: as many as fit into `height` lines, below their kinds."""
    return rows if height is None else rows[: max(4, height - len({row.kind for row in rows}) - _AROUND - 3)]


def failures_table(rows: Sequence[FailureRow], width: int, height: int | None = None) -> RenderableType:
    """Failures by kind with an example of each; then one by one, as many as fit into `height` lines.

    Texts continue on further lines; they are cut where the terminal has no room for that.
    """
    if not rows:
        return Text("No failures.")
    folded = _failures(rows, width, height, cut=False)
    if height is None:
        return folded
    lines = Console(width=width, file=io.StringIO()).render_lines(folded, pad=False)
    return folded if len(lines) <= height - _PROMPT else _failures(rows, width, height, cut=True)


_PROMPT = 3
"""Lines of the terminal below the failures: how to retry them, and the shell's prompt."""


def _failures(rows: Sequence[FailureRow], width: int, height: int | None, *, cut: bool) -> RenderableType:
    """The failures by kind and one by one, with texts `cut` to one line or on several."""
    examples = {row.kind: f"{row.word} {row.component}: {row.detail}" for row in reversed(rows)}
    kinds = failure_kinds(Counter(row.kind for row in rows), examples, cut=cut)
    shown = failures_shown(rows, height)
    senses = [_sense_of(row) for row in shown]
    about = width >= NARROW and any(row.sense for row in shown)
    about = about or (width >= WIDE and any(each != "-" for each in senses))
    table = listing("word", "component", *(["sense"] if about else []), "kind", "reason", wide="reason")
    table.columns[0].max_width = max(10, width // (6 if about else 4))
    if about:
        table.columns[2].max_width = max(12, width // 4)
    if not cut:
        wrapped(table, *range(len(table.columns)))
    for row, sense in zip(shown, senses, strict=True):
        table.add_row(
            *map(cell if cut else whole, (row.word, row.component, *([sense] if about else []), row.kind, row.detail))
        )
    parts: list[RenderableType] = [Text(counted(len(rows), "failure"), "bold"), kinds, Text(), table]
    if len(rows) > len(shown):
        parts.append(
            Text(f"and {count(len(rows) - len(shown))} more; redirect the output to a file to list all", "dim")
        )
    return Group(*parts)


# ── doubts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_SEVERITY_STYLES = {Severity.HIGH: "bold red", Severity.MEDIUM: "yellow", Severity.LOW: "dim"}


_VALUE_SHOWN = 300
"""Characters of a doubtful value that are shown: a damaged one may have a million."""


def doubts_table(rows: Sequence[tuple[str, Doubt]], width: int) -> Table:
    """The doubts about words in their order, with the sentence of each."""
    table = wrapped(listing("severity", "word", "sense", "component", "doubt", wide="doubt"), 4)
    for number, share in ((1, 6), (2, 6), (3, 5)):
        table.columns[number].max_width = max(10, width // share)
    for word, doubt in rows:
        severity = cell(str(doubt.severity), _SEVERITY_STYLES[doubt.severity])
        value = doubt.value if len(doubt.value) <= _VALUE_SHOWN else f"{doubt.value[:_VALUE_SHOWN]}…"
        sentence = whole(f"“{value}” {doubt.sentence}")
        table.add_row(severity, *map(cell, (word, doubt.sense or "-", doubt.component)), sentence)
    return table


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


# ── undo ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def undo_table(counts: Mapping[tuple[str, UndoResult], int]) -> Table:
    """The values and documents of a run that are removed, and those that stay, by component."""
    table = listing("written", "removed", "kept", right=("removed", "kept"))
    for name in (*SynthesisComponent, ENTRIES, EMPTIED, WORDS):
        removed = counts.get((name, UndoResult.REMOVED), 0)
        kept = sum(counts.get((name, each), 0) for each in UndoResult) - removed
        if removed or kept:
            table.add_row(*map(cell, (str(name), or_dash(removed), or_dash(kept))))
    return table
