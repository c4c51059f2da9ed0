"""Imported articles as Mongo writes: words, definitions, and one entry per word and source, in today's layout. Pure.

Ids are derived from content, so that an import is idempotent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from floridify_batch.database.document import encoded, new_word
from floridify_batch.words.article import Article, Pronunciation
from floridify_batch.words.entry import DocId, Word, blank_definition, derived_id, doc_id, unknown_entry
from floridify_batch.words.language import database_language

if TYPE_CHECKING:
    from pymongo import UpdateOne

type Document = dict[str, Any]

# ── words ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def words_found(documents: Iterable[Document], language: str) -> dict[str, dict[int | None, Word]]:
    """Existing words by spelling and homograph number; of two with the same number, the older one."""
    found: dict[str, dict[int | None, Word]] = {}
    for document in sorted(documents, key=lambda each: str(each["_id"])):
        number = document.get("homograph_number")
        word = Word(doc_id(document["_id"]), document["text"], language, number)
        found.setdefault(word.text, {}).setdefault(number, word)
    return found


def word_of(article: Article, homographs: dict[int | None, Word], language: str) -> Word:
    """The word of an article, among the homographs of its spelling; a new word is added to them.

    A source's etymology numbers become homograph numbers, unless the database has the spelling as one word without a
    number: that word takes all articles, since it may have entries and stamps. An article without a number belongs to
    that word, too, or else to the first homograph. Words of an earlier import of the same file make no difference, so
    that an article always finds the same word.
    """
    for number in (article.number, None):
        if number in homographs:
            return homographs[number]
    number = (article.number or 1) if homographs else article.number
    if number not in homographs:
        homographs[number] = _new_word(article.text, number, language)
    return homographs[number]


def _new_word(text: str, number: int | None, language: str) -> Word:
    """A new word; without a number, under the id that a word list would derive."""
    if number is None:
        return unknown_entry(text, language).word
    identity = derived_id("word", database_language(language), text, number)
    return Word(identity, text, language, number, stored=False)


def word_insert(word: Word, now: datetime) -> "UpdateOne":
    """Insert a word's document unless it exists."""
    return _insert(word.id, new_word(word) | {"homograph_number": word.homograph_number}, now)


# ── entries ────────────────────────────────────────────────────────────────────────────────────────────────────────


type Sense = tuple[str, str]
"""A part of speech and a definition's text, which together identify a definition of a source and word."""


@dataclass(slots=True)
class Draft:
    """The content of a source's articles about a word."""

    word: Word
    provider: str
    senses: list[Sense] = field(default_factory=list)
    etymology: str | None = None
    examples: dict[Sense, tuple[str, ...]] = field(default_factory=dict)
    pronunciation: Pronunciation | None = None

    @property
    def entry_id(self) -> DocId:
        """The id of the source's entry, if that does not exist yet."""
        return derived_id("entry", self.provider, self.word.id)


@dataclass(frozen=True, slots=True)
class Present:
    """An existing entry of a source. `senses` has the ids of definitions that were not imported by us.

    `illustrated` are the definitions that an earlier import gave examples, or that have some; `imported` are the
    definitions and the fields that earlier imports gave the entry, which people may have removed since.
    """

    id: DocId
    definitions: frozenset[DocId]
    has_etymology: bool
    senses: Mapping[Sense, DocId] = field(default_factory=dict)
    has_pronunciation: bool = False
    illustrated: frozenset[DocId] = frozenset()
    imported: frozenset[str] = frozenset()
    odd: str = ""
    """The reason why nothing can be added to the entry."""

    def had(self, name: str, *, now: bool) -> bool:
        """Whether the entry has a value `now`, or was given one by an earlier import."""
        return now or name in self.imported


@dataclass(slots=True)
class Writes:
    """The writes of a draft. `named` has the ids of all its senses, with repetitions.

    `examples` and `pronunciations` are documents that definitions and entries refer to. `removed` are the definitions
    that people have removed since an earlier import.
    """

    named: list[DocId]
    definitions: "list[UpdateOne]"
    entry: "UpdateOne | None"
    examples: "list[UpdateOne]"
    pronunciations: "list[UpdateOne]"
    removed: frozenset[DocId] = frozenset()


def drafted(articles: Iterable[tuple[Word, Article]]) -> list[Draft]:
    """Group articles by word and source, in their order."""
    drafts: dict[tuple[DocId, str], Draft] = {}
    for word, article in articles:
        draft = drafts.setdefault((word.id, article.provider), Draft(word, article.provider))
        draft.senses += [(article.part_of_speech, text) for text in article.definitions]
        draft.etymology = draft.etymology or article.etymology
        draft.pronunciation = draft.pronunciation or article.pronunciation
        for text, examples in article.examples:
            draft.examples.setdefault((article.part_of_speech, text), examples)
    return list(drafts.values())


def writes(draft: Draft, present: Present | None, now: datetime) -> Writes:
    """The writes that add a draft to an existing entry; existing definitions stay as they are, removed ones away."""
    entry = present.id if present else draft.entry_id
    theirs = present.senses if present else {}
    ids = {sense: theirs.get(sense) or _definition_id(draft, sense) for sense in draft.senses}
    gone = present.imported.intersection(ids.values()) - present.definitions if present else ()
    removed = frozenset(each for each in ids.values() if each in gone)
    definitions, examples = list["UpdateOne"](), list["UpdateOne"]()
    for sense, identity in ids.items():
        if sense not in theirs and identity not in removed:
            document = new_definition(draft.word.id, entry, sense, draft.provider)
            given = present is not None and identity in present.illustrated
            new = () if given else draft.examples.get(sense, ())  # a person may have removed the earlier ones
            definitions += _with_examples(identity, document, new, now, examples)
    named = [each for each in ids.values() if each not in removed]
    whole, spoken = _entry_write(draft, present, named, now), _spoken(draft, present, now)
    return Writes([ids[sense] for sense in draft.senses], definitions, whole, examples, spoken, removed)


ILLUSTRATED = "imported_examples"
"""The field of a definition that says that an import has given it examples."""

IMPORTED, IMPORTED_FIELDS = "imported_definitions", "imported_fields"
"""The fields of an entry with the definitions, and the names of the values, that imports have given it."""


def _with_examples(
    identity: DocId, document: Document, texts: Sequence[str], now: datetime, examples: "list[UpdateOne]"
) -> "Iterator[UpdateOne]":
    """Insert a definition with its examples; one that was imported without any gets them, too."""
    from pymongo import UpdateOne

    if not texts:
        yield _insert(identity, document, now)
        return
    named = {derived_id("example", identity, text): text for text in texts}
    of_sense = {"definition_id": encoded(identity), "type": "literature", "model_info": None}
    examples += (_insert(each, of_sense | {"text": text}, now) for each, text in named.items())
    listed = {"example_ids": encoded(list(named)), ILLUSTRATED: True}
    yield _insert(identity, document | listed, now)
    yield UpdateOne({"_id": encoded(identity), "example_ids": []}, {"$set": listed | {"updated_at": now}})


def _pronunciation_id(draft: Draft, present: Present | None) -> DocId | None:
    """The id of the pronunciation that an entry gets which never had one."""
    had = present is not None and present.had("pronunciation_id", now=present.has_pronunciation)
    if draft.pronunciation is None or had:
        return None
    return derived_id("pronunciation", draft.provider, draft.word.id)


def _spoken(draft: Draft, present: Present | None, now: datetime) -> "list[UpdateOne]":
    identity = _pronunciation_id(draft, present)
    if identity is None or draft.pronunciation is None:
        return []
    spoken = {"word_id": encoded(draft.word.id), "phonetic": draft.pronunciation.phonetic}
    lists: Document = {"audio_file_ids": [], "syllables": [], "model_info": None}
    return [_insert(identity, spoken | {"ipa": draft.pronunciation.ipa or None} | lists, now)]


def _definition_id(draft: Draft, sense: Sense) -> DocId:
    return derived_id("definition", draft.provider, draft.word.id, *sense)


def _entry_write(draft: Draft, present: Present | None, named: Sequence[DocId], now: datetime) -> "UpdateOne | None":
    if present is None:
        return _entry_with(draft, named, now)
    missing = [each for each in named if each not in present.definitions]
    values: Document = {}
    if draft.etymology and not present.had("etymology", now=present.has_etymology):
        values["etymology"] = etymology_document(draft.etymology)
    if (spoken := _pronunciation_id(draft, present)) is not None:
        values["pronunciation_id"] = encoded(spoken)
    return _entry_grown(present.id, missing, values, now) if missing or values else None


def new_definition(word: DocId, entry: DocId, sense: Sense, provider: str) -> Document:
    """A source's definition with every field: empty lists, and null for absent values.

    Only its ids are encoded: a file has millions of definitions, and visiting every field would take the most time.
    """
    return blank_definition() | {
        "word_id": encoded(word),
        "part_of_speech": sense[0],
        "text": sense[1],
        "dictionary_entry_id": encoded(entry),
        "providers": [provider],
    }


def new_entry(word: Word, provider: str, etymology: str | None) -> Document:
    """A source's entry without definitions."""
    return {
        **dict.fromkeys(("pronunciation_id", "raw_data", "synonym_chooser", "model_info")),
        **{name: [] for name in ("fact_ids", "phrases", "source_entries")},
        "word_id": encoded(word.id),
        "provider": provider,
        "languages": [database_language(word.language)],
        "etymology": etymology_document(etymology) if etymology else None,
    }


def etymology_document(text: str) -> Document:
    """An etymology that has a text only."""
    return {"text": text, "origin_language": None, "root_words": [], "first_known_use": None}


def _insert(identity: DocId, document: Document, now: datetime) -> "UpdateOne":
    """Insert a document unless it exists."""
    from pymongo import UpdateOne

    return UpdateOne({"_id": encoded(identity)}, {"$setOnInsert": document | _made(now)}, upsert=True)


def _made(now: datetime) -> Document:
    return {"created_at": now, "updated_at": now, "version": 1}


def _entry_with(draft: Draft, definitions: Sequence[DocId], now: datetime) -> "UpdateOne":
    """Insert an entry, or add to it: a word's articles may be far apart in a file, in blocks written in parallel."""
    from pymongo import UpdateOne

    whole = new_entry(draft.word, draft.provider, draft.etymology) | _made(now)
    whole["pronunciation_id"] = encoded(_pronunciation_id(draft, None))
    whole[IMPORTED_FIELDS] = [name for name in ("etymology", "pronunciation_id") if whole[name]]
    listed = {"$each": encoded(definitions)}
    added = {"definition_ids": listed, IMPORTED: listed}
    return UpdateOne({"_id": encoded(draft.entry_id)}, {"$setOnInsert": whole, "$addToSet": added}, upsert=True)


def _entry_grown(identity: DocId, definitions: Sequence[DocId], values: Document, now: datetime) -> "UpdateOne":
    """Add definitions and values to an existing entry."""
    from pymongo import UpdateOne

    changes: Document = {"$set": {**values, "updated_at": now}, "$inc": {"version": 1}}
    added: Document = {IMPORTED_FIELDS: {"$each": list(values)}} if values else {}
    if definitions:
        listed = {"$each": encoded(definitions)}
        added |= {"definition_ids": listed, IMPORTED: listed}
    changes["$addToSet"] = added
    return UpdateOne({"_id": encoded(identity)}, changes)
