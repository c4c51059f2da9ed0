"""The estimate before a run: requests, tokens, cost, batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from floridify_batch.costs.answer_length import Origin
from floridify_batch.costs.price import unknown_price
from floridify_batch.costs.usage import CACHED_FROM
from floridify_batch.display.text import NARROW, WIDE, cell, facts, framed, lines_of, listing, or_dash, plain
from floridify_batch.formatting import count, counted, dollar_column, dollar_range, dollars, megabytes
from floridify_batch.pipeline.chunk import ChunkSize
from floridify_batch.pipeline.estimate import Estimate, Expectation, components_of
from floridify_batch.words.language import language_name

BATCHES_SHOWN = 4
"""Batches of an estimate that are listed one by one."""

_MANY = 10_000_000
_SMALLEST_QUEUE = 2_000_000
"""Queued tokens that accounts of OpenAI's lowest usage tier may not have at once."""
_THOUSAND = 1000


class Caution(str):
    """A note of an estimate that comes first and is never folded: a warning, or where the answers go."""

    __slots__ = ()


def estimate_panel(
    estimate: Estimate,
    *,
    width: int = 80,
    max_cost: Decimal | None = None,
    spent: Decimal | None = None,
    notes: Sequence[str] = (),
    details: bool = False,
) -> RenderableType:
    """The requests and the cost of a run; figures that are estimated rather than counted are marked with their basis.

    With `details` component by component and batch by batch, else wave by wave, with as many notes as fit a terminal
    with the question below; warnings come first, and are always shown. `max_cost`: the cost limit, if any; `spent`: the
    cost of the run so far.
    """
    parts: list[RenderableType] = [_words(estimate), *_values(estimate)]
    money = _money(estimate, max_cost, spent or Decimal(0))
    if details:
        if estimate.total.requests:
            parts += [Text(), _requests(estimate, wide=width >= WIDE), *_remarks(estimate)]
        parts += [Text(), *money, Text(), *_chunk_sizes(estimate)]
    else:
        if estimate.total.requests:
            parts += [_waves(estimate, width), *_short_remarks(estimate), Text()]
        parts += [*money, *_batches(estimate)]
    mode = "flex" if estimate.flex else "immediate" if estimate.immediate else "batch"
    title = f"Estimate · {plain(estimate.model)} · {mode}"
    first = [note for note in notes if isinstance(note, Caution)]
    rest = [note for note in notes if not isinstance(note, Caution)]
    return _Panel(title, parts, [plain(note) for note in (*first, *rest)], len(first), folds=not details)


@dataclass(frozen=True, slots=True)
class _Panel:
    """A panel with notes at its end; in a terminal, notes for which it has no room are folded into their number.

    The first `warnings` of the notes are always shown.
    """

    title: str
    parts: Sequence[RenderableType]
    notes: Sequence[str]
    warnings: int
    folds: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Frame the parts and the notes."""
        notes = [*self.notes]
        if self.folds and console.is_terminal:
            inner = options.update(width=max(1, options.max_width - _FRAME))
            lines = len(console.render_lines(Group(*self.parts), inner, pad=False))
            room = options.max_height - lines - _AROUND
            notes = _fitting(notes, inner.max_width, room, max(1, self.warnings))
        yield framed(Group(*self.parts, *map(Text, notes)), self.title)


_FRAME, _AROUND = 4, 3  # columns of a frame; lines of a frame and of the question below it


def _fitting(notes: Sequence[str], width: int, room: int, least: int) -> list[str]:
    """The notes that fit into `room` lines, `least` in any case, and the number of the others."""
    lines = [len(lines_of(note, width)) for note in notes]
    if sum(lines) <= room:
        return [*notes]
    shown = max(least, next(number for number in range(len(notes), -1, -1) if sum(lines[:number]) < max(1, room)))
    rest = len(notes) - shown
    return [*notes[:shown], *([f"and {counted(rest, 'more note')}: add --details"] if rest else [])]


def _words(estimate: Estimate) -> Text:
    words = counted(estimate.words, "word")
    language = f"; language: {language_name(estimate.language)}" if estimate.language else ""
    unreadable = f", {count(estimate.unreadable)} cannot be read" if estimate.unreadable else ""
    known = f"{count(estimate.complete)} already complete, {count(estimate.unknown)} new{unreadable}"
    return Text(f"{words}: {known}{language}")


def _values(estimate: Estimate) -> Iterator[Text]:
    """The stored values that stay, and those that will be replaced."""
    if estimate.replaced:
        yield Text(f"{counted(estimate.replaced, 'stored value')} will be replaced")
    if estimate.edited:
        yield Text(
            f"{counted(estimate.edited, 'value')} edited by people or written by other programs: kept, not requested"
        )
    if estimate.unrecorded:
        values = counted(estimate.unrecorded, "value")
        yield Text(f"{values} of earlier versions, which did not record what they wrote: kept, not requested")
    if estimate.unclustered:
        entries = counted(estimate.unclustered, "entry", "entries")
        yield Text(f"{entries} with definitions that stay unclustered: synthesized before, or from later sources")
    if estimate.edited or estimate.unrecorded:
        yield Text("To replace these, too: --replace-edited", "dim")


# ── by wave ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _waves(estimate: Estimate, width: int) -> Table:
    """The requests of each wave, whose answers the next one needs."""
    heads = ("wave", "requests", *(("input tokens", "output tokens") if width >= NARROW else ()), "cost")
    table = listing(*heads, right=heads[1:])
    waves = [_wave(estimate, *wave) for wave in enumerate(estimate.wave_components(), 1)]
    costs = dollar_column(
        [_cost(estimate, parts, now=place < estimate.first_waves) for place, parts in enumerate(waves)]
    )
    if len(waves) > 1:
        for number, (name, parts, cost) in enumerate(zip(estimate.waves(), waves, costs, strict=True), 1):
            about = "~" * (number > estimate.first_waves)
            table.add_row(cell(f"{number} {name}"), *_wave_figures(parts, about, width), cost)
    whole, total = estimate.wholes(), dollars(_cost(estimate, estimate.wholes()))
    table.add_row("all", *_wave_figures(whole, "~" * (len(waves) > 1), width), total)
    return table


def _cost(estimate: Estimate, parts: Mapping[str, Expectation], *, now: bool = True) -> Decimal | None:
    """The expected cost of requests in the mode of the run, with their preflight if some are ready `now`."""
    cost = estimate.cost(parts, batch=estimate.discounted)
    return cost if cost is None or not now else cost + estimate.preflight_surcharge(parts)


def _wave(estimate: Estimate, number: int, components: Sequence[str]) -> Mapping[str, Expectation]:
    """The requests of a wave."""
    both = estimate.now if number <= estimate.first_waves else estimate.later
    return {each: both.get(each, Expectation()) for each in components}


def _wave_figures(parts: Mapping[str, Expectation], about: str, width: int) -> Sequence[str]:
    """The requests of a wave, and their tokens; `about` marks an estimated number."""
    wave = sum(parts.values(), Expectation())
    tokens = (_tokens(wave.input_tokens), _tokens(wave.output_tokens)) if width >= NARROW else ()
    return about + count(wave.requests), *tokens


def _short_remarks(estimate: Estimate) -> Iterator[Text]:
    """The basis of the figures in one sentence, and the pointer to the details."""
    lengths = {estimate.length(name).origin for name in components_of(estimate)} != {Origin.PRIOR}
    senses = estimate.senses.origin is not Origin.PRIOR
    if not estimate.of_senses:
        basis = f"Assumes {_MEASURED[lengths]} output lengths"
    elif senses and lengths:
        basis = f"Measured: {_senses(estimate)}, output lengths"
    else:
        basis = f"Assumes {_senses(estimate)}{' (measured)' * senses}, {_MEASURED[lengths]} output lengths"
    yield Text(f"{basis}; more with --details", "dim")
    yield from _cache_writes(estimate)


_MEASURED = {False: "typical", True: "measured"}


def _senses(estimate: Estimate) -> str:
    """The expected senses of a new word: "1.9 senses per new word"."""
    return f"{estimate.senses.expected:.2g} senses per new word"


def _batches(estimate: Estimate) -> Iterator[Text]:
    """The number of batches and waves, and the time that they may take."""
    if estimate.immediate or not estimate.chunks:
        return
    about = "about " if estimate.sampled else ""
    first = sum(estimate.chunks, ChunkSize())
    batches = f"{about}{counted(len(estimate.chunks), 'batch', 'batches')} ({megabytes(first.bytes)})"
    waves, limit = len(estimate.waves()), estimate.queue_limit
    first_of = f" in the first of {waves} waves" if waves > 1 else ""
    if limit and estimate.rounds > waves:
        yield Text(
            f"{batches}{first_of}; with {count(limit)} queued tokens at once, {count(estimate.rounds)} rounds: up to "
            f"{count(estimate.rounds)} days"
        )
    else:
        yield Text(f"{batches}{first_of}; up to 24 hours{' per wave' if waves > 1 else ''}")
    if limit is None and estimate.queued_tokens >= _SMALLEST_QUEUE:
        yield Text(
            f"{about}{count(estimate.queued_tokens)} queued input tokens; pass your account's limit with "
            "--max-queued-tokens to see how many days this takes",
            "dim",
        )
    if number := estimate.preflight_requests:
        yield Text(f"Preflight: {counted(number, 'request')} sent ahead of the first batch", "dim")


# ── by component ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _requests(estimate: Estimate, *, wide: bool) -> Table:
    heads = (
        "requests",
        "now",
        "later*",
        "input tokens",
        "output tokens†",
        *(("low", "high") if wide else ()),
        "cost",
    )
    table = listing(*heads, right=heads[1:])
    names = list(components_of(estimate))
    costs = dollar_column([_cost(estimate, {name: estimate.whole(name)}) for name in names])
    for name, cost in zip(names, costs, strict=True):
        table.add_row(cell(name), *_figures(estimate, [name], wide=wide), cost)
    table.add_section()
    total = dollars(_cost(estimate, estimate.wholes(names)))
    table.add_row("all", *_figures(estimate, names, wide=wide), total)
    return table


def _figures(estimate: Estimate, names: Sequence[str], *, wide: bool) -> Sequence[str]:
    """The requests of components, and their tokens."""
    now = sum((estimate.now.get(name, Expectation()).requests for name in names), 0)
    both = sum((estimate.whole(name) for name in names), Expectation())
    outputs = [estimate.output_of(name) for name in names]
    span = [_tokens(sum(each[which] for each in outputs)) for which in (0, 2)] if wide else []
    later = or_dash(both.requests - now)
    return or_dash(now), later, _tokens(both.input_tokens), _tokens(both.output_tokens), *span


def _tokens(number: int) -> str:
    """A number of tokens, abbreviated to keep its column narrow."""
    return count(number) if number < _MANY else f"{number / 10**6:,.1f} M"


def _remarks(estimate: Estimate) -> Iterator[Text]:
    if estimate.later:
        senses = f", assuming {_senses(estimate)}{_sense_basis(estimate)}" if estimate.of_senses else ""
        yield Text(f"* follow-up requests{senses}", "dim")
    yield from (Text(f"† {remark}", "dim") for remark in _basis_of(estimate))
    yield from _cache_writes(estimate)
    if number := estimate.preflight_requests:
        yield Text(
            f"Preflight: {counted(number, 'request')}, one per component, sent ahead of the first batch at the "
            f"standard price: {dollars(estimate.preflight_surcharge())} more (included)",
            "dim",
        )
    if estimate.sampled:
        total, sampled = estimate.total_now.input_tokens, estimate.sampled
        share = sampled.margin / total if total else 0.0
        yield Text(
            f"Input tokens of {count(sampled.requests)} requests are estimated from a random sample of "
            f"{count(sampled.words)} words: ± {share:.2%} of the first wave (95 % confidence)",
            "dim",
        )


def _sense_basis(estimate: Estimate) -> str:
    words = counted(estimate.senses.answers, "word")
    return f", the mean of {words} in this database" if estimate.senses.answers else " before any are measured"


def _cache_writes(estimate: Estimate) -> Iterator[Text]:
    """The components whose cost includes writes to the prompt cache, which the user's request options allow."""
    if long := [name for name in components_of(estimate) if estimate.writes_cache(name, estimate.whole(name))]:
        yield Text(
            f"Prompts of {', '.join(long)} have {count(CACHED_FROM)} or more tokens; the cost includes cache writes, "
            "which --request-option prompt_cache_options turns on."
        )


def _basis_of(estimate: Estimate) -> Iterator[str]:
    """The basis of the output lengths: billed answers, or the built-in table."""
    by_origin: dict[Origin, list[str]] = {}
    for name in components_of(estimate):
        by_origin.setdefault(estimate.length(name).origin, []).append(name)
    for origin in (Origin.RUN, Origin.DATABASE):
        if names := by_origin.get(origin):
            answers = sum(estimate.length(name).answers for name in names)
            which = "" if len(by_origin) == 1 else f" ({', '.join(names)})"
            yield f"measured on {counted(answers, 'answer')} of {origin}{which}"
    if names := by_origin.get(Origin.PRIOR):
        which = "" if len(by_origin) == 1 else f" ({', '.join(names)})"
        yield f"typical output length{which}; will be replaced by measured values"


# ── money ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _money(estimate: Estimate, max_cost: Decimal | None, spent: Decimal) -> Iterator[RenderableType]:
    regular, batch = (estimate.cost(estimate.wholes(), batch=mode) for mode in (False, True))
    if batch is not None:
        batch += estimate.preflight_surcharge()
    mine = batch if estimate.discounted else regular
    rows = _prices(estimate, regular, batch)
    asking = estimate.words - estimate.complete - estimate.unreadable
    if mine and asking:
        rows.append(("per 1,000 words", dollars(mine * _THOUSAND / asking)))
    if max_cost is not None:
        rows.append(("cost limit", _limit(estimate, max_cost, spent)))
    yield facts(rows)
    if unpriced := estimate.unpriced(batch=estimate.discounted):
        yield Text(
            f"{unknown_price(plain(unpriced), batch=estimate.discounted)} Set it in USD per million "
            "tokens: --price in=0.05,out=0.25"
        )


def _prices(estimate: Estimate, regular: Decimal | None, batch: Decimal | None) -> list[tuple[str, str]]:
    """The prices in one precision, so that the savings are the difference of the prices shown."""
    span = estimate.span()
    between = dollar_range(span.low, span.high) if span and span.high else ""
    senses = " and senses" if estimate.of_senses else ""
    likely = f" ({between}, by answer length{senses})" if between else ""
    if estimate.price is not None:
        mine = batch if estimate.discounted else regular
        return [("your price", f"{dollars(mine)}{likely}")]
    if not estimate.discounted or regular is None or batch is None:
        return [("regular price", f"{dollars(regular)}{likely}")]
    unit = Decimal("0.01") if regular >= 1 else Decimal("0.0001")
    shown, reduced = regular.quantize(unit), batch.quantize(unit)
    share = f" ({(regular - batch) / regular:.0%})" if regular else ""
    return [
        ("regular price", _rounded(shown, unit)),
        ("flex price" if estimate.flex else "batch price", f"{_rounded(reduced, unit)}{likely}"),
        ("savings", f"{_rounded(shown - reduced, unit)}{share}"),
    ]


def _rounded(amount: Decimal, unit: Decimal) -> str:
    return f"${amount:,}" if amount >= unit else dollars(amount)


def _limit(estimate: Estimate, max_cost: Decimal, spent: Decimal) -> str:
    span = estimate.span()
    if span is None or spent + span.expected <= max_cost:
        return f"{dollars(max_cost)}; nothing beyond it is sent"
    return f"{dollars(max_cost)}, below the estimate; the run will stop before finishing"


def _chunk_sizes(estimate: Estimate) -> Iterable[RenderableType]:
    heads = ("batch", "requests", "words", "size")
    table = listing(*heads, right=heads)
    about = "about " if estimate.sampled else ""
    for number, size in enumerate(estimate.chunks[:BATCHES_SHOWN], 1):
        table.add_row(count(number), count(size.requests), count(size.words), megabytes(size.bytes))
    if estimate.chunks:
        yield table
    rest = estimate.chunks[BATCHES_SHOWN:]
    if rest:
        size = sum(rest, ChunkSize())
        words = f"{count(size.requests)} requests, {count(size.words)} words, {about}{megabytes(size.bytes)}"
        yield Text(f"and {about}{count(len(rest))} more: {words}", "dim")
