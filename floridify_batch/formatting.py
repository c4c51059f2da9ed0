"""Formatting for people: money, counts, rates, sizes, durations, times, and the next command to type."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from shlex import quote

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_ENOUGH = 10  # from here on, the next smaller unit is noise
_CENT, _LEAST = Decimal("0.01"), Decimal("0.0001")


STATES = {
    "PLANNED": "ready",
    "SUBMITTING": "submitting",
    "SUBMITTED": "submitted",
    "ANSWERED": "processing",
    "STORED": "stored",
    "DONE": "stored",  # the difference matters to the driver only
    "SPLIT": "split",
    "LOST": "lost",
}
"""Names of a chunk's states on the screen."""


def dollars(amount: Decimal | None) -> str:
    """US dollars: to the cent from $1, to $0.0001 below; a positive amount never reads as zero."""
    if amount is None:
        return "unknown"
    if amount < 0:
        return f"-{dollars(-amount)}"
    if 0 < amount < _LEAST:
        return f"<${_LEAST}"
    return f"${amount:,.4f}" if 0 < amount < 1 else f"${amount.quantize(_CENT):,}"


def dollar_column(amounts: Sequence[Decimal | None]) -> list[str]:
    """US dollars in one precision, rounded so that they add up to their rounded sum; a positive amount never reads as
    zero.
    """
    known = [each or Decimal(0) for each in amounts]
    unit = _CENT if sum(known) >= 1 else _LEAST
    whole = [each // unit for each in known]
    missing = int((sum(known) / unit).quantize(Decimal(1)) - sum(whole)) if sum(known) >= unit else 0
    largest = sorted(range(len(known)), key=lambda place: (known[place] / unit) % 1, reverse=True)
    for place in largest[:missing]:
        whole[place] += 1
    return [
        dollars(amount) if not amount else f"${number * unit:,}" if number else f"<${unit}"
        for amount, number in zip(amounts, whole, strict=True)
    ]


def dollar_range(low: Decimal | None, high: Decimal | None) -> str:
    """Two amounts as a range; empty where they do not differ as they are shown."""
    first, last = dollars(low), dollars(high)
    return f"{first}-{last}" if first != last else ""


def exact(amount: Decimal) -> str:
    """A decimal number for programs: all digits, no exponent."""
    return format(amount, "f")


def count(number: int) -> str:
    """A number with thousands separators."""
    return f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, singular or plural: "1 word", "2,000 words"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(rate: float) -> str:
    """A percentage with one decimal; 100 % only if it is."""
    return f"{min(rate, 0.999) if rate < 1 else 1:.1%}"


def share(done: int, total: int) -> str:
    """Progress in whole percent, 100 % only if it is; "-" where the total is unknown."""
    return f"{min(done, total) * 100 // total}%" if total else "-"


def megabytes(size: int) -> str:
    """A size in kB or MB (powers of ten, as in the service's limits)."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"  # noqa: PLR2004


def progress(done: int, total: int, unit: str) -> str:
    """Progress with its unit: "62.0 of 150.0 MB", "400 of 2,000 words"; without the total where that is unknown."""
    if unit == "bytes":
        size = megabytes(max(done, total))
        scale, name = (1e6, "MB") if size.endswith("MB") else (1e3, "kB")
        return f"{done / scale:,.1f} of {total / scale:,.1f} {name}" if total else size
    return f"{done:,} of {total:,} {unit}" if total else f"{done:,} {unit}"


def span(time: timedelta) -> str:
    """A duration in its two largest units, or one where the second is noise: "3 min 20 s", "19 h"."""
    seconds = max(0, int(time.total_seconds()))
    for (unit, size), (part, small) in pairwise(_UNITS):
        if seconds >= size:
            whole, rest = seconds // size, seconds % size // small
            return f"{whole} {unit} {rest} {part}" if rest and whole < _ENOUGH else f"{whole} {unit}"
    return f"{seconds} s"


def brief(time: timedelta) -> str:
    """A duration in a single unit, for narrow columns: "80 min", "23 h"."""
    seconds = max(0, int(time.total_seconds()))
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= 2 * size or size == 1)
    return f"{seconds // size} {unit}"


def expiry(deadline: datetime, now: datetime) -> str:
    """The time until a batch must be finished, or that it has passed."""
    return f"deadline in {span(deadline - now)}" if deadline > now else "past its deadline"


def stamp(time: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def to_type(command: str, checkpoint: Path) -> str:
    """A command line for a checkpoint, quoted for a shell."""
    return f"batch-synth {command} --checkpoint {quote(str(checkpoint))}"


_MAX_DIGITS = 15


def whole_number(text: str) -> int | None:
    """Parse a whole number; None for other text, and for more digits than are credible: Python refuses thousands."""
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None
