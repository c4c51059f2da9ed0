"""Tables and panels that are printed once: an estimate, a summary, the batches, one batch, the failures.

All text that was not written here passes `plain` and becomes a `Text`, so that neither escape codes nor markup in a
word or a service's message is ever obeyed.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from floridify_batch.chunks import ChunkSize
from floridify_batch.estimates import SENSES_EXPECTED, Estimate, Expectation, components_of
from floridify_batch.run_view import RunView, count, dollars, megabytes, span, stamp, verdict

CHUNKS_SHOWN = 4
"""Chunks of an estimate that are listed one by one."""

TEXT_SHOWN = 400
"""Characters of a text from elsewhere that are looked at: no cell is wider."""

_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: colours, movements
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # strings: titles, links
    r"|\x1b[ -/]*[0-~]?"
)
_JOINERS = "\u200c\u200d"  # between letters of Persian and Hindi words; all other format characters only mislead


WIDE = 120
"""Columns from which there is room for more than the most needed."""


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


def plain(text: str) -> str:
    """Text from elsewhere as one line that can do nothing to a terminal."""
    kept = (_harmless(character) for character in _ESCAPE.sub("", text))
    return " ".join("".join(kept).split())


def _harmless(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return " " if category in ("Cc", "Zl", "Zp") else character


def cell(text: str, style: str = "") -> Text:
    """Text from elsewhere, for a cell that is cut with an ellipsis where it is too narrow."""
    return Text(plain(text[:TEXT_SHOWN]), style, no_wrap=True, overflow="ellipsis")


def shorten(text: str, cells: int) -> str:
    """An id cut in its middle, so that both of its ends can be recognised."""
    if cell_len(text) <= cells:
        return text
    head = (cells - 1) // 2
    tail = text[-cells:]
    while cell_len(tail) > cells - 1 - head:
        tail = tail[1:]
    return f"{set_cell_size(text, head).rstrip()}…{tail}"


def listing(*columns: str, right: Iterable[str] = (), wide: str | None = None, ruled: bool = True) -> Table:
    """A table with a line under its heads; numbers stand to the right, `wide` takes the room that is left."""
    table = Table(
        box=box.SIMPLE_HEAD if ruled else None,
        header_style="bold",
        border_style="dim",
        padding=(0, 1 if ruled else 2, 0, 0),
        pad_edge=False,
        show_edge=False,
        expand=wide is not None,
    )
    for name in columns:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if name == wide else None,
        )
    return table


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names with what they stand for, one below the other."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(plain(value)))
    return grid


def framed(content: RenderableType, title: str, style: str = "") -> Panel:
    """A panel as wide as it must be."""
    return Panel(
        content, title=Text(title, "bold"), title_align="left", box=box.ROUNDED, border_style=style, expand=False
    )


def estimate_panel(estimate: Estimate, *, immediate: bool, notes: Sequence[str] = ()) -> RenderableType:
    """What a run would ask and cost. What later waves add is an expectation, and marked as one."""
    parts: list[RenderableType] = [_estimated_words(estimate), Text(), _estimated_requests(estimate)]
    if estimate.total.requests:
        senses = f" ({SENSES_EXPECTED} senses for an unknown word)" if estimate.unknown else ""
        parts += [Text(f"* expected: later waves{senses}, and all tokens out", "dim")]
    parts += [Text(), _prices(estimate, immediate=immediate)]
    if estimate.cost(estimate.total, batch=False) is None:
        parts.append(Text(f"genai-prices does not know the price of {plain(estimate.model)}."))
    parts += [Text(), *_chunk_sizes(estimate)]
    parts += [Text(plain(note)) for note in notes]
    return framed(Group(*parts), f"Estimate · {plain(estimate.model)} · {'immediate' if immediate else 'batch'}")


def _estimated_words(estimate: Estimate) -> Text:
    return Text(
        f"{count(estimate.words)} words: {count(estimate.complete)} complete already, "
        f"{count(estimate.unknown)} without definitions"
    )


def _estimated_requests(estimate: Estimate) -> Table:
    heads = ("requests", "now", "later*", "tokens in", "tokens out")
    table = listing(*heads, right=heads[1:])
    for name in components_of(estimate):
        now, later = (part.get(name, Expectation()) for part in (estimate.now, estimate.later))
        both = now + later
        table.add_row(cell(name), *map(or_dash, (now.requests, later.requests, both.input_tokens, both.output_tokens)))
    table.add_section()
    now, both = estimate.total_now, estimate.total
    later_requests = both.requests - now.requests
    table.add_row("all", *map(count, (now.requests, later_requests, both.input_tokens, both.output_tokens)))
    return table


def or_dash(number: int) -> str:
    return count(number) if number else "-"


def _prices(estimate: Estimate, *, immediate: bool) -> Table:
    regular, batch = (estimate.cost(estimate.total, batch=mode) for mode in (False, True))
    if immediate:
        return facts([("regular price", dollars(regular))])
    saved = None if regular is None or batch is None else regular - batch
    share = f" ({saved / regular:.0%})" if saved is not None and regular else ""
    return facts(
        [
            ("regular price", dollars(regular)),
            ("batch price", dollars(batch)),
            ("savings", f"{dollars(saved)}{share}"),
        ]
    )


def _chunk_sizes(estimate: Estimate) -> Iterable[RenderableType]:
    heads = ("chunk", "requests", "words", "size")
    table = listing(*heads, right=heads)
    for number, size in enumerate(estimate.chunks[:CHUNKS_SHOWN], 1):
        table.add_row(count(number), count(size.requests), count(size.words), megabytes(size.bytes))
    if estimate.chunks:
        yield table
    rest = estimate.chunks[CHUNKS_SHOWN:]
    if rest:
        size = sum(rest, ChunkSize())
        words = f"{count(size.requests)} requests, {count(size.words)} words, {megabytes(size.bytes)}"
        yield Text(f"and {count(len(rest))} more: {words}", "dim")


def summary_panel(
    view: RunView, now: datetime, *, next_command: str | None = None, failures_command: str | None = None
) -> RenderableType:
    """The figures of the whole run and what to type next; its title says how the run stands."""
    totals, elapsed = view.totals, view.elapsed(now)
    words = f"{count(totals.processed)} processed, {count(totals.failed)} failed, {count(totals.open_words)} left"
    settled = f"{count(totals.answered)} answered, {count(totals.failed_requests)} failed"
    rows = [
        ("words", f"{count(totals.words)}: {words}"),
        ("requests", f"{count(totals.requests)}: {settled}, {count(totals.open_requests)} open"),
        ("tokens", f"{count(totals.usage.input)} in, {count(totals.usage.output)} out"),
        ("cost", dollars(totals.cost)),
    ]
    if elapsed is not None:
        rows.append(("this sitting", span(elapsed)))
    if view.failures:
        kinds = Counter(view.failures).most_common()
        rows.append(("failures", ", ".join(f"{count(number)} {kind}" for kind, number in kinds)))
    if view.dropped:
        rows.append(("left out", f"{count(view.dropped)} bad items of lists"))
    if failures_command and (totals.failed or totals.failed_requests):
        rows.append(("what failed", failures_command))
    if next_command:
        rows.append(("next", next_command))
    return framed(facts(rows), verdict(view))


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
