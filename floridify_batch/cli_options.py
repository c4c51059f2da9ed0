"""The options of the commands: their names, their twins in the environment, and what `--help` says of them."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

_WHAT, _WHERE, _PACE = "What", "Where", "Pace and money"


def _env(name: str, *more: str) -> str | list[str]:
    """The environment twin of an option, and other names that it answers to."""
    own = f"BATCH_SYNTH_{name}"
    return [own, *more] if more else own


_option = partial(typer.Option, show_envvar=False)  # every option has one; listing them would double the help


class FrequencyScale(StrEnum):
    """Which end of the frequency bands is 1."""

    COMMON_FIRST = "common-first"
    RARE_FIRST = "rare-first"


WordsArgument = Annotated[Path, typer.Argument(help="The word list: a word a line, or CSV with a `word` column.")]
CheckpointOption = Annotated[
    Path | None,
    _option("--checkpoint", "-c", envvar=_env("CHECKPOINT"), help="The checkpoint file.", rich_help_panel=_WHERE),
]
RequiredCheckpointOption = Annotated[
    Path, _option("--checkpoint", "-c", envvar=_env("CHECKPOINT"), help="The checkpoint file.")
]
ComponentsOption = Annotated[
    str, _option(envvar=_env("COMPONENTS"), help="default, all, or names: a,b,…", rich_help_panel=_WHAT)
]
ModelOption = Annotated[
    str | None, _option(envvar=_env("MODEL"), help="OpenAI's model (gpt-6-luna).", rich_help_panel=_WHAT)
]
LanguageOption = Annotated[str, _option(envvar=_env("LANGUAGE"), help="The words' language.", rich_help_panel=_WHAT)]
ForceOption = Annotated[
    bool, _option("--force", envvar=_env("FORCE"), help="Ask again for what is stored.", rich_help_panel=_WHAT)
]
StaleOption = Annotated[
    bool,
    _option("--stale", envvar=_env("STALE"), help="Ask again what other templates made.", rich_help_panel=_WHAT),
]
CountOption = Annotated[
    list[str] | None,
    _option("--count", envvar=_env("COUNT"), help="How many: synonyms=8.", rich_help_panel=_WHAT),
]
ScaleOption = Annotated[
    FrequencyScale,
    _option("--frequency-scale", envvar=_env("FREQUENCY_SCALE"), help="Which band is 1.", rich_help_panel=_WHAT),
]
TemplatesOption = Annotated[
    Path | None,
    _option("--templates", envvar=_env("TEMPLATES"), help="A folder of your own.", rich_help_panel=_WHAT),
]
BatchSizeOption = Annotated[
    int | None,
    _option("--batch-size", "-b", min=1, envvar=_env("BATCH_SIZE"), help="Words per batch.", rich_help_panel=_PACE),
]
DryRunOption = Annotated[
    bool,
    _option("--dry-run", envvar=_env("DRY_RUN"), help="Show the cost; send nothing.", rich_help_panel=_PACE),
]
ImmediateOption = Annotated[
    bool,
    _option("--immediate", envvar=_env("IMMEDIATE"), help="Ask at once, at full price.", rich_help_panel=_PACE),
]
YesOption = Annotated[
    bool, _option("--yes", "-y", envvar=_env("YES"), help="Do not ask before spending.", rich_help_panel=_PACE)
]
NoWaitOption = Annotated[
    bool,
    _option("--no-wait", envvar=_env("NO_WAIT"), help="Do what can be done now, leave.", rich_help_panel=_PACE),
]
AttemptsOption = Annotated[
    int,
    _option(min=1, max=20, envvar=_env("MAX_ATTEMPTS"), help="Tries for a request.", rich_help_panel=_PACE),
]
PollOption = Annotated[
    float | None,
    _option(min=0.1, envvar=_env("POLL_INTERVAL"), help="Seconds between polls (60).", rich_help_panel=_PACE),
]
MaxBatchesOption = Annotated[
    int | None,
    _option(min=1, envvar=_env("MAX_BATCHES"), help="Batches in flight (20).", rich_help_panel=_PACE),
]
QueuedTokensOption = Annotated[
    int | None,
    _option(min=1, envvar=_env("MAX_QUEUED_TOKENS"), help="Input tokens in flight.", rich_help_panel=_PACE),
]
ConcurrencyOption = Annotated[
    int | None,
    _option(min=1, max=1000, envvar=_env("CONCURRENCY"), help="Requests in flight (32).", rich_help_panel=_PACE),
]
WorkersOption = Annotated[
    int | None,
    _option(min=1, max=256, envvar=_env("WORKERS"), help="Processes for our own work (1).", rich_help_panel=_PACE),
]
ClusterOption = Annotated[
    str | None,
    _option(envvar=_env("CLUSTER"), help="A Dask scheduler's address.", rich_help_panel=_PACE),
]
PatienceOption = Annotated[
    float | None,
    _option(min=0.0, envvar=_env("PATIENCE"), help="Seconds to wait for MongoDB (600).", rich_help_panel=_PACE),
]
MaxCostOption = Annotated[
    str | None,
    _option(envvar=_env("MAX_COST"), help="Send nothing beyond so many dollars.", rich_help_panel=_PACE),
]
PriceOption = Annotated[
    str | None,
    _option(envvar=_env("PRICE"), help="Dollars a million: in=0.05,out=0.25.", rich_help_panel=_PACE),
]
RetryFailedOption = Annotated[
    bool, _option("--retry-failed", help="Give failed words another chance.", rich_help_panel=_WHAT)
]
MongoOption = Annotated[
    str | None,
    _option(envvar=_env("MONGO_URL", "MONGODB_URL"), help="Your MongoDB; else a local one.", rich_help_panel=_WHERE),
]
DatabaseOption = Annotated[
    str | None, _option(envvar=_env("DATABASE"), help="Its name (floridify).", rich_help_panel=_WHERE)
]
ConfigOption = Annotated[
    Path | None,
    _option(
        "--floridify-config", envvar=_env("FLORIDIFY_CONFIG"), help="Floridify's config.toml.", rich_help_panel=_WHERE
    ),
]
BaseUrlOption = Annotated[
    str | None,
    _option(envvar=_env("BASE_URL", "OPENAI_BASE_URL"), help="Another service's address.", rich_help_panel=_WHERE),
]
SandboxOption = Annotated[
    bool,
    _option("--sandbox", envvar=_env("SANDBOX"), help="A local service; invented answers.", rich_help_panel=_WHERE),
]
