"""Panels about money: what a run would cost."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from floridify_batch.chunks import ChunkSize
from floridify_batch.estimates import SENSES_EXPECTED, Estimate, Expectation, components_of
from floridify_batch.frames import cell, facts, framed, listing, or_dash, plain
from floridify_batch.wording import count, dollars, megabytes

CHUNKS_SHOWN = 4
"""Chunks of an estimate that are listed one by one."""


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
