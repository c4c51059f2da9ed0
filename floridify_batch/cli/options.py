"""Option declarations that commands share: names, environment variables, help texts.

A help text fits on one line beside its option in a terminal of 80 columns.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from floridify_batch.cli import completion
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.words.entry import FrequencyScale


def _env(name: str, *more: str) -> str | list[str]:
    """The environment variables of an option."""
    own = f"BATCH_SYNTH_{name}"
    return [own, *more] if more else own


_option = partial(typer.Option, show_envvar=False)  # every option has one, so that errors need not list it
_content = partial(_option, rich_help_panel="Content")
_location = partial(_option, rich_help_panel="Location")
_cost = partial(_option, rich_help_panel="Cost")
_control = partial(_option, rich_help_panel="Control")
_advanced = partial(_option, rich_help_panel="Advanced")
_output = partial(_option, rich_help_panel="Output")


# ── content ────────────────────────────────────────────────────────────────────────────────────────────────────────

HeadwordsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[WORD]...",
        help="Headwords (default: those of the run here).",
        rich_help_panel="Content",
        autocompletion=completion.words,
    ),
]
WordsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[LIST]...",
        help="Word lists (- for stdin), or --word WORD.",
        rich_help_panel="Content",
        show_default=False,
    ),
]
WordOption = Annotated[
    list[str] | None, _content("--word", metavar="WORD", help="A single word; repeatable.", hidden=True)
]
ColumnOption = Annotated[
    str | None, _content("--column", metavar="NAME|N", help="Column of a table that holds the words.")
]
_batch = partial(
    typer.Argument, metavar="BATCH", help="Batch ID or prefix (default: all of the run).", rich_help_panel="Content"
)
RunArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN",
        help="Checkpoint or word list of the run.",
        rich_help_panel="Content",
        autocompletion=completion.checkpoints,
    ),
]
BatchArgument = Annotated[str | None, _batch(autocompletion=completion.batches)]
CancelledArgument = Annotated[str | None, _batch(autocompletion=completion.batches_in_flight)]
LowerCaseOption = Annotated[
    bool, _advanced("--lower-case", envvar=_env("LOWER_CASE"), help="Fold the words of the list to lower case.")
]
ComponentsOption = Annotated[
    str,
    _content(
        envvar=_env("COMPONENTS"),
        metavar="NAMES",
        help="default, all, or a comma-separated list.",
        show_default=False,
        autocompletion=completion.components,
    ),
]
ModelOption = Annotated[
    str | None,
    _content(
        envvar=_env("MODEL"),
        metavar="NAME",
        help="OpenAI model (default: gpt-6-luna).",
        autocompletion=completion.models,
    ),
]


def _language(text: str) -> str:
    """Normalise a language; the default needs no import."""
    if text == "en":
        return text
    from floridify_batch.words.language import language_named

    return language_named(text)


LanguageOption = Annotated[
    str,
    _content(
        callback=_language,
        envvar=_env("LANGUAGE"),
        metavar="CODE",
        help="Language of the words.",
        autocompletion=completion.languages,
    ),
]


def _optional_language(text: str | None) -> str | None:
    """Normalise a language that may be left out."""
    return None if text is None else _language(text)


RunLanguageOption = Annotated[
    str | None,
    _content(
        "--language",
        callback=_optional_language,
        envvar=_env("LANGUAGE"),
        metavar="CODE",
        help="Language (default: the run's).",
        autocompletion=completion.languages,
    ),
]
GlossOption = Annotated[
    str | None,
    _advanced(
        "--gloss-language",
        callback=_optional_language,
        envvar=_env("GLOSS_LANGUAGE"),
        metavar="CODE",
        help="Language of definitions and notes.",
        autocompletion=completion.languages,
    ),
]
ServiceTierOption = Annotated[
    str | None,
    _advanced(
        "--service-tier",
        envvar=_env("SERVICE_TIER"),
        metavar="flex",
        help="With --immediate: slower, at the batch price.",
    ),
]
ModelForOption = Annotated[
    list[str] | None,
    _advanced(
        "--model-for",
        envvar=_env("MODEL_FOR"),
        metavar="NAMES=MODEL",
        help="Model for some components; repeatable.",
    ),
]
JudgeOption = Annotated[
    str | None,
    _advanced("--judge", envvar=_env("JUDGE"), metavar="MODEL", help="Model that scores definitions and examples."),
]
JudgeSampleOption = Annotated[
    str | None,
    _advanced(
        "--judge-sample", envvar=_env("JUDGE_SAMPLE"), metavar="SHARE", help="Share of senses to judge, such as 5%."
    ),
]
PilotOption = Annotated[
    int | None,
    _advanced("--pilot", envvar=_env("PILOT"), metavar="N", min=1, help="Process N words without batches first."),
]
PilotOnlyOption = Annotated[bool, _advanced("--pilot-only", help="Stop after the pilot.")]
AnswersOption = Annotated[
    AnswerShape,
    _advanced(
        "--answers",
        envvar=_env("ANSWERS"),
        metavar="SHAPE",
        help="Fields to request: stored, full or bare.",
    ),
]
PackOption = Annotated[
    int,
    _advanced(
        "--pack",
        envvar=_env("PACK"),
        metavar="N",
        min=1,
        max=20,
        help="Definitions per request, such as 6.",
    ),
]
ForceOption = Annotated[bool, _content("--force", envvar=_env("FORCE"), help="Regenerate stored values.")]
StaleOption = Annotated[
    bool, _content("--stale", envvar=_env("STALE"), help="Regenerate if the prompt or model changed.")
]
ReplaceEditedOption = Annotated[
    bool,
    _advanced("--replace-edited", envvar=_env("REPLACE_EDITED"), help="Also regenerate values that people edited."),
]
CountOption = Annotated[
    list[str] | None,
    _content(
        "--count",
        envvar=_env("COUNT"),
        metavar="NAME=N",
        help="Number of items, such as synonyms=8.",
        autocompletion=completion.counts,
    ),
]
ScaleOption = Annotated[
    FrequencyScale | None,
    _advanced(
        "--frequency-scale",
        envvar=_env("FREQUENCY_SCALE"),
        metavar="ORDER",
        help="Meaning of band 1: common-first or rare-first.",
        show_default=False,
    ),
]
TemplatesOption = Annotated[
    Path | None, _content("--templates", envvar=_env("TEMPLATES"), metavar="DIR", help="Folder with your own prompts.")
]
NextModelOption = Annotated[
    str | None,
    _content("--model", metavar="NAME", help="Model for the remaining requests.", autocompletion=completion.models),
]
MovedTemplatesOption = Annotated[
    Path | None, _advanced("--templates", metavar="DIR", help="New location of the run's prompts.")
]
RetryFailedOption = Annotated[bool, _content("--retry-failed", help="Retry failed and incomplete words.")]
GiveUpOption = Annotated[
    list[str] | None,
    _content("--give-up", metavar="BATCH", help="Give up a missing batch; repeatable."),
]

# ── location ───────────────────────────────────────────────────────────────────────────────────────────────────────

_checkpoint = partial(
    _location, "--checkpoint", "-c", envvar=_env("CHECKPOINT"), metavar="FILE", autocompletion=completion.checkpoints
)
CheckpointOption = Annotated[Path | None, _checkpoint(help="Checkpoint (default: LIST.checkpoint.json).")]
OnlyCheckpointOption = Annotated[Path | None, _checkpoint(help="Checkpoint (default: the only one here).")]
MongoOption = Annotated[
    str | None,
    _location(
        envvar=_env("MONGO_URL", "MONGODB_URL"), metavar="URL", help="MongoDB address (default: a local server)."
    ),
]
DatabaseOption = Annotated[
    str | None, _location(envvar=_env("DATABASE"), metavar="NAME", help="Database name (default: floridify).")
]
BaseUrlOption = Annotated[
    str | None,
    _location(envvar=_env("BASE_URL", "OPENAI_BASE_URL"), metavar="URL", help="API base URL (default: OpenAI's)."),
]
SandboxOption = Annotated[
    bool, _location("--sandbox", envvar=_env("SANDBOX"), help="Use a local API with invented answers.")
]
FaultOption = Annotated[
    list[str] | None,
    _advanced(
        "--fault",
        metavar="NAME=VALUE",
        help="With --sandbox: inject a fault; repeatable.",
        autocompletion=completion.faults,
    ),
]
ConfigOption = Annotated[
    Path | None,
    _location(
        "--floridify-config", envvar=_env("FLORIDIFY_CONFIG"), metavar="FILE", help="Read Floridify's config.toml."
    ),
]

# ── cost ───────────────────────────────────────────────────────────────────────────────────────────────────────────

DryRunOption = Annotated[bool, _cost("--dry-run", envvar=_env("DRY_RUN"), help="Print the estimate; send nothing.")]
YesOption = Annotated[bool, _cost("--yes", "-y", envvar=_env("YES"), help="Skip the confirmation.")]
CleanYesOption = Annotated[bool, _control("--yes", "-y", envvar=_env("YES"), help="Skip the confirmation.")]
ConfirmedOption = Annotated[bool, _control("--yes", "-y", help="Skip the confirmation.")]
"""The same for commands that change a database; no variable sets it."""
ImmediateOption = Annotated[
    bool, _cost("--immediate", envvar=_env("IMMEDIATE"), help="Send without batches, at the standard price.")
]
MaxCostOption = Annotated[str | None, _cost(envvar=_env("MAX_COST"), metavar="USD", help="Cost limit in US dollars.")]
PriceOption = Annotated[
    str | None,
    _advanced(envvar=_env("PRICE"), metavar="in=USD,out=USD", help="Price per million tokens, if not known."),
]

DetailsOption = Annotated[
    bool, _advanced("--details", envvar=_env("DETAILS"), help="Estimate by component and by batch.")
]

# ── control ────────────────────────────────────────────────────────────────────────────────────────────────────────

BatchSizeOption = Annotated[
    int | None,
    _control(
        "--batch-size",
        "-b",
        min=1,
        envvar=_env("BATCH_SIZE"),
        metavar="N",
        help="Words per batch (default: as many as fit).",
    ),
]
NoWaitOption = Annotated[
    bool, _control("--no-wait", envvar=_env("NO_WAIT"), help="Exit instead of waiting for batches.")
]
NotifyOption = Annotated[
    str | None,
    _advanced("--notify", envvar=_env("NOTIFY"), metavar="CMD", help="Command to run when the session ends."),
]
AttemptsOption = Annotated[
    int, _advanced(min=1, max=20, envvar=_env("MAX_ATTEMPTS"), metavar="N", help="Attempts per request.")
]
MaxBatchesOption = Annotated[
    int | None,
    _control(min=1, envvar=_env("MAX_BATCHES"), metavar="N", help="Maximum batches in flight (default: 20)."),
]
QueuedTokensOption = Annotated[
    int | None, _advanced(min=1, envvar=_env("MAX_QUEUED_TOKENS"), metavar="N", help="Limit on input tokens in flight.")
]
PollOption = Annotated[
    float | None,
    _advanced(min=0.1, envvar=_env("POLL_INTERVAL"), metavar="SECONDS", help="Seconds between polls (default: 60)."),
]
PatienceOption = Annotated[
    float | None,
    _advanced(min=0.0, envvar=_env("PATIENCE"), metavar="SECONDS", help="Seconds to wait for MongoDB (default: 600)."),
]
NoPreflightOption = Annotated[
    bool, _advanced("--no-preflight", envvar=_env("NO_PREFLIGHT"), help="Skip the trial requests of a large run.")
]
AcceptDatabaseOption = Annotated[
    bool, _advanced("--accept-database", help="Accept a database without the run's answers.")
]
HiddenAcceptDatabaseOption = Annotated[bool, _advanced("--accept-database", hidden=True)]
"""The same, hidden from help: it is rarely needed, and the error that requires it names it."""

LookupOption = Annotated[
    float | None,
    _advanced(
        min=0.0,
        envvar=_env("LOOKUP_SECONDS"),
        metavar="N",
        help="Seconds to search for an unconfirmed batch (default: 60).",
    ),
]
RequestOption = Annotated[
    list[str] | None,
    _advanced(
        "--request-option",
        envvar=_env("REQUEST_OPTION"),
        metavar="K=JSON",
        help="Set a request field; null removes it.",
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    _advanced(
        min=1, max=1000, envvar=_env("CONCURRENCY"), metavar="N", help="Parallel immediate requests (default: 32)."
    ),
]
WorkersOption = Annotated[
    int | None, _advanced(min=1, max=256, envvar=_env("WORKERS"), metavar="N", help="Worker processes (default: 1).")
]
ClusterOption = Annotated[
    str | None, _advanced(envvar=_env("CLUSTER"), metavar="ADDRESS", help="Address of a Dask scheduler.")
]

# ── output ─────────────────────────────────────────────────────────────────────────────────────────────────────────

OutputOption = Annotated[
    str,
    _output(
        "--output",
        envvar=_env("OUTPUT"),
        metavar="FORMAT",
        help="auto, plain, json or quiet.",
        show_default=False,
        autocompletion=completion.outputs,
    ),
]
LogFileOption = Annotated[
    Path | None,
    _advanced("--log-file", envvar=_env("LOG_FILE"), metavar="FILE", help="Also append log lines to this file."),
]
QuietOption = Annotated[bool, _output("--quiet", "-q", envvar=_env("QUIET"), help="Print only errors and the summary.")]
DelimiterOption = Annotated[str | None, _output(metavar="NAME", help="In CSV: comma (default), semicolon or tab.")]
JsonOption = Annotated[bool, _output("--json", help="Print one JSON object.")]
