"""What a source's articles become: words, definitions and one entry per word and source, in today's Floridify layout.

Pure. Every id follows from what it stands for, so that importing twice makes everything once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from floridify_batch.database.document import doc_id, encoded, new_word
from floridify_batch.words.dictionary_file import Article
from floridify_batch.words.entry import DocId, Word, blank_definition, derived_id, unknown_entry

if TYPE_CHECKING:
    from pymongo import UpdateOne

type Document = dict[str, Any]

# ── which word an article is of ────────────────────────────────────────────────────────────────────────────────────


def words_found(documents: Iterable[Document], language: str) -> dict[str, dict[int | None, Word]]:
    """The words that are there, by spelling and by homograph number; of two with one number, the first made."""
    found: dict[str, dict[int | None, Word]] = {}
    for document in sorted(documents, key=lambda each: str(each["_id"])):
        number = document.get("homograph_number")
        word = Word(doc_id(document["_id"]), document["text"], language, number)
        found.setdefault(word.text, {}).setdefault(number, word)
    return found


def word_of(article: Article, homographs: dict[int | None, Word], language: str) -> Word:
    """The word that an article is of, among the homographs of its spelling; a new one joins them.

    A source that numbers etymologies makes homographs of them, unless the database has the spelling as one word without
    a number: that one takes them all, for it may have entries and stamps already. An article without a number is
    of that word, too, and where there are only numbered ones, of the first. None of this depends on what an earlier
    import of the same file has added, so that the same article finds the same word again.
    """
    for number in (article.number, None):
        if number in homographs:
            return homographs[number]
    number = (article.number or 1) if homographs else article.number
    if number not in homographs:
        homographs[number] = _new_word(article.text, number, language)
    return homographs[number]


def _new_word(text: str, number: int | None, language: str) -> Word:
    """A word that is not there yet, under the id that a word list would give it where it has no number."""
    if number is None:
        return unknown_entry(text, language).word
    return Word(derived_id("word", language, text, number), text, language, number, stored=False)


def word_insert(word: Word, now: datetime) -> "UpdateOne":
    """Make a word's document unless it is there."""
    return _insert(word.id, new_word(word) | {"homograph_number": word.homograph_number}, now)


# ── what a source has of a word ────────────────────────────────────────────────────────────────────────────────────


type Sense = tuple[str, str]
"""A part of speech and a definition's text: what two definitions of one source and word do not share."""


@dataclass(slots=True)
class Draft:
    """All that some articles of one source say of a word."""

    word: Word
    provider: str
    senses: list[Sense] = field(default_factory=list)
    etymology: str | None = None

    @property
    def entry_id(self) -> DocId:
        """The id of the source's entry, where it has none yet."""
        return derived_id("entry", self.provider, self.word.id)


@dataclass(frozen=True, slots=True)
class Present:
    """A source's entry that is there. `senses`: its definitions, where others than we made them."""

    id: DocId
    definitions: frozenset[DocId]
    has_etymology: bool
    senses: Mapping[Sense, DocId] = field(default_factory=dict)


@dataclass(slots=True)
class Writes:
    """What is to be written for a draft. `named`: the ids of all its senses, each as often as it is said."""

    named: list[DocId]
    definitions: "list[UpdateOne]"
    entry: "UpdateOne | None"


def drafted(articles: Iterable[tuple[Word, Article]]) -> list[Draft]:
    """Articles gathered by word and source, in their order."""
    drafts: dict[tuple[DocId, str], Draft] = {}
    for word, article in articles:
        draft = drafts.setdefault((word.id, article.provider), Draft(word, article.provider))
        draft.senses += [(article.part_of_speech, text) for text in article.definitions]
        draft.etymology = draft.etymology or article.etymology
    return list(drafts.values())


def writes(draft: Draft, present: Present | None, now: datetime) -> Writes:
    """What a draft adds to what is there. Definitions that are there are named again, which changes nothing."""
    entry = present.id if present else draft.entry_id
    theirs = present.senses if present else {}
    ids = {sense: theirs.get(sense) or _definition_id(draft, sense) for sense in draft.senses}
    inserts = [
        _insert(identity, new_definition(draft.word.id, entry, sense, draft.provider), now)
        for sense, identity in ids.items()
        if sense not in theirs
    ]
    named = list(ids.values())
    return Writes([ids[sense] for sense in draft.senses], inserts, _entry_write(draft, present, named, now))


def _definition_id(draft: Draft, sense: Sense) -> DocId:
    return derived_id("definition", draft.provider, draft.word.id, *sense)


def _entry_write(draft: Draft, present: Present | None, named: Sequence[DocId], now: datetime) -> "UpdateOne | None":
    if present is None:
        return _entry_with(draft, named, now)
    missing = [each for each in named if each not in present.definitions]
    etymology = None if present.has_etymology else draft.etymology
    return _entry_grown(present.id, missing, etymology, now) if missing or etymology else None


def new_definition(word: DocId, entry: DocId, sense: Sense, provider: str) -> Document:
    """A definition as a source gives it: every field is there, lists are empty, absent values null.

    Only its ids are encoded: a file has millions of definitions, and looking into every field takes the most time.
    """
    return blank_definition() | {
        "word_id": encoded(word),
        "part_of_speech": sense[0],
        "text": sense[1],
        "dictionary_entry_id": encoded(entry),
        "providers": [provider],
    }


def new_entry(word: Word, provider: str, etymology: str | None) -> Document:
    """A source's entry without its definitions."""
    return {
        **dict.fromkeys(("pronunciation_id", "raw_data", "synonym_chooser", "model_info")),
        **{name: [] for name in ("fact_ids", "phrases", "source_entries")},
        "word_id": encoded(word.id),
        "provider": provider,
        "languages": [word.language],
        "etymology": etymology_document(etymology) if etymology else None,
    }


def etymology_document(text: str) -> Document:
    """An etymology of which only the text is known."""
    return {"text": text, "origin_language": None, "root_words": [], "first_known_use": None}


def _insert(identity: DocId, document: Document, now: datetime) -> "UpdateOne":
    """Make a document unless it is there."""
    from pymongo import UpdateOne

    return UpdateOne({"_id": encoded(identity)}, {"$setOnInsert": document | _made(now)}, upsert=True)


def _made(now: datetime) -> Document:
    return {"created_at": now, "updated_at": now, "version": 1}


def _entry_with(draft: Draft, definitions: Sequence[DocId], now: datetime) -> "UpdateOne":
    """Make an entry, or add to the one that was made meanwhile: a word's articles may be far apart in a file."""
    from pymongo import UpdateOne

    whole = new_entry(draft.word, draft.provider, draft.etymology) | _made(now)
    added = {"definition_ids": {"$each": encoded(definitions)}}
    return UpdateOne({"_id": encoded(draft.entry_id)}, {"$setOnInsert": whole, "$addToSet": added}, upsert=True)


def _entry_grown(identity: DocId, definitions: Sequence[DocId], etymology: str | None, now: datetime) -> "UpdateOne":
    """Add definitions to an entry that is there, and an etymology where it is given."""
    from pymongo import UpdateOne

    values: Document = {"updated_at": now}
    if etymology:
        values["etymology"] = etymology_document(etymology)
    changes = {"$set": values, "$inc": {"version": 1}}
    if definitions:
        changes["$addToSet"] = {"definition_ids": {"$each": encoded(definitions)}}
    return UpdateOne({"_id": encoded(identity)}, changes)
