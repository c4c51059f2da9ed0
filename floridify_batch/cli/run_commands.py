"""The commands that spend: run and resume."""

import asyncio
from pathlib import Path
from typing import Any

from floridify_batch.cli.context import (
    DEFAULT_DATABASE,
    checkpoint_at,
    dies_at,
    finish,
    given,
    output_named,
    poll_interval_of,
    sandbox_seconds,
    secrets_of,
)
from floridify_batch.cli.options import (
    AttemptsOption,
    BaseUrlOption,
    BatchSizeOption,
    CheckpointOption,
    ClusterOption,
    ComponentsOption,
    ConcurrencyOption,
    ConfigOption,
    CountOption,
    DatabaseOption,
    DryRunOption,
    ForceOption,
    FrequencyScale,
    ImmediateOption,
    LanguageOption,
    MaxBatchesOption,
    MaxCostOption,
    ModelOption,
    MongoOption,
    NoWaitOption,
    OutputOption,
    PatienceOption,
    PollOption,
    PriceOption,
    QueuedTokensOption,
    QuietOption,
    RequiredCheckpointOption,
    RetryFailedOption,
    SandboxOption,
    ScaleOption,
    StaleOption,
    TemplatesOption,
    WordsArgument,
    WorkersOption,
    YesOption,
)
from floridify_batch.errors import UsageError


def run(
    words: WordsArgument,
    checkpoint: CheckpointOption = None,
    components: ComponentsOption = "default",
    model: ModelOption = None,
    language: LanguageOption = "en",
    force: ForceOption = False,
    stale: StaleOption = False,
    count: CountOption = None,
    frequency_scale: ScaleOption = FrequencyScale.COMMON_FIRST,
    templates: TemplatesOption = None,
    batch_size: BatchSizeOption = None,
    dry_run: DryRunOption = False,
    immediate: ImmediateOption = False,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
    max_attempts: AttemptsOption = 3,
    max_batches: MaxBatchesOption = None,
    max_queued_tokens: QueuedTokensOption = None,
    max_cost: MaxCostOption = None,
    price: PriceOption = None,
    poll_interval: PollOption = None,
    patience: PatienceOption = None,
    concurrency: ConcurrencyOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    mongo_url: MongoOption = None,
    database: DatabaseOption = None,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
    floridify_config: ConfigOption = None,
    output: OutputOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Synthesise what the words of a list are missing."""
    from floridify_batch.cli import session as commands
    from floridify_batch.cli.floridify_config import read_config
    from floridify_batch.components.definition_recipes import components_named, counts_named
    from floridify_batch.providers.interface import DEFAULT_MODEL
    from floridify_batch.run.resources import redacted_url
    from floridify_batch.run.settings import RunSettings

    if immediate and no_wait:
        raise UsageError("--immediate asks while it waits; take --no-wait away, or ask in batches.")
    shown = output_named(output, quiet=quiet)
    config = read_config(floridify_config)
    secrets = secrets_of(mongo_url, config)
    money = _money(max_cost, price)
    settings = RunSettings(
        words_file=str(words),
        components=tuple(components_named(components)),
        model=model or config.model or DEFAULT_MODEL,
        language=language,
        force=force,
        immediate=immediate,
        batch_size=batch_size,
        max_attempts=max_attempts,
        poll_interval=poll_interval_of(poll_interval, near=sandbox or immediate),
        database=database or config.database or DEFAULT_DATABASE,
        mongo_url=redacted_url(secrets.mongo_url),
        base_url=None if sandbox else base_url,
        sandbox=sandbox,
        stale=stale,
        counts=counts_named(count or ()),
        templates=str(templates.absolute()) if templates else None,
        frequency_scale=frequency_scale.value,
        **given(
            max_batches=max_batches,
            max_queued_tokens=max_queued_tokens,
            patience=patience,
            concurrency=concurrency,
            workers=workers,
            cluster=cluster,
        ),
        **money,
    )
    place = checkpoint_at(checkpoint or Path(f"{words.stem}.checkpoint.json"))
    scene = commands.Scene(
        place,
        secrets,
        sandbox_seconds(),
        yes=yes,
        wait=not no_wait,
        pace=money,  # a wall holds for a run that is gone on with, too
        dies_at=dies_at(),
        output=shown,
    )
    finish(lambda: asyncio.run(commands.run(settings, scene, dry_run=dry_run)), place)


def resume(
    checkpoint: RequiredCheckpointOption,
    no_wait: NoWaitOption = False,
    retry_failed: RetryFailedOption = False,
    max_batches: MaxBatchesOption = None,
    max_queued_tokens: QueuedTokensOption = None,
    max_cost: MaxCostOption = None,
    price: PriceOption = None,
    poll_interval: PollOption = None,
    patience: PatienceOption = None,
    concurrency: ConcurrencyOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    mongo_url: MongoOption = None,
    floridify_config: ConfigOption = None,
    output: OutputOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Go on where a run was stopped, from its checkpoint alone."""
    from floridify_batch.cli import session as commands
    from floridify_batch.cli.floridify_config import read_config

    shown = output_named(output, quiet=quiet)
    config = read_config(floridify_config)
    place = checkpoint_at(checkpoint)
    pace = given(
        max_batches=max_batches,
        max_queued_tokens=max_queued_tokens,
        poll_interval=poll_interval,
        patience=patience,
        concurrency=concurrency,
        workers=workers,
        cluster=cluster,
    ) | _money(max_cost, price)
    scene = commands.Scene(
        place,
        secrets_of(mongo_url, config),
        sandbox_seconds(),
        yes=True,
        dies_at=dies_at(),
        output=shown,
        wait=not no_wait,
        pace=pace,
        retry_failed=retry_failed,
    )
    finish(lambda: asyncio.run(commands.resume(scene)), place)


def _money(max_cost: str | None, price: str | None) -> dict[str, Any]:
    """The wall and the price that somebody named. Raises `UsageError`."""
    from floridify_batch.costs.price import dollars_named, price_named

    return given(
        max_cost=dollars_named("--max-cost", max_cost) if max_cost is not None else None,
        price=price_named(price) if price is not None else None,
    )
