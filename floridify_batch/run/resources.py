"""The parts of a run, built from its settings: service, database, sandbox. Whatever is opened here is closed here."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

from floridify_batch.database.connection import Place, opened_database
from floridify_batch.database.store import MongoStore
from floridify_batch.errors import CheckpointError, DatabaseError, UsageError
from floridify_batch.pipeline.plan import Brief
from floridify_batch.providers.immediate import ImmediateBatches
from floridify_batch.providers.interface import Batches, TransferProgress, ignore_transfer
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.settings import RunInfo, RunSettings
from floridify_batch.timing import Notify

SANDBOX_FOLDER = "batch-synth-sandbox"
"""Folder beside the checkpoint that holds the state of a sandbox."""

_HIDDEN = "***@"
"""Stands in a checkpoint where the address had a name and password."""

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
"""Options of a database's address that say nothing secret; others are kept out of checkpoints and messages."""

_SANDBOX_KEY = "sandbox"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a checkpoint never holds: the key, and an address with its password."""

    api_key: str | None
    mongo_url: str | None = None


def redacted_url(url: str | None) -> str | None:
    """An address as a checkpoint may hold it: without name and password, and without options that may be secret."""
    if url is None:
        return None
    scheme, slashes, rest = url.partition("://")
    address, mark, query = rest.partition("?")
    if "@" not in address and "@" in query:  # a "?" may stand in a password that was not encoded
        address, mark, query = rest, "", ""
    _, at, host = address.rpartition("@")
    options = [option for option in query.split("&") if option.partition("=")[0].lower() in _HARMLESS]
    secret = bool(at) or (bool(query) and len(options) < len(query.split("&")))
    return f"{scheme}{slashes}{_HIDDEN}{host}{mark}{'&'.join(options)}" if secret else url


def check_same_database(settings: RunSettings, secrets: Secrets) -> None:
    """Make sure that a run goes on where it began: its answers are about that database's documents.

    Raises `CheckpointError` where another database is named now.
    """
    named = redacted_url(secrets.mongo_url)
    if named is None or named == settings.mongo_url:
        return
    began = settings.mongo_url or "the local MongoDB beside its checkpoint"
    raise CheckpointError(
        f"This run was begun on {began}, and --mongo-url (MONGODB_URL) names {named} now. "
        "Go on without it, or name another --checkpoint to begin a run there."
    )


def _mongo_url(settings: RunSettings, secrets: Secrets) -> str | None:
    url = secrets.mongo_url or settings.mongo_url
    if url and _HIDDEN in url:
        raise DatabaseError(
            f"The checkpoint names the database {url} without its password; give --mongo-url, or set MONGODB_URL."
        )
    return url


@asynccontextmanager
async def opened_store(
    settings: RunSettings, secrets: Secrets, checkpoint: Checkpoint, notify: Notify, waiting: Notify
) -> AsyncIterator[MongoStore]:
    """The user's database, or one of our own beside the checkpoint where none is named. Raises `DatabaseError`."""
    async with opened_database(place_of(settings, secrets, checkpoint), notify, waiting, settings.patience) as store:
        yield store


def place_of(settings: RunSettings, secrets: Secrets, checkpoint: Checkpoint) -> Place:
    """The location of a run's database. Raises `DatabaseError` where its address lacks the password."""
    return Place(_mongo_url(settings, secrets), settings.database, checkpoint.path.parent)


@contextmanager
def service(
    settings: RunSettings,
    secrets: Secrets,
    checkpoint: Checkpoint,
    notify: Notify,
    seconds: float,
    *,
    join: bool = False,
) -> Iterator[tuple[str, str | None]]:
    """The key and the address of the service: with `--sandbox`, one that is started for this command.

    `join`: a sandbox that runs for another command will do; it ends with that command.
    """
    if not settings.sandbox:
        yield required_key(secrets), settings.base_url
        return
    with sandbox_service(checkpoint.path.absolute().parent, notify, seconds, join=join) as served:
        yield served


@contextmanager
def sandbox_service(parent: Path, notify: Notify, seconds: float, *, join: bool = False) -> Iterator[tuple[str, str]]:
    """The key and the address of a sandbox that remembers in this folder; see `service`."""
    from floridify_batch.sandbox.process import running_sandbox, served_at

    folder = parent / SANDBOX_FOLDER
    running = served_at(folder) if join else None
    if running:
        yield _SANDBOX_KEY, running
        return
    with running_sandbox(folder, seconds=seconds) as url:
        notify(f"Sandbox started at {url}: nothing is sent to OpenAI, the answers are invented")
        yield _SANDBOX_KEY, url


def required_key(secrets: Secrets) -> str:
    """The key. Raises `UsageError` where there is none."""
    if not secrets.api_key:
        raise UsageError("There is no key: set OPENAI_API_KEY, or add --sandbox to try without one.")
    return secrets.api_key


@asynccontextmanager
async def opened_batches(
    settings: RunSettings,
    key: str,
    base_url: str | None,
    checkpoint: Checkpoint,
    waiting: Notify,
    moving: TransferProgress = ignore_transfer,
) -> AsyncIterator[Batches]:
    """The carrier of a run's requests. Raises `ServiceError` at once where the service cannot be used."""
    if settings.immediate:
        connector = OpenAIConnector(key, settings.model, base_url=base_url, concurrency=settings.concurrency)
        batches: Batches = ImmediateBatches(connector, checkpoint.folder)
    else:
        # Patience without end: a day has outages.
        batches = OpenAIBatches(key, base_url=base_url, patience=inf, waiting=waiting, moving=moving)
    try:
        if isinstance(batches, OpenAIBatches):
            await batches.check()
        yield batches
    finally:
        await batches.close()


def run_info(settings: RunSettings, run_id: str, asked: Brief, words: int, list_digest: str) -> RunInfo:
    """Which run this is, and what it is tied to."""
    return RunInfo(
        id=run_id, settings=settings, words=words, list_digest=list_digest, template_digest=asked.template_digest
    )
