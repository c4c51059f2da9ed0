"""The settings and the identity of a run, in the form of the checkpoint, and the brief that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from floridify_batch.components.entry_store import is_sandbox_database
from floridify_batch.components.model_profile import check_chat_model
from floridify_batch.components.registry import components_named
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.costs.price import Price
from floridify_batch.costs.usage import FLEX, Dollars
from floridify_batch.database.connection import DATABASE_PATIENCE
from floridify_batch.pipeline.brief import Brief, BriefOptions, brief
from floridify_batch.providers.interface import CONCURRENCY
from floridify_batch.retry import LOOKUP_SECONDS
from floridify_batch.words.entry import FrequencyScale
from floridify_batch.words.language import language_name
from floridify_batch.words.word_list import digest_of

MAX_BATCHES = 20
"""Default maximum of batches in flight."""


class RunSettings(BaseModel):
    """The options of a run, so that `resume` needs nothing but the checkpoint. No secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    words_file: str
    components: tuple[str, ...]
    model: str
    language: str
    force: bool
    immediate: bool
    batch_size: int | None
    max_attempts: int
    poll_interval: float
    database: str
    mongo_url: str | None
    base_url: str | None
    sandbox: bool
    stale: bool = False
    replace_edited: bool = False
    gloss_language: str | None = None
    models: dict[str, str] = Field(default_factory=dict)
    """The models of components that do not use the run's."""
    answers: AnswerShape = AnswerShape.FULL
    """The shape in which answers are requested; earlier versions requested everything."""
    pack: int = Field(default=1, ge=1, le=20)
    """The most definitions that one request of a component is about: beyond some ten, models answer worse."""
    judge_sample: float = Field(default=1.0, gt=0, le=1)
    """The share of senses whose texts are judged."""
    counts: dict[str, int] = Field(default_factory=dict)
    templates: str | None = None
    request_options: dict[str, Any] = Field(default_factory=dict)
    frequency_scale: FrequencyScale | None = FrequencyScale.COMMON_FIRST
    """The scale of the stored frequency bands; None until a run begins, for that of the database."""
    max_batches: int = MAX_BATCHES
    max_queued_tokens: int | None = None
    patience: float = DATABASE_PATIENCE
    lookup_seconds: float = LOOKUP_SECONDS
    preflight: bool = True
    pilot: int = 0
    """The words of the pilot before the run, which the run has taken over; 0 without one."""
    concurrency: int = CONCURRENCY
    service_tier: str | None = None
    """The service tier of immediate requests; None for the standard one."""
    workers: int = 1
    cluster: str | None = None
    reopened: tuple[str, ...] | None = None
    """The batches until the last --retry-failed, whose answers that found nothing are requested again."""
    price: Price | None = None
    max_cost: Dollars | None = None

    @property
    def discounted(self) -> bool:
        """Whether requests cost what they do in a batch: there, or in the service tier flex."""
        return not self.immediate or self.service_tier == FLEX

    @property
    def all_models(self) -> list[str]:
        """The models of the run and of its components, each once."""
        return list(dict.fromkeys([self.model, *self.models.values()]))

    @property
    def in_sandbox(self) -> bool:
        """Whether the run's answers are invented, and go to a database for such answers."""
        return self.sandbox or is_sandbox_database(self.database)

    def queue_limit(self, stated: int | None) -> int | None:
        """The least limit on queued tokens: the user's, or one that the service has stated."""
        return min((limit for limit in (stated, self.max_queued_tokens) if limit is not None), default=None)

    def within(self, stated: int | None) -> "RunSettings":
        """The settings with that limit."""
        return self.model_copy(update={"max_queued_tokens": self.queue_limit(stated)})

    def unset_options(self, asked: "RunSettings") -> list[str]:
        """Return the options of `asked` that the run was not started with, as text."""
        given = (
            ("without --force", asked.force and not self.force),
            ("without --stale", asked.stale and not self.stale),
            ("without --replace-edited", asked.replace_edited and not self.replace_edited),
            ("without --immediate", asked.immediate and not self.immediate),
        )
        return [text for text, missing in given if missing]


class RunInfo(BaseModel):
    """The identity of a run: its id, its settings, and digests of its word list and templates."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: str
    settings: RunSettings
    words: int
    list_digest: str
    template_digest: str
    fingerprints: dict[str, str] = Field(default_factory=dict)
    """The fingerprint of each component's template; empty in older checkpoints."""

    def differences(self, other: "RunInfo") -> list[str]:
        """Return how the other run differs, as text. Limits, costs, locations and the mode do not count."""
        own, now = self.settings, other.settings
        components = f"the run: {', '.join(own.components)}; this command: {', '.join(now.components)}"
        checks = (
            ("a different word list", self.list_digest != other.list_digest),
            (f"different components ({components})", own.components != now.components),
            (f"a different language ({own.language}, not {now.language})", own.language != now.language),
            (f"a different model ({own.model}, not {now.model})", own.model != now.model),
            (
                f"a different gloss language ({own.gloss_language}, not {now.gloss_language})",
                own.gloss_language != now.gloss_language,
            ),
            ("different models of components (--model-for)", own.models != now.models),
            ("a different share of judged senses (--judge-sample)", own.judge_sample != now.judge_sample),
            ("different counts", own.counts != now.counts),
            ("different request options", own.request_options != now.request_options),
            (
                f"a different frequency scale ({own.frequency_scale}, not {now.frequency_scale})",
                now.frequency_scale is not None and own.frequency_scale != now.frequency_scale,
            ),
        )
        found = [text for text, differs in checks if differs]
        if found:  # the digest covers the templates in use, so it differs anyway with other components
            return found
        # Templates of another version of batch-synth do not count: a run can be resumed after an update.
        templates = (own.templates, self.template_digest) != (now.templates, other.template_digest)
        return ["different templates"] * (templates and bool(own.templates or now.templates))


class RequestForm(BaseModel):
    """The form of a chunk's requests: the model, the templates (with fingerprints by component) and the options.

    `revision` counts how often a run was resumed after the service had refused the form.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: str
    template_digest: str
    fingerprints: dict[str, str] = Field(default_factory=dict)
    request_options: dict[str, Any] = Field(default_factory=dict)
    revision: int = 0
    models: dict[str, str] = Field(default_factory=dict)


def brief_of(settings: RunSettings, run_id: str) -> Brief:
    """Build the brief of a run with these settings. Raises `UsageError`."""
    tier = {"service_tier": settings.service_tier} if settings.service_tier else {}
    gloss = language_name(settings.gloss_language) if settings.gloss_language else None
    asked = brief(
        components_named(",".join(settings.components)),
        model=settings.model,
        language_name=language_name(settings.language),
        counts=settings.counts,
        templates=Path(settings.templates) if settings.templates else None,
        options=BriefOptions(gloss, settings.answers, settings.models, settings.judge_sample),
    ).with_options(settings.request_options | tier)
    reopened = None if settings.reopened is None else frozenset(settings.reopened)
    return replace(
        asked,
        max_attempts=settings.max_attempts,
        forced_run=run_id if settings.force else None,
        stale=settings.stale,
        run=run_id,
        reopened=reopened,
        replace_edited=settings.replace_edited,
        pack=settings.pack,
    )


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The specification of a new run: its words, its identity and its brief."""

    words: Sequence[str]
    info: RunInfo
    brief: Brief

    def with_scale(self, scale: FrequencyScale) -> "RunSpec":
        """The same run with this scale of frequency bands."""
        settings = self.info.settings.model_copy(update={"frequency_scale": scale})
        return replace(self, info=self.info.model_copy(update={"settings": settings}))

    @classmethod
    def of(cls, settings: RunSettings, words: Sequence[str], *, run_id: str | None = None) -> "RunSpec":
        """Specify a run with these settings over these words. Raises `UsageError`."""
        if settings.base_url is None:
            for model in settings.all_models:
                check_chat_model(model)
        run_id = run_id or token_hex(6)
        brief = brief_of(settings, run_id)
        info = RunInfo(
            id=run_id,
            settings=settings,
            words=len(words),
            list_digest=digest_of(words),
            template_digest=brief.template_digest,
            fingerprints=brief.fingerprints,
        )
        return cls(words, info, brief)
