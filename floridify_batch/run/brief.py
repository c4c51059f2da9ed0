"""From a run's settings to what it asks: the same in the driver's process and in every worker's."""

from pathlib import Path

from floridify_batch.components.definition_recipes import components_named
from floridify_batch.pipeline.plan import Brief, brief
from floridify_batch.run.settings import RunSettings
from floridify_batch.words.language import language_name


def new_brief(settings: RunSettings, run_id: str) -> Brief:
    """What a run of these settings asks for. Raises `UsageError`."""
    return brief(
        components_named(",".join(settings.components)),
        model=settings.model,
        language_name=language_name(settings.language),
        max_attempts=settings.max_attempts,
        forced_run=run_id if settings.force else None,
        stale=settings.stale,
        counts=settings.counts,
        templates=Path(settings.templates) if settings.templates else None,
    )
