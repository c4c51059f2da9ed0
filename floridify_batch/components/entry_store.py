"""The port to the database: protocols to read entries and to write changes. `MongoStore` implements them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from floridify_batch.components.change import SchemaVersion, Update, WriteOutcome, Writes
from floridify_batch.costs.answer_length import AnswerKind, BatchLengths, Observed, SenseCount
from floridify_batch.words.entry import DocId, Entry, FrequencyScale, Word, unknown_entry

SANDBOX_SUFFIX = "_sandbox"
"""The end of the names of databases that take the sandbox's invented answers."""


def is_sandbox_database(name: str) -> bool:
    """Whether a database takes invented answers."""
    return name.endswith(SANDBOX_SUFFIX)


def sandbox_database(name: str) -> str:
    """The sandbox's counterpart of a database."""
    return name if is_sandbox_database(name) else name + SANDBOX_SUFFIX


class EntryReader(Protocol):
    """A store that reads entries."""

    @property
    def schema(self) -> SchemaVersion:
        """The version of Floridify's models that reads the database."""
        ...

    async def band_scales(self) -> frozenset[FrequencyScale]:
        """The scales of the frequency bands that we have stored."""
        ...

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """The entries of each text in one language: one per homograph, or the one that an unknown word will get."""
        ...

    async def observed(self, model: str) -> dict[AnswerKind, Observed]:
        """Return the lengths of a model's stored answers, by their kind."""
        ...

    async def senses(self, model: str) -> SenseCount:
        """Return the number of senses that a model has defined, and of their words; of a large database, of a part."""
        ...


class EntryStore(EntryReader, Protocol):
    """A store that also writes changes."""

    @property
    def name(self) -> str:
        """The name of the database."""
        ...

    def locked(self, holder: str) -> AbstractAsyncContextManager[None]:
        """Hold the database's write lock. Writes raise `WriteLockLost` where another run has taken it over."""
        ...

    async def ensure_indexes(self) -> None:
        """Create the indexes by which entries are found, if they are missing."""

    async def ensure_words(self, words: Iterable[Word]) -> Mapping[DocId, str]:
        """Create the documents of new words, so that requests name existing ids; returns the refused ones."""

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write the changes of answers; an update that was applied before does not count. Idempotent.

        Raises `EditedMeanwhile` where a value was edited since it was read.
        """
        ...

    async def update(self, updates: Sequence[Update]) -> None:
        """Write new values that are not from an answer."""

    async def observe(self, seen: Mapping[DocId, BatchLengths]) -> None:
        """Record the component and the lengths of a batch's answers in its existing stamps."""

    async def stored_answers(self, run: str) -> int | None:
        """Return the number of answers that a run has stored in this database; None if the run never used it."""
        ...

    async def note_stored_answers(self, run: str, answers: int) -> None:
        """Raise the number of answers that a run has stored in this database. Idempotent."""


class NoDatabase:
    """A database that does not exist: every word is unknown."""

    schema = SchemaVersion.TODAY

    async def band_scales(self) -> frozenset[FrequencyScale]:
        """No scales: nothing is stored."""
        return frozenset()

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """Every word as an unknown one."""
        return {text: [unknown_entry(text, language)] for text in texts}

    async def observed(self, model: str) -> dict[AnswerKind, Observed]:  # noqa: ARG002  no model has stored answers
        """No lengths: nothing is stored."""
        return {}

    async def senses(self, model: str) -> SenseCount:  # noqa: ARG002  no model has stored answers
        """No senses: nothing is stored."""
        return SenseCount()
