"""The look-up of a headword with all its documents, and of near spellings if there is none.

All fields and collections of all layouts are searched: a single document may have another layout than those from which
the database's layout was detected.
"""

import re
import sys
import unicodedata
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import batched
from typing import Any

from floridify_batch.components.change import Collection
from floridify_batch.database.document import in_one_language, languages_of
from floridify_batch.database.layout import ENTRY_COLLECTIONS, in_language, with_text
from floridify_batch.database.ownership import synthesis_entry
from floridify_batch.database.store import MongoStore
from floridify_batch.words.entry import SYNTHESIS, DocId, doc_id, is_hashable
from floridify_batch.words.language import primary_language

type Document = dict[str, Any]

PAGE = 200
"""Words per page where all documents of words are read: some megabytes."""

WITHOUT_FETCHED_PAGES: Mapping[str, bool] = {"raw_data": False}
"""All fields of entries but the one with a source's page as it was fetched, which may have megabytes."""

_MAX_CANDIDATES = 300
_NEAREST = 5
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Headword:
    """All documents of a headword, which is one of the homographs of a spelling."""

    word: Document
    entries: Sequence[Document] = ()
    definitions: Sequence[Document] = ()
    examples: Sequence[Document] = ()
    pronunciations: Sequence[Document] = ()
    facts: Sequence[Document] = ()

    @property
    def synthesis(self) -> Document | None:
        """The synthesis entry."""
        return synthesis_entry(self.entries)

    @property
    def senses(self) -> list[Document]:
        """The definitions as the synthesis entry lists them, or else those of all sources in their clusters' order."""
        if self.synthesis and (listed := self.listed_in([self.synthesis])):
            return listed
        listed = self.listed_in(self.entries)
        named = {each["_id"] for each in listed}
        return sorted([*listed, *(each for each in self.definitions if each["_id"] not in named)], key=_meaning)

    def listed_in(self, entries: Iterable[Document]) -> list[Document]:
        """The definitions that entries list, in their order."""
        by_id = {definition["_id"]: definition for definition in self.definitions}
        ids = dict.fromkeys(each for entry in entries for each in ids_in(entry, "definition_ids"))
        return [by_id[each] for each in ids if each in by_id]

    def in_language(self, language: str) -> "Headword":
        """The headword in one of its languages."""
        own = {each["_id"]: each for each in self.definitions}
        entries, own = in_one_language(self.word, [*self.entries], own, language)
        spoken, facts = (
            {each for entry in entries for each in ids_in(entry, name)} for name in ("pronunciation_id", "fact_ids")
        )
        return replace(
            self,
            entries=entries,
            definitions=[*own.values()],
            pronunciations=[each for each in self.pronunciations if each["_id"] in spoken],
            facts=[each for each in self.facts if each["_id"] in facts],
        )

    def languages(self, first: str) -> list[str]:
        """Its languages, beginning with one of them."""
        return sorted(languages_of(self.word), key=lambda each: primary_language(each) != primary_language(first))


def _meaning(definition: Document) -> int:
    """The rank of a definition's cluster; a definition without a cluster comes last."""
    cluster = definition.get("meaning_cluster")
    order = cluster.get("order") if isinstance(cluster, Mapping) else None
    return order if isinstance(order, int) else sys.maxsize


async def headwords(store: MongoStore, text: str, language: str) -> list[Headword]:
    """Every homograph of a spelling in one language, in their order."""
    words = await store.find(Collection.WORDS, with_text({"$eq": text}) | in_language(language))
    return await headwords_of(store, sorted(words, key=by_number))


def by_number(word: Document) -> tuple[int, str]:
    """The sort key of homographs."""
    number = word.get("homograph_number")
    return number if isinstance(number, int) else 0, str(word["_id"])


def of_language(language: str | None) -> Document:
    """The query for words of a language, or for all words."""
    return in_language(language) if language else {}


async def all_words(store: MongoStore, language: str | None) -> AsyncIterator[list[Document]]:
    """All words in pages by their texts, so that memory stays constant; each page is a query, which can be retried.

    The words of one text are homographs and stay together, so a page begins after the last text of the one before.
    """
    after: Document = {"$gte": ""}
    while words := await _words_from(store, after, of_language(language)):
        yield sorted(words, key=by_text)
        after = {"$gt": max(word["text"] for word in words)}


async def unreadable_words(store: MongoStore, language: str | None) -> tuple[int, Document | None]:
    """The number of words whose text is of a wrong type, which `all_words` leaves out, and the first of them."""
    query = {"$nor": [with_text({"$type": "string"})], **of_language(language)}
    first = next(iter(await store.find(Collection.WORDS, query, ("text",), limit=1)), None)
    return (await store.count(Collection.WORDS, query), first) if first else (0, None)


async def _words_from(store: MongoStore, after: Document, wanted: Document) -> list[Document]:
    words = await store.find(Collection.WORDS, with_text(after) | wanted, limit=PAGE, sort="text")
    if len(words) < PAGE:
        return words
    last = words[-1]["text"]
    whole = [word for word in words if word["text"] != last]
    return whole or await store.find(Collection.WORDS, with_text({"$eq": last}) | wanted)


def by_text(word: Document) -> tuple[str, tuple[int, str]]:
    """The sort key of words, homographs in their order."""
    return word["text"], by_number(word)


async def headwords_of(
    store: MongoStore, words: Sequence[Document], shown: Mapping[str, bool] | None = None
) -> list[Headword]:
    """The headwords of word documents, by one query per collection. `shown` names fields of entries to leave out."""
    layout = store.layout
    of_words = {"word_id": layout.referring_to([word["_id"] for word in words])}
    found: list[Document] = []
    for collection, implied in ENTRY_COLLECTIONS.items():
        found += [{**implied, **entry} for entry in await store.find(collection, of_words, shown)]
    entries = _by_word(sorted(layout.unified(found), key=_by_source))
    listed = layout.unified(await store.find(Collection.DEFINITIONS, of_words))
    definitions = _by_word(sorted(listed, key=lambda definition: str(definition["_id"])))
    examples = await _named(store, Collection.EXAMPLES, definitions, "example_ids")
    pronunciations = await _named(store, Collection.PRONUNCIATIONS, entries, "pronunciation_id")
    facts = await _named(store, Collection.FACTS, entries, "fact_ids")
    parts = (entries, definitions, examples, pronunciations, facts)
    return [Headword(word, *(each.get(doc_id(word["_id"]), ()) for each in parts)) for word in words]


type _ByWord = dict[DocId, list[Document]]


def _by_word(documents: Iterable[Document]) -> _ByWord:
    """Documents by their words, in the same order."""
    found: _ByWord = {}
    for document in documents:
        found.setdefault(doc_id(document["word_id"]), []).append(document)
    return found


async def _named(store: MongoStore, collection: str, holders: _ByWord, field: str) -> _ByWord:
    """The documents that a field of other documents names, by word, in the order in which they are named."""
    ids = {
        word: dict.fromkeys(each for document in documents for each in ids_in(document, field))
        for word, documents in holders.items()
    }
    wanted = [each for named in ids.values() for each in named]
    found = await store.find(collection, {"_id": store.layout.with_ids(wanted)}) if wanted else []
    by_id = {document["_id"]: document for document in store.layout.unified(found)}
    return {word: [by_id[each] for each in named if each in by_id] for word, named in ids.items()}


def _by_source(entry: Document) -> tuple[bool, str, str]:
    provider = entry.get("provider")
    return provider != SYNTHESIS, str(provider), str(entry["_id"])


def ids_in(document: Mapping[str, Any], field: str) -> list[Any]:
    """The ids that a field names: one, several or none. A value that cannot be an id is skipped."""
    value = document.get(field)
    ids = value if isinstance(value, list) else [value]
    return [each for each in ids if each is not None and is_hashable(each)]


# ── suggestions ────────────────────────────────────────────────────────────────────────────────────────────────────


async def stored_words(store: MongoStore, texts: Sequence[str], language: str) -> set[str]:
    """Those of these texts that the database has as words of a language."""
    found: set[str] = set()
    for page in batched(texts, _PAGE):
        query = with_text({"$in": list(page)}) | in_language(language)
        found |= {str(each["text"]) for each in await store.find(Collection.WORDS, query, ("text",))}
    return found


async def other_languages(store: MongoStore, text: str) -> list[str]:
    """The languages in which the database has this spelling."""
    words = await store.find(
        Collection.WORDS, with_text({"$eq": text}), ["languages", "language"], limit=_MAX_CANDIDATES
    )
    return sorted({str(each) for word in words for each in word.get("languages") or [word.get("language")] if each})


async def folded_spellings(store: MongoStore, text: str, language: str) -> list[str]:
    """The words that differ from a text in case and diacritics only, by a scan of the index."""
    if not text or len(text) > _LONGEST_MISSPELLED:
        return []
    pattern = "".join(map(_folded_pattern, _folded(text)))
    query = {"text": {"$regex": f"^{pattern}$", "$options": "i"}} | in_language(language)
    words = await store.find(Collection.WORDS, query, ["text"], limit=_MAX_CANDIDATES)
    return sorted({str(word["text"]) for word in words if _folded(str(word["text"])) == _folded(text)})


def _folded(text: str) -> str:
    """A text without case and diacritics."""
    parts = unicodedata.normalize("NFD", text.casefold())
    return "".join(character for character in parts if not unicodedata.combining(character))


def _folded_pattern(character: str) -> str:
    """A pattern for a letter with any diacritics, composed or not."""
    if not character.isalpha():
        return re.escape(character)
    composed = "".join(_composed().get(character, ()))
    return f"[{character}{composed}][\u0300-\u036f]*"


@cache
def _composed() -> Mapping[str, list[str]]:
    """The letters with diacritics of Unicode's Latin, Greek and Cyrillic blocks, by their base letter."""
    found: dict[str, list[str]] = {}
    for code in (*range(0xC0, 0x530), *range(0x1E00, 0x2000)):
        letter = chr(code)
        base = _folded(letter)
        if base != letter and len(base) == 1:
            found.setdefault(base, []).append(letter)
    return found


async def near_spellings(store: MongoStore, text: str, language: str) -> list[str]:
    """A few similar words: at edit distance 1, or with a common prefix. Uses index look-ups only."""
    from difflib import get_close_matches

    tests: list[Document] = [{"$in": sorted(_close_spellings(text))}]
    tests += [{"$gte": start, "$lt": start + "\U0010ffff"} for start in sorted(_beginnings(text))]
    found: set[str] = set()
    for test in tests:
        words = await store.find(
            Collection.WORDS, {"text": test} | in_language(language), ["text"], limit=_MAX_CANDIDATES
        )
        found.update(str(word["text"]) for word in words)
    by_fold: dict[str, list[str]] = {}
    for candidate in sorted(found - {text}):
        by_fold.setdefault(candidate.casefold(), []).append(candidate)
    near = get_close_matches(text.casefold(), by_fold, _NEAREST)
    return [candidate for fold in near for candidate in by_fold[fold]][:_NEAREST]


def _beginnings(text: str) -> set[str]:
    """Prefixes of near words: most of the word, or its first letters, in each capitalisation."""
    lengths = {max(1, len(text) * 2 // 3), min(3, max(1, len(text) - 1))}
    return {spelling[:length] for length in lengths for spelling in (text, text.lower(), text.capitalize())}


_LETTERS = "abcdefghijklmnopqrstuvwxyzäöüßéèáàâêîôûçñ'- "
_LONGEST_MISSPELLED = 30


def _close_spellings(text: str) -> set[str]:
    """The word in other cases, and all spellings at edit distance 1 (deletion, substitution, insertion, swap)."""
    cases = {text.lower(), text.upper(), text.capitalize(), text.title()}
    if len(text) > _LONGEST_MISSPELLED:
        return cases
    splits = [(text[:at], text[at:]) for at in range(len(text) + 1)]
    return cases.union(
        (head + tail[1:] for head, tail in splits),
        (head + tail[1:2] + tail[:1] + tail[2:] for head, tail in splits),
        (head + letter + tail[1:] for head, tail in splits for letter in _LETTERS),
        (head + letter + tail for head, tail in splits for letter in _LETTERS),
    )
