"""The options of the commands: their names, their twins in the environment, and what `--help` says of them.

An explanation is so short that it has one line beside its option in a terminal of 80 columns.
"""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from floridify_batch.cli import completion


def _env(name: str, *more: str) -> str | list[str]:
    """The environment twin of an option, and other names that it answers to."""
    own = f"BATCH_SYNTH_{name}"
    return [own, *more] if more else own


_option = partial(typer.Option, show_envvar=False)  # every option has one; an error need not tell it
_what = partial(_option, rich_help_panel="What")
_where = partial(_option, rich_help_panel="Where")
_money = partial(_option, rich_help_panel="Money")
_pace = partial(_option, rich_help_panel="Pace")
_output = partial(_option, rich_help_panel="Output")


class FrequencyScale(StrEnum):
    """Which end of the frequency bands is 1."""

    COMMON_FIRST = "common-first"
    RARE_FIRST = "rare-first"


# ── what ───────────────────────────────────────────────────────────────────────────────────────────────────────────

WordsArgument = Annotated[
    Path, typer.Argument(metavar="WORDS", help="A list: a word a line, or CSV with `word`.", rich_help_panel="What")
]
_batch = partial(typer.Argument, metavar="BATCH", help="Only the batch of this id.", rich_help_panel="What")
BatchArgument = Annotated[str | None, _batch(autocompletion=completion.batches)]
CancelledArgument = Annotated[str | None, _batch(autocompletion=completion.batches_in_flight)]
ComponentsOption = Annotated[
    str,
    _what(
        envvar=_env("COMPONENTS"),
        metavar="NAMES",
        help="default, all, or names: a,b,…",
        show_default=False,
        autocompletion=completion.components,
    ),
]
ModelOption = Annotated[str | None, _what(envvar=_env("MODEL"), metavar="NAME", help="OpenAI's model (gpt-6-luna).")]
LanguageOption = Annotated[
    str,
    _what(envvar=_env("LANGUAGE"), metavar="CODE", help="The words' language.", autocompletion=completion.languages),
]
ForceOption = Annotated[bool, _what("--force", envvar=_env("FORCE"), help="Ask again for what is stored.")]
StaleOption = Annotated[bool, _what("--stale", envvar=_env("STALE"), help="Ask again what other templates made.")]
CountOption = Annotated[
    list[str] | None,
    _what(
        "--count",
        envvar=_env("COUNT"),
        metavar="NAME=N",
        help="How many to ask for: synonyms=8.",
        autocompletion=completion.counts,
    ),
]
ScaleOption = Annotated[
    FrequencyScale,
    _what(
        "--frequency-scale",
        envvar=_env("FREQUENCY_SCALE"),
        metavar="ORDER",
        help="Band 1: common-first, or rare-first.",
        show_default=False,
    ),
]
TemplatesOption = Annotated[
    Path | None, _what("--templates", envvar=_env("TEMPLATES"), metavar="DIR", help="A folder of prompts of your own.")
]
RetryFailedOption = Annotated[bool, _what("--retry-failed", help="Give failed words another chance.")]

# ── where ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_checkpoint = partial(
    _where, "--checkpoint", "-c", envvar=_env("CHECKPOINT"), metavar="FILE", autocompletion=completion.checkpoints
)
CheckpointOption = Annotated[Path | None, _checkpoint(help="Its state (WORDS.checkpoint.json).")]
OnlyCheckpointOption = Annotated[Path | None, _checkpoint(help="The checkpoint (the only one here).")]
RequiredCheckpointOption = Annotated[Path, _checkpoint(help="The checkpoint.")]
MongoOption = Annotated[
    str | None,
    _where(envvar=_env("MONGO_URL", "MONGODB_URL"), metavar="URL", help="Your MongoDB; else a local one."),
]
DatabaseOption = Annotated[str | None, _where(envvar=_env("DATABASE"), metavar="NAME", help="Its name (floridify).")]
BaseUrlOption = Annotated[
    str | None, _where(envvar=_env("BASE_URL", "OPENAI_BASE_URL"), metavar="URL", help="Another service's address.")
]
SandboxOption = Annotated[bool, _where("--sandbox", envvar=_env("SANDBOX"), help="A local service; invented answers.")]
ConfigOption = Annotated[
    Path | None,
    _where("--floridify-config", envvar=_env("FLORIDIFY_CONFIG"), metavar="FILE", help="Floridify's config.toml."),
]

# ── money ──────────────────────────────────────────────────────────────────────────────────────────────────────────

DryRunOption = Annotated[bool, _money("--dry-run", envvar=_env("DRY_RUN"), help="Show the cost; send nothing.")]
YesOption = Annotated[bool, _money("--yes", "-y", envvar=_env("YES"), help="Do not ask before spending.")]
ImmediateOption = Annotated[bool, _money("--immediate", envvar=_env("IMMEDIATE"), help="Ask at once, at full price.")]
MaxCostOption = Annotated[
    str | None, _money(envvar=_env("MAX_COST"), metavar="USD", help="Send nothing beyond so many dollars.")
]
PriceOption = Annotated[
    str | None,
    _money(envvar=_env("PRICE"), metavar="RATES", help="Dollars a million tokens: in=0.05,out=0.25."),
]

# ── pace ───────────────────────────────────────────────────────────────────────────────────────────────────────────

BatchSizeOption = Annotated[
    int | None,
    _pace(
        "--batch-size",
        "-b",
        min=1,
        envvar=_env("BATCH_SIZE"),
        metavar="N",
        help="Words per batch; else all that fit.",
    ),
]
NoWaitOption = Annotated[bool, _pace("--no-wait", envvar=_env("NO_WAIT"), help="Do what can be done now, and leave.")]
AttemptsOption = Annotated[
    int, _pace(min=1, max=20, envvar=_env("MAX_ATTEMPTS"), metavar="N", help="Times that a request is tried.")
]
MaxBatchesOption = Annotated[
    int | None, _pace(min=1, envvar=_env("MAX_BATCHES"), metavar="N", help="Batches in flight (20).")
]
QueuedTokensOption = Annotated[
    int | None, _pace(min=1, envvar=_env("MAX_QUEUED_TOKENS"), metavar="N", help="Input tokens in flight.")
]
PollOption = Annotated[
    float | None,
    _pace(min=0.1, envvar=_env("POLL_INTERVAL"), metavar="SECONDS", help="Between two polls (60)."),
]
PatienceOption = Annotated[
    float | None,
    _pace(min=0.0, envvar=_env("PATIENCE"), metavar="SECONDS", help="To wait for MongoDB (600)."),
]
ConcurrencyOption = Annotated[
    int | None, _pace(min=1, max=1000, envvar=_env("CONCURRENCY"), metavar="N", help="Requests in flight (32).")
]
WorkersOption = Annotated[
    int | None, _pace(min=1, max=256, envvar=_env("WORKERS"), metavar="N", help="Processes for our own work (1).")
]
ClusterOption = Annotated[
    str | None, _pace(envvar=_env("CLUSTER"), metavar="ADDRESS", help="A Dask scheduler's address.")
]

# ── output ─────────────────────────────────────────────────────────────────────────────────────────────────────────

OutputOption = Annotated[
    str,
    _output(
        "--output",
        envvar=_env("OUTPUT"),
        metavar="HOW",
        help="auto, plain, json or quiet.",
        show_default=False,
        autocompletion=completion.outputs,
    ),
]
QuietOption = Annotated[
    bool, _output("--quiet", "-q", envvar=_env("QUIET"), help="Say only what goes wrong, and the end.")
]
JsonOption = Annotated[bool, _output("--json", help="One JSON object.")]
