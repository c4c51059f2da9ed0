"""The port to the database: where entries are read and changes are written. `MongoStore` is behind it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from floridify_batch.components.change import Update, Writes
from floridify_batch.costs.answer_length import Observed
from floridify_batch.words.entry import DocId, Entry, Word, unknown_entry

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

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """The entries of each text in one language: one per homograph, or the one that an unknown word will get."""
        ...

    async def observed(self, model: str) -> dict[tuple[str, str], Observed]:
        """Return the lengths of a model's stored answers, by component and template."""
        ...


class EntryStore(EntryReader, Protocol):
    """A store that also writes changes."""

    @property
    def name(self) -> str:
        """The name of the database."""
        ...

    async def ensure_indexes(self) -> None:
        """Create the indexes by which entries are found, if they are missing."""

    async def ensure_words(self, words: Iterable[Word]) -> None:
        """Make the documents of words that do not exist yet, so that every id in a request names one."""

    async def apply(self, writes: Writes) -> None:
        """Write what answers change; writing it again changes nothing."""

    async def update(self, updates: Sequence[Update]) -> None:
        """Write new values that no answer brought."""

    async def observe(self, seen: Mapping[DocId, tuple[str, Observed]]) -> None:
        """Note at the stamps that are there which component a batch's answers were of, and how long they were."""


class NoDatabase:
    """A database that does not exist: every word is unknown."""

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """Every word as one of which nothing is known."""
        return {text: [unknown_entry(text, language)] for text in texts}

    async def observed(self, model: str) -> dict[tuple[str, str], Observed]:  # noqa: ARG002  nothing is known of any
        """Nothing was ever answered."""
        return {}
