"""The layouts of Floridify's database, detected from its documents; writes use the same layout. Pure.

Older databases differ in up to four independent traits: `_id`s as strings; references to them as strings (often while
the `_id`s are ObjectIds); `words.language` for `words.languages`; entries in two collections for one. A database that
was migrated in part shows both variants of a trait. Then both are searched, and new documents are written like the
newest sampled document; if equally new, like today's.

An id is a `DocId` in the program, and 24 hex digits or an ObjectId in the database.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection, SchemaVersion
from floridify_batch.words.entry import SYNTHESIS, DocId, is_id
from floridify_batch.words.language import database_language

if TYPE_CHECKING:
    from bson import ObjectId

type Document = Mapping[str, Any]

SYNTHESISED = "synthesized_dictionary_entries"
"""The collection of synthesis entries in older databases."""

PROVIDED = "provider_data"
"""The collection of the sources' entries in older databases."""

ENTRY_COLLECTIONS: Mapping[str, Mapping[str, Any]] = {
    Collection.ENTRIES: {},
    SYNTHESISED: {"provider": SYNTHESIS},
    PROVIDED: {},
}
"""Every collection that has held entries, with the fields that its documents imply and do not have."""

STAMPS = "synthesis_stamps"
"""The collection of our stamps."""

REFERENCES = ("word_id", "definition_ids", "example_ids")
"""The fields from which the spelling of references is detected."""

SHOWN = ("languages", "language", "created_at", *REFERENCES)
"""The fields that are sampled."""

SAMPLE = 50
"""The number of documents that are sampled from each end of a collection.

In `_id` order strings precede ObjectIds, so that both are seen; the latest documents are seen in natural order, since
derived ids do not encode time.
"""

SAMPLED = (Collection.WORDS, Collection.DEFINITIONS, *ENTRY_COLLECTIONS)
"""The collections that are sampled."""


def with_text(condition: Document) -> dict[str, Any]:
    """The query for words whose text fulfils a condition; one whose text is a list would match by its items."""
    return {"text": {**condition, "$not": {"$type": "array"}}}


def in_language(language: str) -> dict[str, Any]:
    """The query for words of a language, in whichever field they have it."""
    tags = _stored_tags(language)
    return {"$or": [{"languages": tags}, {"language": tags}]}


def _stored_tags(language: str) -> Any:
    """A condition for a language: as we store it, or as earlier versions did, with its region."""
    stored = database_language(language)
    return stored if stored == language else {"$in": [stored, language]}


@dataclass(frozen=True, slots=True)
class Layout:
    """The traits of a database's layout. `both_…`: documents with today's variant exist, too."""

    string_ids: bool = False
    string_references: bool = False
    single_language: bool = False
    split_entries: bool = False
    both_ids: bool = False
    both_references: bool = False
    both_languages: bool = False
    both_entries: bool = False

    @property
    def schema(self) -> SchemaVersion:
        """The version of Floridify's models that reads the database."""
        return SchemaVersion.JULY_2025 if self.split_entries else SchemaVersion.TODAY

    @property
    def language_field(self) -> str:
        """The language field of a word."""
        return "language" if self.single_language else "languages"

    def of_language(self, language: str) -> dict[str, Any]:
        """The query for words of a language."""
        if self.both_languages:
            return in_language(language)
        return {self.language_field: _stored_tags(language)}

    def language_fields(self, language: str) -> dict[str, Any]:
        """The language field of a new word."""
        stored = database_language(language)
        return {"language": stored} if self.single_language else {"languages": [stored]}

    @property
    def entry_collections(self) -> tuple[str, ...]:
        """The collections of entries; first the one that we write to."""
        older, today = (SYNTHESISED, PROVIDED), (str(Collection.ENTRIES),)
        if self.both_entries:
            return (*older, *today) if self.split_entries else (*today, *older)
        return older if self.split_entries else today

    def own_collection(self, collection: str) -> str:
        """The collection for new documents; of entries, that of synthesis entries."""
        return SYNTHESISED if collection == Collection.ENTRIES and self.split_entries else str(collection)

    def own_collections(self, collection: str) -> tuple[str, ...]:
        """The collections that may hold a document of ours; an update is sent to all, and matches in one."""
        if collection == Collection.ENTRIES and self.both_entries:
            return (str(Collection.ENTRIES), SYNTHESISED)
        return (self.own_collection(collection),)

    def with_ids(self, ids: Iterable[Any]) -> dict[str, Any]:
        """A condition for these `_id`s, in each spelling that the database has."""
        return {"$in": _spellings(ids, self.string_ids, self.both_ids)}

    def referring_to(self, ids: Iterable[Any]) -> dict[str, Any]:
        """A condition for references to these ids, in each spelling that the database has."""
        return {"$in": _spellings(ids, self.string_references, self.both_references)}

    def unified[T](self, read: T) -> T:
        """Documents as read; with all ids as strings where the database spells one id in two ways."""
        unlike = self.both_ids or self.both_references or self.string_ids != self.string_references
        return as_strings(read) if unlike else read

    def describe(self) -> str:
        """A sentence about the layout for the user; "" for today's."""
        traits = list(self._traits())
        if not traits:
            return ""
        return f"This database has an older layout of Floridify, which is kept: {', '.join(traits)}."

    def _traits(self) -> Iterator[str]:
        yield from _trait(self.string_ids, self.both_ids, "IDs are strings", "ObjectIds")
        # References that are spelled like ids are not mentioned.
        if (self.string_ids, self.both_ids) != (self.string_references, self.both_references):
            spellings = ("references are strings", "ObjectIds")
            yield from _trait(self.string_references, self.both_references, *spellings) or ("references are ObjectIds",)
        yield from _trait(self.single_language, self.both_languages, "`language` in words", "`languages`")
        older = f"entries in {SYNTHESISED} and {PROVIDED}"
        yield from _trait(self.split_entries, self.both_entries, older, str(Collection.ENTRIES))


def _trait(older: bool, both: bool, as_older: str, as_today: str) -> tuple[str, ...]:
    """The description of a trait; none for today's."""
    if both:
        in_new = " and in new documents"
        return (f"{as_older} in part{in_new if older else ''}, {as_today} elsewhere{'' if older else in_new}",)
    return (as_older,) if older else ()


TODAY = Layout()
"""The layout of today's Floridify, and of an empty database."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Evidence of a trait in one document, with its age."""

    age: float
    older: bool
    document: Any = None


def detect(collections: Iterable[str], samples: Mapping[str, Sequence[Document]]) -> Layout:
    """Detect the layout from the names of the collections and samples of their documents.

    Without any reference in the samples, references are assumed to be spelled like ids.
    """
    documents = [document for found in samples.values() for document in found]
    ids = [_evidence(document, isinstance(document["_id"], str)) for document in documents]
    references = list(_reference_evidence(documents)) or ids
    languages = list(_language_evidence(samples.get(Collection.WORDS, ())))
    entries = [
        _evidence(each, name != Collection.ENTRIES) for name in ENTRY_COLLECTIONS for each in samples.get(name, ())
    ]
    names = set(collections)
    # Floridify creates its collections before their first documents.
    split = _newest(entries) if entries else Collection.ENTRIES not in names and bool(names & {SYNTHESISED, PROVIDED})
    return Layout(
        string_ids=_newest(ids),
        string_references=_newest(references),
        single_language=_newest(languages),
        split_entries=split,
        both_ids=_both(ids),
        both_references=_both(references),
        both_languages=_both(languages),
        both_entries=_both(entries),
    )


def _evidence(document: Document, older: bool) -> _Evidence:
    made = document.get("created_at")
    return _Evidence(made.timestamp() if isinstance(made, datetime) else float("-inf"), older, document["_id"])


def _reference_evidence(documents: Iterable[Document]) -> Iterator[_Evidence]:
    for document in documents:
        for name in REFERENCES:
            value = document.get(name)
            for each in value if isinstance(value, list) else [value]:
                if each is not None and not _is_no_id(each):
                    yield _evidence(document, isinstance(each, str))


def _is_no_id(value: Any) -> bool:
    """Whether a value is a text that no layout has as an id: it is an error in its document."""
    return isinstance(value, str) and not is_id(value, any_case=True)


def _language_evidence(words: Iterable[Document]) -> Iterator[_Evidence]:
    for word in words:
        if word.get("languages") or word.get("language"):
            yield _evidence(word, not word.get("languages"))


def _newest(evidence: Iterable[_Evidence]) -> bool:
    """Whether the newest document has the older variant; not if it is the only one of several: it is an error then."""
    signs = list(evidence)
    newest = max(signs, key=lambda sign: (sign.age, not sign.older), default=None)
    older, today = ({str(each.document) for each in signs if each.older is way} for way in (True, False))
    return newest is not None and newest.older and not (len(older) == 1 and len(today - older) >= _SEVERAL)


_SEVERAL = 3


def _both(evidence: Iterable[_Evidence]) -> bool:
    return len({sign.older for sign in evidence}) > 1


# ── ids ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def spelled(identity: Any, *, as_string: bool) -> Any:
    """An id in a spelling of the database."""
    if as_string:
        return str(identity)
    object_id = _object_id()
    # A value that cannot be an ObjectId stays as it is. Ids of our own need no check.
    return object_id(identity) if isinstance(identity, DocId) or object_id.is_valid(identity) else identity


def _spellings(ids: Iterable[Any], as_string: bool, both: bool) -> list[Any]:
    ways = (as_string, not as_string) if both else (as_string,)
    return [spelled(each, as_string=way) for each in ids for way in ways]


PLAIN = frozenset({type(None), str, int, float, bool, datetime})
"""Types of values that hold no ids; a `DocId` is a type of its own."""


def as_strings(value: Any) -> Any:
    """A value with all ObjectIds in it as strings."""
    if isinstance(value, dict):  # most values of a document are plain, and need no call
        return {key: each if type(each) in PLAIN else as_strings(each) for key, each in value.items()}
    if isinstance(value, list):
        return [each if type(each) in PLAIN else as_strings(each) for each in value]
    return str(value) if isinstance(value, _object_id()) else value


@cache
def _object_id() -> "type[ObjectId]":
    from bson import ObjectId

    return ObjectId
