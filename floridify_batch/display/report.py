"""What a report says of a run: a frozen view, made of its ledger and of examples of its failures.

Figures stay figures here; the page words them. A cost that is not known is None, never nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePath

from floridify_batch.costs.usage import Usage, together
from floridify_batch.display.chart import Deed, ProgressPlot, Tick, TimeAxis, progress_plot
from floridify_batch.run.budget import other_rate_of
from floridify_batch.run.event import Totals
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.settings import RunSettings

WORDS_LISTED = 12
"""Failed words that are named; the rest is a number and a command."""


_MARGIN = 0.02
"""How much longer than the run the time axis is, so that the last step shows."""


class Look(StrEnum):
    """How a chunk stands, so far as somebody who looks at a picture wants to know."""

    STORED = "stored"
    LOST = "nothing answered"
    ANSWERED = "being read"
    FLYING = "in flight"
    READY = "ready to be sent"
    CUT = "cut again"

    @property
    def mark(self) -> str:
        """A sign for it, for whom colours say nothing."""
        return _MARKS[self]


_MARKS: Mapping[Look, str] = {
    Look.STORED: "✓",
    Look.LOST: "✕",
    Look.ANSWERED: "↓",
    Look.FLYING: "→",
    Look.READY: "○",
    Look.CUT: "÷",
}

_LOOKS: Mapping[ChunkState, Look] = {
    ChunkState.PLANNED: Look.READY,
    ChunkState.SUBMITTING: Look.READY,
    ChunkState.SUBMITTED: Look.FLYING,
    ChunkState.ANSWERED: Look.ANSWERED,
    ChunkState.STORED: Look.STORED,
    ChunkState.DONE: Look.STORED,
    ChunkState.SPLIT: Look.CUT,
    ChunkState.LOST: Look.LOST,
}


@dataclass(frozen=True, slots=True)
class Example:
    """One failure of its kind, in the words of whoever stated it; `word` is "" where the list is gone."""

    word: str
    component: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Requests that failed alike."""

    kind: str
    requests: int
    share: float
    example: Example | None


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """What became of a component's requests. `share`: of the largest one's cost, or of its tokens, in percent."""

    name: str
    answered: int
    failed: int
    usage: Usage
    cost: Decimal | None
    share: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A chunk on the time line: `left` and `width` in percent, None where it has not been sent."""

    record: ChunkRecord
    look: Look
    created: datetime | None
    completed: datetime | None
    left: float | None
    width: float
    failed_width: float


@dataclass(frozen=True, slots=True)
class Amount:
    """Money to be compared with other money; `low` and `high` where it is an expectation."""

    name: str
    dollars: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A run as its page shows it. Times are aware UTC, money US dollars.

    `paid`: for the answers of this run; `before`: what a checkpoint that was adopted had cost, which is in the totals.
    """

    run: str
    list_name: str
    checkpoint: str
    settings: RunSettings
    finished: bool
    totals: Totals
    began: datetime
    written: datetime
    settled: datetime | None
    paid: Decimal | None
    before: Decimal
    estimate: Amount | None
    other_mode: Amount
    components: tuple[ComponentLine, ...]
    by_tokens: bool
    reasons: tuple[Reason, ...]
    failed_words: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    times: tuple[Tick, ...]
    progress: ProgressPlot | None

    @property
    def more_failed_words(self) -> int:
        """Failed words that are not listed."""
        return self.totals.failed - len(self.failed_words)

    @property
    def divided(self) -> bool:
        """Whether the components are those of all answers: older checkpoints did not count them apart."""
        return sum(line.answered for line in self.components) == self.totals.answered

    @property
    def divided_cost(self) -> Decimal | None:
        """What the components cost together; None as soon as one of them has an unknown cost."""
        return together(line.cost for line in self.components)

    @property
    def looks(self) -> list[tuple[Look, int]]:
        """How many chunks stand how, in the order of the signs."""
        counted = Counter(bar.look for bar in self.bars)
        return [(look, counted[look]) for look in Look if counted[look]]


def report_of(ledger: Ledger, examples: Mapping[str, Example], checkpoint: str) -> Report:
    """The view of a run. `examples`: a failure of each kind, as far as there are any; `checkpoint`: its file's name."""
    totals, written = ledger.totals(), _written(ledger)
    axis = _axis(ledger)
    deeds = list(_deeds(ledger))
    components = _components(ledger)
    return Report(
        run=ledger.run.id,
        list_name=PurePath(ledger.run.settings.words_file).name,
        checkpoint=checkpoint,
        settings=ledger.run.settings,
        finished=ledger.finished,
        totals=totals,
        began=_moment(ledger.start_time),
        written=written,
        settled=max((deed.time for deed in deeds if not deed.asked), default=None),
        paid=None if totals.cost is None else totals.cost - ledger.carried_cost,
        before=ledger.carried_cost,
        estimate=_estimate(ledger),
        other_mode=_in_the_other_mode(ledger, totals),
        components=components,
        by_tokens=any(line.cost is None for line in components),
        reasons=_reasons(ledger, examples),
        failed_words=tuple(list(ledger.failed_words.items())[:WORDS_LISTED]),
        bars=tuple(_bar(record, axis, written) for record in ledger.chunks),
        times=tuple(axis.ticks()),
        progress=progress_plot(deeds, axis) if deeds else None,
    )


# ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _written(ledger: Ledger) -> datetime:
    return datetime.fromisoformat(ledger.timestamp) if ledger.timestamp else _moment(ledger.start_time)


def _axis(ledger: Ledger) -> TimeAxis:
    """From the start to the last settled request, or to the last word on a run that is under way, and a little more.

    The service's clock may be behind ours, and counts whole seconds.
    """
    times = [time for each in ledger.chunks for time in (each.created_at, _settled_at(each)) if time is not None]
    last = [] if ledger.finished else [_written(ledger).timestamp()]
    first, end = min([ledger.start_time, *times]), max([ledger.start_time, *times, *last])
    return TimeAxis(_moment(first), _moment(end + _MARGIN * (end - first)))


def _settled_at(record: ChunkRecord) -> float | None:
    """When the chunk's answers were stored; checkpoints of earlier versions know only when the batch was through."""
    return record.stored_at or record.completed_at


def _deeds(ledger: Ledger) -> Iterable[Deed]:
    for record in ledger.chunks:
        if record.created_at is None or _look(record) is Look.CUT:
            continue
        yield Deed(_moment(record.created_at), asked=record.requests)
        settled = _settled_at(record)
        if settled is not None and record.answered + record.failed:
            yield Deed(_moment(settled), answered=record.answered, failed=record.failed)


def _look(record: ChunkRecord) -> Look:
    if record.state is ChunkState.DONE and not record.answered:
        return Look.LOST if record.failed else Look.CUT
    return _LOOKS[record.state]


def _bar(record: ChunkRecord, axis: TimeAxis, now: datetime) -> Bar:
    created, completed = (None if time is None else _moment(time) for time in (record.created_at, record.completed_at))
    if created is None:
        return Bar(record, _look(record), None, completed, None, 0.0, 0.0)
    left = axis.at(created)
    width = max(0.0, axis.at(completed or now) - left)
    failed = width * record.failed / record.requests if record.requests else 0.0
    return Bar(record, _look(record), created, completed, left, width, min(width, failed))


# ── money ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _estimate(ledger: Ledger) -> Amount | None:
    forecast = ledger.estimate
    if forecast is None or forecast.expected is None:
        return None
    return Amount("estimated before the start", forecast.expected, forecast.low, forecast.high)


def _in_the_other_mode(ledger: Ledger, totals: Totals) -> Amount:
    """What the same answers would have cost, asked the other way."""
    settings = ledger.run.settings
    rate = other_rate_of(settings)
    name = "the same answers, in batches" if settings.immediate else "the same answers, asked at once"
    return Amount(name, rate.cost(totals.usage) if rate else None)


def _components(ledger: Ledger) -> tuple[ComponentLine, ...]:
    """The components by what they cost, the dearest first; by tokens where the price is unknown."""
    by_tokens = any(spent.cost is None for spent in ledger.spent.values())
    sizes = {
        name: Decimal(spent.usage.total) if by_tokens else spent.cost or Decimal(0)
        for name, spent in ledger.spent.items()
    }
    largest = max(sizes.values(), default=Decimal(0))
    return tuple(
        ComponentLine(name, spent.answered, spent.failed, spent.usage, spent.cost, _percent(sizes[name], largest))
        for name, spent in sorted(ledger.spent.items(), key=lambda item: (-sizes[item[0]], item[0]))
    )


def _percent(part: Decimal | int, whole: Decimal | int) -> float:
    return float(100 * part / whole) if whole else 0.0


# ── failures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _reasons(ledger: Ledger, examples: Mapping[str, Example]) -> tuple[Reason, ...]:
    counted = Counter(ledger.failures()).most_common()
    largest = max((requests for _, requests in counted), default=0)
    return tuple(Reason(kind, requests, _percent(requests, largest), examples.get(kind)) for kind, requests in counted)
