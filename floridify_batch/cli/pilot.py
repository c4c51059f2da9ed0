"""The pilot of a run: a sample of its words is processed at once, before the rest goes to batches.

A pilot is a run of its own beside the one that it is for, with the same id, so that neither replaces answers of the
other. The run takes over its processed words and its cost; words that it left incomplete are planned again.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from random import Random

from rich.console import Console
from rich.text import Text

from floridify_batch.cli.context import CHECKPOINT
from floridify_batch.components.model_profile import has_flex
from floridify_batch.costs.usage import FLEX
from floridify_batch.database.lookup import headwords
from floridify_batch.database.store import MongoStore
from floridify_batch.display.console import say
from floridify_batch.display.entry_page import page, print_page
from floridify_batch.display.pilot_table import pilot_panel
from floridify_batch.formatting import count, counted, dollars
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.estimate import Estimate
from floridify_batch.pipeline.workload import lengths_known
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Adopted, Ledger
from floridify_batch.run.run_settings import RunSpec

PILOT = ".pilot"

ENTRIES_SHOWN = 3

_SEED = 20
_POLL_SECONDS = 1.0


def pilot_checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint of the pilot of a run, beside the run's own."""
    stem = checkpoint.path.name.removesuffix(CHECKPOINT).removesuffix(".json")
    return Checkpoint(checkpoint.path.with_name(f"{stem}{PILOT}{CHECKPOINT}"))


def pilot_spec(spec: RunSpec, size: int, *, run_id: str) -> RunSpec:
    """The pilot of a run: a sample of its words, the same for the same list, each request answered at once."""
    chosen = Random(_SEED).sample(range(len(spec.words)), min(size, len(spec.words)))  # noqa: S311  not for secrets
    settings = spec.info.settings
    tier = FLEX if settings.base_url is None and all(map(has_flex, settings.all_models)) else None
    price = settings.price.standard if settings.price and settings.discounted and not tier else settings.price
    at_once = {
        "immediate": True,
        "service_tier": settings.service_tier or tier,
        "price": price,
        "batch_size": None,
        "poll_interval": min(settings.poll_interval, _POLL_SECONDS),
    }
    return RunSpec.of(settings.model_copy(update=at_once), [spec.words[each] for each in sorted(chosen)], run_id=run_id)


def is_pilot_of(ledger: Ledger, spec: RunSpec) -> bool:
    """Whether a pilot is for this run: the same sample, settings and database, regenerating the same values."""
    own, other = ledger.run.settings, spec.info.settings
    return not ledger.run.differences(pilot_spec(spec, ledger.run.words, run_id=ledger.run.id).info) and all(
        getattr(own, name) == getattr(other, name) for name in _ALIKE
    )


_ALIKE = ("database", "mongo_url", "force", "stale", "replace_edited", "answers", "pack")


def after_pilot(spec: RunSpec, pilot: Ledger) -> RunSpec:
    """The run that follows its pilot: of the same id, without a preflight, since its requests have been accepted."""
    settings = spec.info.settings
    preflight = settings.preflight and not pilot.totals().answered
    following = settings.model_copy(update={"pilot": pilot.run.words, "preflight": preflight})
    return RunSpec.of(following, spec.words, run_id=pilot.run.id)


def adopted_from(pilot: Ledger, others: Adopted) -> Adopted:
    """The processed words and the cost of a pilot, which are part of its run, beside those of an adopted checkpoint."""
    totals = pilot.totals()
    cost = f"{dollars(totals.cost)}, which is included in the total"
    if totals.cost is None:
        cost = "an unknown amount, which the total leaves out"
    note = f"Pilot: {counted(totals.processed, 'word')} of {count(totals.words)} processed for {cost}."
    words = others.words | {*pilot.processed_words}
    own = totals.cost or Decimal(0)
    return Adopted(words, others.cost + own, others.tokens + totals.usage.total, (*others.notes, note))


async def print_pilot(pilot: Ledger, brief: Brief, store: MongoStore, console: Console) -> None:
    """Print some of the entries of a pilot, and its measured figures beside the expected ones."""
    for word in islice(pilot.processed_words, ENTRIES_SHOWN):
        for headword in await headwords(store, word, pilot.run.settings.language):
            console.print(Text())
            print_page(page(headword, pilot.run.settings.language), console)
    console.print(Text())
    console.print(pilot_panel(pilot, lengths_known(brief, {}, {})))


def range_before(estimate: Estimate, brief: Brief) -> Sequence[str]:
    """The note on the cost of the same requests without the pilot's measured lengths."""
    before, now = estimate.with_lengths(lengths_known(brief, {}, {})).span(), estimate.span()
    if before is None or now is None:
        return []
    return [f"With typical output lengths: {dollars(before.expected)} ({dollars(before.low)}-{dollars(before.high)})."]


def say_stopped() -> None:
    """Say how to go on after a pilot alone."""
    say("Pilot finished; nothing else was sent. To request the rest, repeat the command without --pilot-only.")
