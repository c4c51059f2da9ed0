"""The layouts that Floridify's database has had: told apart by what is there, so that it is written in kind. Pure.

Older databases differ in up to four traits, each for itself: `_id`s as strings; references to them as strings (often
while the `_id`s are ObjectIds); `words.language` for `words.languages`; entries in two collections for one.
A database that was carried over in part shows both sides of a trait. Then both are looked for, and what is new is
written like the newest document looked at; of equally new ones, like today's.

An id is a `DocId` in the program, and 24 hex digits or an ObjectId in the database.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from floridify_batch.components.change import Collection
from floridify_batch.words.entry import SYNTHESIS, DocId

if TYPE_CHECKING:
    from bson import ObjectId

type Document = Mapping[str, Any]

SYNTHESISED = "synthesized_dictionary_entries"
"""Where older databases have the entries that are made from all sources."""

PROVIDED = "provider_data"
"""Where older databases have the entries of the sources."""

ENTRY_COLLECTIONS: Mapping[str, Mapping[str, Any]] = {
    Collection.ENTRIES: {},
    SYNTHESISED: {"provider": SYNTHESIS},
    PROVIDED: {},
}
"""Every collection that has held entries, with the fields that its documents imply and do not have."""

REFERENCES = ("word_id", "definition_ids", "example_ids")
"""The fields by which it is told how documents refer to each other."""

SHOWN = ("languages", "language", "created_at", *REFERENCES)
"""The fields that are looked at."""

SAMPLE = 50
"""Documents that are looked at from each end of a collection.

In the order of `_id` strings come before ObjectIds, so that both are seen; what came last is seen in the order of
arrival, since ids that follow from something else tell no time.
"""

SAMPLED = (Collection.WORDS, Collection.DEFINITIONS, *ENTRY_COLLECTIONS)
"""The collections that are looked into."""


def in_language(language: str) -> dict[str, Any]:
    """The query for words of a language, in whichever field they have it."""
    return {"$or": [{"languages": language}, {"language": language}]}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a database spells ids and languages, and where it has entries. `both_…`: it does so in today's way, too."""

    string_ids: bool = False
    string_references: bool = False
    single_language: bool = False
    split_entries: bool = False
    both_ids: bool = False
    both_references: bool = False
    both_languages: bool = False
    both_entries: bool = False

    @property
    def language_field(self) -> str:
        """The field of a word that says its language."""
        return "language" if self.single_language else "languages"

    def of_language(self, language: str) -> dict[str, Any]:
        """The query for words of a language."""
        if self.both_languages:
            return in_language(language)
        return {self.language_field: language}

    def language_fields(self, language: str) -> dict[str, Any]:
        """What a new word says of its language."""
        return {"language": language} if self.single_language else {"languages": [language]}

    @property
    def entry_collections(self) -> tuple[str, ...]:
        """Where entries are read: first where ours are written."""
        older, today = (SYNTHESISED, PROVIDED), (str(Collection.ENTRIES),)
        if self.both_entries:
            return (*older, *today) if self.split_entries else (*today, *older)
        return older if self.split_entries else today

    def home(self, collection: str) -> str:
        """Where new documents of a collection are written; those of entries are ours."""
        return SYNTHESISED if collection == Collection.ENTRIES and self.split_entries else str(collection)

    def homes(self, collection: str) -> tuple[str, ...]:
        """Where documents of ours that are there may be. A change that is sent to all meets its document in one."""
        if collection == Collection.ENTRIES and self.both_entries:
            return (str(Collection.ENTRIES), SYNTHESISED)
        return (self.home(collection),)

    def with_ids(self, ids: Iterable[Any]) -> dict[str, Any]:
        """A condition that these `_id`s meet, in each spelling that the database has."""
        return {"$in": _spellings(ids, self.string_ids, self.both_ids)}

    def referring_to(self, ids: Iterable[Any]) -> dict[str, Any]:
        """A condition that references to these ids meet, in each spelling that the database has."""
        return {"$in": _spellings(ids, self.string_references, self.both_references)}

    def unified[T](self, read: T) -> T:
        """What was read, with all ids as strings where the database spells one id in two ways; else as it is."""
        unlike = self.both_ids or self.both_references or self.string_ids != self.string_references
        return _as_strings(read) if unlike else read

    def describe(self) -> str:
        """One sentence for whoever starts a run; "" for today's layout."""
        traits = list(self._traits())
        if not traits:
            return ""
        return f"This database has an older layout of Floridify's, and is written in kind: {', '.join(traits)}."

    def _traits(self) -> Iterator[str]:
        yield from _trait(self.string_ids, self.both_ids, "ids as strings", "ids as ObjectIds")
        # Where the references are spelled as the ids are, they go without saying.
        if (self.string_ids, self.both_ids) != (self.string_references, self.both_references):
            spellings = ("references as strings", "references as ObjectIds")
            yield from _trait(self.string_references, self.both_references, *spellings) or spellings[1:]
        yield from _trait(self.single_language, self.both_languages, "`language` in words", "`languages`")
        older = f"entries in {SYNTHESISED} and {PROVIDED}"
        yield from _trait(self.split_entries, self.both_entries, older, str(Collection.ENTRIES))


def _trait(older: bool, both: bool, as_older: str, as_today: str) -> tuple[str, ...]:
    """What is to be said of a trait: nothing, where it is today's."""
    if both:
        return (f"{as_older} or {as_today}, new ones {'the former' if older else 'the latter'}",)
    return (as_older,) if older else ()


TODAY = Layout()
"""What Floridify makes now, and what an empty database gets."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """What one document says of a trait, and how new it is."""

    age: float
    older: bool


def detect(collections: Iterable[str], samples: Mapping[str, Sequence[Document]]) -> Layout:
    """The layout of a database of which the collections' names and some documents of each are known.

    Where nothing shows how documents refer to each other, they do so by the ids as these are spelled.
    """
    documents = [document for found in samples.values() for document in found]
    ids = [_sign(document, isinstance(document["_id"], str)) for document in documents]
    references = list(_reference_signs(documents)) or ids
    languages = list(_language_signs(samples.get(Collection.WORDS, ())))
    entries = [_sign(each, name != Collection.ENTRIES) for name in ENTRY_COLLECTIONS for each in samples.get(name, ())]
    names = set(collections)
    # Floridify makes its collections before it has anything to put into them.
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


def _sign(document: Document, older: bool) -> _Sign:
    made = document.get("created_at")
    return _Sign(made.timestamp() if isinstance(made, datetime) else float("-inf"), older)


def _reference_signs(documents: Iterable[Document]) -> Iterator[_Sign]:
    for document in documents:
        for name in REFERENCES:
            value = document.get(name)
            for each in value if isinstance(value, list) else [value]:
                if each is not None:
                    yield _sign(document, isinstance(each, str))


def _language_signs(words: Iterable[Document]) -> Iterator[_Sign]:
    for word in words:
        if word.get("languages") or word.get("language"):
            yield _sign(word, not word.get("languages"))


def _newest(signs: Iterable[_Sign]) -> bool:
    """Whether the newest document is of the older kind."""
    newest = max(signs, key=lambda sign: (sign.age, not sign.older), default=None)
    return newest is not None and newest.older


def _both(signs: Iterable[_Sign]) -> bool:
    return len({sign.older for sign in signs}) > 1


# ── ids ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def spelled(identity: Any, *, as_string: bool) -> Any:
    """An id as the database holds it."""
    if as_string:
        return str(identity)
    object_id = _object_id()
    # What was read may be no id at all; then it is what it is. Ids of our own need no second look.
    return object_id(identity) if isinstance(identity, DocId) or object_id.is_valid(identity) else identity


def _spellings(ids: Iterable[Any], as_string: bool, both: bool) -> list[Any]:
    ways = (as_string, not as_string) if both else (as_string,)
    return [spelled(each, as_string=way) for each in ids for way in ways]


def _as_strings(value: Any) -> Any:
    if isinstance(value, _object_id()):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _as_strings(each) for key, each in value.items()}
    return [_as_strings(each) for each in value] if isinstance(value, list) else value


@cache
def _object_id() -> "type[ObjectId]":
    from bson import ObjectId

    return ObjectId
