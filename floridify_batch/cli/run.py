"""The `run` command: start a run over a word list."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from floridify_batch.cli.context import (
    CHECKPOINT,
    SANDBOX_CHECKPOINT,
    check_name,
    checkpoint_at,
    config_at,
    crash_point,
    database_named,
    output_named,
    poll_interval_of,
    sandbox_seconds,
    secrets_of,
)
from floridify_batch.cli.options import (
    AnswersOption,
    AttemptsOption,
    BaseUrlOption,
    BatchSizeOption,
    CheckpointOption,
    ColumnOption,
    ComponentsOption,
    CountOption,
    DatabaseOption,
    DryRunOption,
    ForceOption,
    GlossOption,
    ImmediateOption,
    JudgeOption,
    JudgeSampleOption,
    LanguageOption,
    LowerCaseOption,
    ModelForOption,
    ModelOption,
    PackOption,
    PilotOnlyOption,
    PilotOption,
    ReplaceEditedOption,
    SandboxOption,
    ScaleOption,
    ServiceTierOption,
    StaleOption,
    TemplatesOption,
    WordOption,
    WordsArgument,
    YesOption,
)
from floridify_batch.cli.run_options import RunOptions, with_run_options
from floridify_batch.cli.session_end import exit_with
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.errors import UsageError
from floridify_batch.formatting import to_type

if TYPE_CHECKING:
    from floridify_batch.cli.session import Session
    from floridify_batch.run.checkpoint import Checkpoint
    from floridify_batch.run.resources import Secrets
    from floridify_batch.words.word_list import ListSource


@with_run_options
def run(
    words: WordsArgument = None,
    checkpoint: CheckpointOption = None,
    components: ComponentsOption = "default",
    model: ModelOption = None,
    language: LanguageOption = "en",
    gloss_language: GlossOption = None,
    force: ForceOption = False,
    stale: StaleOption = False,
    count: CountOption = None,
    frequency_scale: ScaleOption = None,
    templates: TemplatesOption = None,
    batch_size: BatchSizeOption = None,
    dry_run: DryRunOption = False,
    immediate: ImmediateOption = False,
    yes: YesOption = False,
    max_attempts: AttemptsOption = 3,
    *,
    options: RunOptions,
    database: DatabaseOption = None,
    base_url: BaseUrlOption = None,
    sandbox: SandboxOption = False,
    replace_edited: ReplaceEditedOption = False,
    word: WordOption = None,
    column: ColumnOption = None,
    lower_case: LowerCaseOption = False,
    answers: AnswersOption = AnswerShape.STORED,
    pack: PackOption = 1,
    model_for: ModelForOption = None,
    service_tier: ServiceTierOption = None,
    judge: JudgeOption = None,
    judge_sample: JudgeSampleOption = None,
    pilot: PilotOption = None,
    pilot_only: PilotOnlyOption = False,
) -> None:
    """Generate missing dictionary content for a word list."""
    from floridify_batch.cli import session
    from floridify_batch.components.entry_store import sandbox_database
    from floridify_batch.providers.interface import DEFAULT_MODEL
    from floridify_batch.run.resources import redacted_url
    from floridify_batch.run.run_settings import RunSettings

    _check_pairs(immediate=immediate, no_wait=options.no_wait, renews=force or stale, replace_edited=replace_edited)
    source = _source(words or (), word or (), column, lower_case=lower_case)
    config = config_at(options.floridify_config)
    secrets = secrets_of(options.mongo_url, config)
    name = database_named(database, options.mongo_url, config)
    settings = RunSettings(
        words_file=source.name,
        components=_components(components, templates, judged=judge is not None),
        model=model or config.model or DEFAULT_MODEL,
        language=language,
        gloss_language=None if gloss_language == language else gloss_language,
        force=force,
        immediate=immediate,
        batch_size=batch_size,
        max_attempts=max_attempts,
        poll_interval=poll_interval_of(options.poll_interval, local=sandbox or immediate),
        database=sandbox_database(name) if sandbox else name,
        mongo_url=redacted_url(secrets.mongo_url),
        base_url=None if sandbox else base_url or config.base_url,
        sandbox=sandbox,
        stale=stale,
        answers=answers,
        pack=pack,
        service_tier=_tier_of(service_tier, immediate=immediate),
        replace_edited=replace_edited,
        **_by_component(count or (), model_for or (), judge, judge_sample),
        templates=str(templates.absolute()) if templates else None,
        frequency_scale=frequency_scale,
        **options.execution_settings() | options.cost_settings(),
    )
    place = checkpoint_at(checkpoint or Path(f"{source.stem}{SANDBOX_CHECKPOINT if sandbox else CHECKPOINT}"))
    opened = _with_pilot(_session(place, secrets, options, yes=yes), pilot or 0, only=pilot_only)
    process = partial(session.run, settings, opened, source, dry_run=dry_run)
    exit_with(lambda: asyncio.run(process()), place, None if dry_run else options.notify)


def _tier_of(tier: str | None, *, immediate: bool) -> str | None:
    """Check the service tier. Raises `UsageError`."""
    from floridify_batch.costs.usage import FLEX

    if tier not in (None, FLEX):
        raise UsageError(f"--service-tier {tier}: the only tier is flex.")
    if tier and not immediate:
        raise UsageError("--service-tier applies to --immediate only; batches already have that price.")
    return tier


def _by_component(
    counts: Sequence[str], models: Sequence[str], judge: str | None, sample: str | None
) -> dict[str, Any]:
    """The settings of single components, with the model of the judge and the share that it judges.

    Raises `UsageError`.
    """
    from floridify_batch.components.registry import counts_named, models_named

    settings: dict[str, Any] = {"counts": counts_named(counts), "models": models_named(models)}
    if judge is None:
        if sample is not None:
            raise UsageError("--judge-sample applies to --judge; pass the model of the judge, too: --judge MODEL.")
        return settings
    from floridify_batch.components.judgement import share_named

    if not judge.strip():
        raise UsageError("--judge: expected the name of a model.")
    settings["models"] |= models_named([f"{_JUDGEMENT}={judge}"])
    return settings if sample is None else settings | {"judge_sample": share_named(sample)}


def _check_pairs(*, immediate: bool, no_wait: bool, renews: bool, replace_edited: bool) -> None:
    """Raise `UsageError` for options that exclude or require each other. `renews`: with `--force` or `--stale`."""
    if immediate and no_wait:
        raise UsageError("--immediate and --no-wait exclude each other; pass one of them.")
    if replace_edited and not renews:
        raise UsageError("--replace-edited changes what --force or --stale regenerates; pass one of them with it.")


def _check_separate(path: Path) -> None:
    """Raise `UsageError` for a component that is taken for a word list, behind a space after --components."""
    from floridify_batch.components.registry import SynthesisComponent

    if str(path).strip(",") in {*SynthesisComponent} and not path.exists():
        raise UsageError(f"File not found: {path}. Separate components with commas: --components NAME,NAME")


def _source(words: Sequence[Path], word: Sequence[str], column: str | None, *, lower_case: bool) -> "ListSource":
    """Return the source of the word list. Raises `UsageError` for a checkpoint, and without a source."""
    from floridify_batch.words.word_list import ListSource

    for path in words:
        check_name(path)
        _check_separate(path)
        if path.name.endswith(CHECKPOINT):
            raise UsageError(f"{path} is a checkpoint, not a word list. Resume it with: {to_type('resume', path)}")
    source = ListSource(tuple(words), tuple(word), column, lower_case)
    if not source.name:
        raise UsageError("Pass a word list, - for standard input, or --word WORD.")
    return source


def _session(place: "Checkpoint", secrets: "Secrets", options: RunOptions, *, yes: bool) -> "Session":
    from floridify_batch.cli.session import Session

    return Session(
        place,
        secrets,
        sandbox_seconds(),
        yes=yes,
        wait=not options.no_wait,
        changes=options.cost_settings(),  # a cost limit holds for a run that is resumed, too
        accept_database=options.accept_database,
        crash_point=crash_point(),
        details=options.details,
        output=output_named(options.output, quiet=options.quiet),
        log_file=options.log_file,
        faults=options.faults(),
    )


def _with_pilot(session: "Session", words: int, *, only: bool) -> "Session":
    """The session with a pilot of so many words. Raises `UsageError`."""
    if only and not words:
        raise UsageError("--pilot-only stops after the pilot; pass --pilot N, too.")
    return replace(session, pilot=words, pilot_only=only)


def _components(names: str, templates: Path | None, *, judged: bool) -> tuple[str, ...]:
    """The named components, and with `judged` the judgement of their texts."""
    from floridify_batch.components.registry import SynthesisComponent

    named = _named_components(names, templates)
    return tuple(each for each in SynthesisComponent if each in named or (judged and each == _JUDGEMENT))


_JUDGEMENT = "judgement"


def _named_components(names: str, templates: Path | None) -> tuple[str, ...]:
    """The named components; `all` with a folder of templates is every component that it has one for."""
    from floridify_batch.components.registry import SynthesisComponent, components_named

    if templates is None:
        return components_named(names)
    check_name(templates)
    from floridify_batch.components.template import components_in
    from floridify_batch.display.console import say

    available = components_in(templates)
    chosen = components_named(names, available)
    if set(chosen) != set(components_named(names)):
        missing = ", ".join(each for each in SynthesisComponent if each not in available)
        say(f"--components all: requesting only components with a template in {templates}; no template for {missing}.")
    return chosen
