"""Options that `run` and `resume` share, declared once as the fields of a record."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from itertools import chain
from typing import Any

from floridify_batch.cli.options import (
    AcceptDatabaseOption,
    ClusterOption,
    ConcurrencyOption,
    ConfigOption,
    DetailsOption,
    FaultOption,
    LogFileOption,
    LookupOption,
    MaxBatchesOption,
    MaxCostOption,
    MongoOption,
    NoPreflightOption,
    NotifyOption,
    NoWaitOption,
    OutputOption,
    PatienceOption,
    PollOption,
    PriceOption,
    QueuedTokensOption,
    QuietOption,
    RequestOption,
    WorkersOption,
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a session: of the one that starts a run, and of each one that resumes it."""

    no_wait: NoWaitOption = False
    max_batches: MaxBatchesOption = None
    max_queued_tokens: QueuedTokensOption = None
    max_cost: MaxCostOption = None
    price: PriceOption = None
    poll_interval: PollOption = None
    patience: PatienceOption = None
    lookup_seconds: LookupOption = None
    concurrency: ConcurrencyOption = None
    workers: WorkersOption = None
    cluster: ClusterOption = None
    details: DetailsOption = False
    notify: NotifyOption = None
    no_preflight: NoPreflightOption = False
    accept_database: AcceptDatabaseOption = False
    request_option: RequestOption = None
    fault: FaultOption = None
    mongo_url: MongoOption = None
    floridify_config: ConfigOption = None
    log_file: LogFileOption = None
    output: OutputOption = "auto"
    quiet: QuietOption = False

    def execution_settings(self) -> dict[str, Any]:
        """The settings of limits, concurrency and requests that were given, by name. Raises `UsageError`."""
        names = ("max_batches", "max_queued_tokens", "patience", "lookup_seconds", "concurrency", "workers", "cluster")
        settings = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.no_preflight:
            settings["preflight"] = False
        if self.request_option is None:
            return settings
        from floridify_batch.components.model_profile import request_options_named

        return settings | {"request_options": request_options_named(self.request_option)}

    def cost_settings(self) -> dict[str, Any]:
        """The cost limit and the price that were given, by their names in `RunSettings`. Raises `UsageError`."""
        from floridify_batch.costs.price import dollars_named, price_named

        limit = {} if self.max_cost is None else {"max_cost": dollars_named("--max-cost", self.max_cost)}
        return limit if self.price is None else limit | {"price": price_named(self.price)}

    def faults(self) -> tuple[str, ...]:
        """The faults that a sandbox injects in this session. Raises `UsageError`."""
        if self.fault is None:
            return ()
        from floridify_batch.sandbox.fault import Faults

        Faults.parse(self.fault)
        return tuple(self.fault)


_PLACEHOLDER = "options"


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `options` by one parameter per field of `RunOptions`, which is what Typer reads."""
    names = {field.name for field in fields(RunOptions)}

    @wraps(command)
    def wrapped(**arguments: Any) -> None:
        shared = {name: arguments.pop(name) for name in names & arguments.keys()}
        command(**arguments, **{_PLACEHOLDER: RunOptions(**shared)})

    own = inspect.signature(command, eval_str=True).parameters.values()
    shared = inspect.signature(RunOptions, eval_str=True).parameters.values()
    parameters = chain.from_iterable(shared if each.name == _PLACEHOLDER else [each] for each in own)
    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    vars(wrapped)["__signature__"] = inspect.Signature(keyword_only)
    wrapped.__annotations__ = {each.name: each.annotation for each in keyword_only}
    return wrapped
