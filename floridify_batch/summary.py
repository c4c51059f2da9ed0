"""The panel at the end of a sitting: how the run stands, what this sitting did, and what to type next."""

from collections import Counter
from datetime import datetime

from rich.console import RenderableType

from floridify_batch.frames import facts, framed
from floridify_batch.run_view import RunView, verdict
from floridify_batch.wording import count, dollars, span


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
