"""The data of a run's report, computed from its ledger and examples of its failures.

Values only; the page formats them. An unknown cost is None, never zero.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePath

from floridify_batch.costs.usage import Usage, together
from floridify_batch.database.value_count import ValueCounts
from floridify_batch.display.chart import ProgressPlot, Step, Tick, TimeAxis, progress_plot
from floridify_batch.run.bill import one_by_one_cost
from floridify_batch.run.budget import cost_in_other_mode
from floridify_batch.run.event import Totals
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.run_settings import RunSettings

WORDS_LISTED = 12
"""Failed words that are listed; the rest is a number and a command."""

_MARGIN = 0.02
"""Extra length of the time axis, so that the last step is visible."""


class BatchStatus(StrEnum):
    """The status of a batch in the charts."""

    STORED = "stored"
    LOST = "no answers"
    ANSWERED = "processing"
    IN_FLIGHT = "in flight"
    READY = "ready"
    SPLIT = "split"

    @property
    def mark(self) -> str:
        """A symbol, for readers who cannot distinguish the colours."""
        return _MARKS[self]


_MARKS: Mapping[BatchStatus, str] = {
    BatchStatus.STORED: "✓",
    BatchStatus.LOST: "✕",
    BatchStatus.ANSWERED: "↓",
    BatchStatus.IN_FLIGHT: "→",
    BatchStatus.READY: "○",
    BatchStatus.SPLIT: "÷",
}

_STATUSES: Mapping[ChunkState, BatchStatus] = {
    ChunkState.PLANNED: BatchStatus.READY,
    ChunkState.SUBMITTING: BatchStatus.READY,
    ChunkState.SUBMITTED: BatchStatus.IN_FLIGHT,
    ChunkState.ANSWERED: BatchStatus.ANSWERED,
    ChunkState.STORED: BatchStatus.STORED,
    ChunkState.DONE: BatchStatus.STORED,
    ChunkState.SPLIT: BatchStatus.SPLIT,
    ChunkState.LOST: BatchStatus.LOST,
}


@dataclass(frozen=True, slots=True)
class Example:
    """An example of a kind of failure; `word` is "" without the word list."""

    word: str
    component: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reason:
    """The failures of one kind."""

    kind: str
    requests: int
    share: float
    example: Example | None


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """The outcome of a component's requests. `share`: its cost, or tokens, in percent of the largest one's."""

    name: str
    answered: int
    failed: int
    usage: Usage
    cost: Decimal | None
    share: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A batch on the timeline: `left` and `width` in percent; `left` is None if it has not been submitted."""

    record: ChunkRecord
    status: BatchStatus
    created: datetime | None
    completed: datetime | None
    left: float | None
    width: float
    failed_width: float


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in the comparison of costs; an estimate has `low` and `high`."""

    name: str
    dollars: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A run as the page shows it. Times are aware UTC, amounts US dollars.

    `paid`: the cost of this run; `before`: the cost of an adopted checkpoint, which the totals include.
    """

    run: str
    list_name: str
    checkpoint: str
    settings: RunSettings
    finished: bool
    totals: Totals
    started: datetime
    written: datetime
    settled: datetime | None
    paid: Decimal | None
    before: Decimal
    estimate: Amount | None
    other_mode: Amount
    one_by_one: Amount
    components: tuple[ComponentLine, ...]
    by_tokens: bool
    reasons: tuple[Reason, ...]
    failed_words: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]
    times: tuple[Tick, ...]
    progress: ProgressPlot | None
    values: ValueCounts | None = None
    """The stored values of the run's words; None unless the database was read."""

    @property
    def more_failed_words(self) -> int:
        """The number of incomplete and failed words that are not listed."""
        return self.totals.incomplete + self.totals.failed - len(self.failed_words)

    @property
    def divided(self) -> bool:
        """Whether the components cover all answers: older checkpoints did not count them separately."""
        return sum(line.answered for line in self.components) == self.totals.answered

    @property
    def divided_cost(self) -> Decimal | None:
        """The total cost of the components; None if one is unknown."""
        return together(line.cost for line in self.components)

    @property
    def statuses(self) -> list[tuple[BatchStatus, int]]:
        """The number of batches in each status."""
        counted = Counter(bar.status for bar in self.bars)
        return [(status, counted[status]) for status in BatchStatus if counted[status]]


def report_of(
    ledger: Ledger, examples: Mapping[str, Example], checkpoint: str, values: ValueCounts | None = None
) -> Report:
    """The report of a run. `examples`: a failure of each kind; `checkpoint`: its file name; `values`: stored ones."""
    totals, written = ledger.totals(), _written(ledger)
    axis = _axis(ledger)
    steps = list(_steps(ledger))
    components = _components(ledger)
    return Report(
        run=ledger.run.id,
        list_name=PurePath(ledger.run.settings.words_file).name,
        checkpoint=checkpoint,
        settings=ledger.run.settings,
        finished=ledger.finished,
        totals=totals,
        started=_timestamp(ledger.start_time),
        written=written,
        settled=max((step.time for step in steps if not step.sent), default=None),
        paid=None if totals.cost is None else totals.cost - ledger.carried_cost,
        before=ledger.carried_cost,
        estimate=_estimate(ledger),
        other_mode=_other_mode(ledger),
        one_by_one=Amount("one by one at the standard rate, full answers (expected)", one_by_one_cost(ledger)),
        components=components,
        by_tokens=any(line.cost is None for line in components),
        reasons=_reasons(ledger, examples),
        failed_words=tuple(list(ledger.missing.items())[:WORDS_LISTED]),
        bars=tuple(_bar(record, axis, written) for record in ledger.chunks),
        times=tuple(axis.ticks()),
        progress=progress_plot(steps, axis) if steps else None,
        values=values,
    )


# ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _timestamp(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _written(ledger: Ledger) -> datetime:
    return datetime.fromisoformat(ledger.timestamp) if ledger.timestamp else _timestamp(ledger.start_time)


def _axis(ledger: Ledger) -> TimeAxis:
    """From the start to the last stored result, or to the last save of a run in progress, plus a margin.

    The service's clock may be behind ours, and counts whole seconds.
    """
    times = [time for each in ledger.chunks for time in (each.created_at, _settled_at(each)) if time is not None]
    last = [] if ledger.finished else [_written(ledger).timestamp()]
    first, end = min([ledger.start_time, *times]), max([ledger.start_time, *times, *last])
    return TimeAxis(_timestamp(first), _timestamp(end + _MARGIN * (end - first)))


def _settled_at(record: ChunkRecord) -> float | None:
    """Return the time at which the results were stored; older checkpoints only have that of the batch's completion."""
    return record.stored_at or record.completed_at


def _steps(ledger: Ledger) -> Iterable[Step]:
    """The requests over time, each counted once: a retry is not sent again, and a retried failure is no failure."""
    records = [
        each for each in ledger.chunks if each.created_at is not None and _status_of(each) is not BatchStatus.SPLIT
    ]
    retried = _taken([each.failed for each in records], ledger.totals().retried)
    first = [each.requests - each.retried for each in records]
    reopened = _taken(first[::-1], ledger.reopened_failures)[::-1]  # requested again as new requests, by the last ones
    for record, again, sent, repeated in zip(records, retried, first, reopened, strict=True):
        if sent > repeated:
            yield Step(_timestamp(record.created_at or 0), sent=sent - repeated)
        settled = _settled_at(record)
        if settled is not None and record.answered + record.failed:
            yield Step(_timestamp(settled), answered=record.answered, failed=record.failed - again)


def _taken(sizes: Iterable[int], amount: int) -> list[int]:
    """The shares of an amount, each at most its size, the first ones first."""
    shares = []
    for size in sizes:
        shares.append(min(size, amount))
        amount -= shares[-1]
    return shares


def _status_of(record: ChunkRecord) -> BatchStatus:
    if record.state is ChunkState.DONE and not record.answered:
        return BatchStatus.LOST if record.failed else BatchStatus.SPLIT
    return _STATUSES[record.state]


def _bar(record: ChunkRecord, axis: TimeAxis, now: datetime) -> Bar:
    times = (record.created_at, record.completed_at)
    created, completed = (None if time is None else _timestamp(time) for time in times)
    if created is None:
        return Bar(record, _status_of(record), None, completed, None, 0.0, 0.0)
    left = axis.at(created)
    width = max(0.0, axis.at(completed or now) - left)
    failed = width * record.failed / record.requests if record.requests else 0.0
    return Bar(record, _status_of(record), created, completed, left, width, min(width, failed))


# ── money ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _estimate(ledger: Ledger) -> Amount | None:
    forecast = ledger.estimate
    if forecast is None or forecast.expected is None:
        return None
    return Amount("estimate", forecast.expected, forecast.low, forecast.high)


def _other_mode(ledger: Ledger) -> Amount:
    """The cost of the same requests in the other mode."""
    discounted = ledger.run.settings.discounted
    name = "same requests at the standard rate" if discounted else "same requests at the batch rate"
    return Amount(name, cost_in_other_mode(ledger))


def _components(ledger: Ledger) -> tuple[ComponentLine, ...]:
    """The components by cost, the most expensive first; by tokens if the price is unknown."""
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
