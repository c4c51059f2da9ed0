"""The resources of a run: service, database and sandbox, opened from its settings, and closed."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path

from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.costs.usage import FLEX
from floridify_batch.database.connection import Place, opened_database
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import DatabaseError, UsageError
from floridify_batch.providers.immediate import SYNC_EVERY, ImmediateBatches
from floridify_batch.providers.interface import Batches, TransferProgress, ignore_transfer
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.providers.preflight import PreflightBatches
from floridify_batch.retry import LONGEST_HELD, POLL_ATTEMPTS
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.run_settings import RunSettings
from floridify_batch.timing import Notify, ignore

SANDBOX_FOLDER = "batch-synth-sandbox"
"""The folder of a sandbox's state, beside the checkpoint."""

_HIDDEN = "***@"
"""Replaces user name and password in an address."""

_HARMLESS = frozenset(
    {
        "appname",
        "authmechanism",
        "authsource",
        "compressors",
        "connecttimeoutms",
        "directconnection",
        "loadbalanced",
        "maxpoolsize",
        "readpreference",
        "replicaset",
        "retryreads",
        "retrywrites",
        "serverselectiontimeoutms",
        "sockettimeoutms",
        "ssl",
        "tls",
        "tlscafile",
        "w",
    }
)
"""Options of a database address that are not secret; all others are kept out of checkpoints and messages."""

_SANDBOX_KEY = "sandbox"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Credentials, which a checkpoint never holds: the API key, and the database address with its password."""

    api_key: str | None
    mongo_url: str | None = None


def redacted_url(url: str | None) -> str | None:
    """Redact an address for the checkpoint: remove user name, password and options that may be secret."""
    if url is None:
        return None
    scheme, slashes, rest = url.partition("://")
    address, mark, query = rest.partition("?")
    if "@" not in address and "@" in query:  # an unencoded password may contain a "?"
        address, mark, query = rest, "", ""
    _, at, host = address.rpartition("@")
    options = [option for option in query.split("&") if option.partition("=")[0].lower() in _HARMLESS]
    secret = bool(at) or (bool(query) and len(options) < len(query.split("&")))
    return f"{scheme}{slashes}{_HIDDEN}{host}{mark}{'&'.join(options)}" if secret else url


def address_elsewhere(settings: RunSettings, secrets: Secrets) -> str | None:
    """Return the address of the database, without its password, where another one is named than the run has used."""
    named = redacted_url(secrets.mongo_url)
    return None if named == settings.mongo_url else named


def _mongo_url(settings: RunSettings, secrets: Secrets) -> str | None:
    url = secrets.mongo_url or settings.mongo_url
    if url and _HIDDEN in url:
        raise DatabaseError(
            f"The checkpoint does not contain the password of the database {url}; pass --mongo-url, or set MONGODB_URL."
        )
    return url


@dataclass(frozen=True, slots=True)
class Resources:
    """The service, the sandbox and the database of a run, opened from its settings.

    `sandbox_seconds`: how long a sandbox's batches take; `faults`: those that it injects. `notify` receives the
    addresses of started servers, `on_wait` the reason for each wait.
    """

    settings: RunSettings
    secrets: Secrets
    checkpoint: Checkpoint
    sandbox_seconds: float = 0.0
    notify: Notify = ignore
    on_wait: Notify = ignore
    faults: Sequence[str] = ()

    @property
    def place(self) -> Place:
        """The location of the database. Raises `DatabaseError` if its address lacks the password."""
        return Place(_mongo_url(self.settings, self.secrets), self.settings.database, self.checkpoint.path.parent)

    @asynccontextmanager
    async def opened_store(self) -> AsyncIterator[MongoStore]:
        """Open the user's database, or a local one beside the checkpoint if none is named. Raises `DatabaseError`."""
        async with opened_database(self.place, self.notify, self.on_wait, self.settings.patience) as store:
            store.reads_edits = self.settings.force or self.settings.stale
            store.reads_examples = SynthesisComponent.JUDGEMENT in self.settings.components
            yield store

    @contextmanager
    def service(self, *, join: bool = False) -> Iterator[tuple[str, str | None]]:
        """Yield the API key and the base URL; with `--sandbox`, start a sandbox for this command.

        `join`: use a sandbox that another command has started; it ends with that command.
        """
        if not self.settings.sandbox:
            if self.faults:
                raise UsageError("--fault applies to runs with --sandbox only.")
            yield required_key(self.secrets), self.settings.base_url
            return
        parent, seconds = self.sandbox_folder.parent, self.sandbox_seconds
        with sandbox_service(parent, self.notify, seconds, faults=self.faults, join=join) as served:
            yield served

    @property
    def sandbox_folder(self) -> Path:
        """The folder of the state of this run's sandbox."""
        return self.checkpoint.path.absolute().parent / SANDBOX_FOLDER

    @asynccontextmanager
    async def opened_batches(
        self, key: str, base_url: str | None, moving: TransferProgress = ignore_transfer, notice: Notify = ignore
    ) -> AsyncIterator[Batches]:
        """Open the batch client, or the immediate one. Raises `ServiceError` if the service refuses the account.

        `notice` receives sentences about odd replies to immediate requests.
        """
        settings = self.settings

        def immediate(sync_every: int = SYNC_EVERY) -> ImmediateBatches:
            flex = settings.service_tier == FLEX
            connector = OpenAIConnector(
                key, settings.model, base_url=base_url, concurrency=settings.concurrency, flex=flex
            )
            connector.waiting = self.on_wait
            if settings.immediate:  # without, a preflight that is not answered costs nothing but itself
                connector.longest_pause = LONGEST_HELD
            opened = ImmediateBatches(connector, self.checkpoint.folder, sync_every=sync_every)
            opened.notice = notice
            return opened

        if settings.immediate:
            batches: Batches = immediate()
        else:
            # Unlimited patience: outages are to be expected within a day.
            service = OpenAIBatches(key, base_url=base_url, patience=inf, waiting=self.on_wait, moving=moving)
            service.poll_attempts = POLL_ATTEMPTS
            batches = PreflightBatches(service, partial(immediate, sync_every=1))
        try:
            if not settings.immediate:
                await service.check()
            yield batches
        finally:
            await batches.close()


@contextmanager
def sandbox_service(
    parent: Path, notify: Notify, seconds: float, *, faults: Sequence[str] = (), join: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield the API key and the base URL of a sandbox whose state is in this folder; see `Resources.service`."""
    from floridify_batch.sandbox.process import running_sandbox, served_at

    folder = parent / SANDBOX_FOLDER
    running = served_at(folder) if join else None
    if running:
        yield _SANDBOX_KEY, running
        return
    with running_sandbox(folder, seconds=seconds, faults=faults) as url:
        notify(f"Sandbox at {url}")
        yield _SANDBOX_KEY, url


def required_key(secrets: Secrets) -> str:
    """Return the API key. Raises `UsageError` if there is none."""
    if not secrets.api_key:
        raise UsageError("No API key. Set OPENAI_API_KEY, or add --sandbox to try without one.")
    return secrets.api_key
