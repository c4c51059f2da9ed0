"""The texts of stored entries for quality checks, and the copies whose sources have changed since they were copied."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import batched, chain
from typing import Any, NamedTuple

from floridify_batch.components.change import Collection
from floridify_batch.components.doubt import Doubt
from floridify_batch.components.quality_check import EntryTexts, SenseTexts
from floridify_batch.components.text_judgement import DEFINITIONS, EXAMPLES, judgement_of, score_doubt
from floridify_batch.database.document import first_language
from floridify_batch.database.layout import with_text
from floridify_batch.database.lookup import (
    PAGE,
    WITHOUT_FETCHED_PAGES,
    Headword,
    all_words,
    by_text,
    headwords_of,
    ids_in,
    of_language,
)
from floridify_batch.database.ownership import copied_source
from floridify_batch.database.store import MongoStore
from floridify_batch.words.entry import JUDGEMENTS, doc_id, spellings_of

type Document = Mapping[str, Any]


class ChangedSource(NamedTuple):
    """A copy of a source's definition whose source reads differently by now."""

    sense: str
    copy: str
    source: str


# ── words ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def stored_headwords(
    store: MongoStore, texts: Sequence[str] | None, language: str | None
) -> AsyncIterator[Headword]:
    """The headwords of these texts, or all, in one language or in all; read in pages, so that memory stays constant."""
    pages = all_words(store, language) if texts is None else _listed_words(store, texts, language)
    async for words in pages:
        for headword in await headwords_of(store, words, WITHOUT_FETCHED_PAGES):
            yield headword


async def _listed_words(
    store: MongoStore, texts: Sequence[str], language: str | None
) -> AsyncIterator[list[dict[str, Any]]]:
    for page in batched(texts, PAGE):
        query = with_text({"$in": [*chain.from_iterable(map(spellings_of, page))]})
        yield sorted(await store.find(Collection.WORDS, query | of_language(language)), key=by_text)


# ── texts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_TEXTS_OF_SENSE = {"synonyms": "", "antonyms": "", "collocations": "text", "usage_notes": "text", "word_forms": "text"}
"""The fields of a definition with texts, and the field of these in lists of documents."""


def entry_texts(headword: Headword, language: str | None = None) -> Iterator[EntryTexts]:
    """The texts of a headword in one language, or in each of its languages."""
    return (texts_of(own, each) for own, each in by_language(headword, language))


def by_language(headword: Headword, language: str | None = None) -> Iterator[tuple[Headword, str]]:
    """A headword in one language, or in each of its languages."""
    first = first_language(headword.word)
    languages = headword.languages(first) or [first]
    for own in [language] if language else languages:
        yield headword.in_language(own) if len(languages) > 1 else headword, own


def texts_of(headword: Headword, language: str) -> EntryTexts:
    """The texts that checks read: those of the synthesis entry, or else of all entries."""
    senses = [_sense(sense, label, cited) for label, sense, cited in cited_senses(headword)]
    entries = [headword.synthesis] if headword.synthesis else headword.entries
    return EntryTexts(_text(headword.word, "text"), language, senses, _of_word(headword, entries))


def labelled_senses(headword: Headword) -> Iterator[tuple[str, Document]]:
    """The senses, each with the label by which it is named: its part of speech, and its number among those of that."""
    seen = Counter[str]()
    for sense in headword.senses:
        part_of_speech = _text(sense, "part_of_speech")
        seen[part_of_speech] += 1
        yield f"{part_of_speech} {seen[part_of_speech]}".strip(), sense


def cited_senses(headword: Headword) -> Iterator[tuple[str, Document, list[Document]]]:
    """The labelled senses, each with the stored examples that it names, in their order."""
    examples = {each.get("_id"): each for each in headword.examples}
    for label, sense in labelled_senses(headword):
        yield label, sense, [examples[each] for each in ids_in(sense, "example_ids") if each in examples]


def _sense(sense: Document, label: str, examples: Iterable[Document]) -> SenseTexts:
    texts = {name: _texts(sense.get(name), field) for name, field in _TEXTS_OF_SENSE.items()}
    texts["examples"] = [_text(each, "text") for each in examples]
    definition = _text(sense, "text")
    judged = _low_scores(sense, label, definition, texts["examples"]) if sense.get(JUDGEMENTS) else ()
    return SenseTexts(definition, _text(sense, "part_of_speech"), texts, label, [*judged])


def _low_scores(sense: Document, label: str, definition: str, examples: Iterable[str]) -> Iterator[Doubt]:
    """The doubts about texts of a sense to which another model gave a low score."""
    for component, text in ((DEFINITIONS, definition), *((EXAMPLES, each) for each in examples)):
        judgement = judgement_of(sense, component, text)
        if judgement and (doubt := score_doubt(judgement, component, label, text)):
            yield doubt


def _of_word(headword: Headword, entries: Iterable[Document]) -> Mapping[str, Sequence[str]]:
    """The texts of the whole word: of phrases only the synthesis entry has any."""
    found: dict[str, list[str]] = {"phrases": [], "etymology": []}
    for entry in entries:
        found["phrases"] += _texts(entry.get("phrases"), "phrase")
        etymology = entry.get("etymology")
        if isinstance(etymology, Mapping):
            found["etymology"] += [_text(etymology, "text")]
    found["pronunciation"] = [_text(each, "ipa") for each in headword.pronunciations if _text(each, "ipa")]
    found["facts"] = [_text(each, "content") for each in headword.facts]
    return found


def _text(document: Document, name: str) -> str:
    value = document.get(name)
    return value.strip() if isinstance(value, str) else ""


def _texts(values: Any, name: str) -> list[str]:
    """The texts of a list, or of a field of the documents in it; other values are left out."""
    listed = values if isinstance(values, list) else []
    found = ((each.get(name) if isinstance(each, Mapping) else None) if name else each for each in listed)
    return [each.strip() for each in found if isinstance(each, str) and each.strip()]


# ── copies ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def changed_sources(headword: Headword) -> Iterator[ChangedSource]:
    """The copies of a headword's synthesis entry whose source was changed after they were made.

    A copy that differs from an unchanged source was edited, which is nobody's fault.
    """
    for label, sense in labelled_senses(headword):
        source = _source_of(sense, headword)
        if source is not None and _differs(source, sense) and _is_newer(source, sense):
            yield ChangedSource(label, _text(sense, "text"), _text(source, "text"))


def is_edited_copy(sense: Document, headword: Headword) -> bool:
    """Whether a sense was copied from a source that has not changed since, and reads differently."""
    source = _source_of(sense, headword)
    return source is not None and _differs(source, sense) and not _is_newer(source, sense)


def _source_of(sense: Document, headword: Headword) -> Document | None:
    copied = copied_source(sense)
    if copied is None:  # as most senses of a dictionary: the definitions need not be compared
        return None
    return next((each for each in headword.definitions if doc_id(each["_id"]) == copied), None)


def _differs(source: Document, copy: Document) -> bool:
    return bool(_text(source, "text")) and _text(source, "text") != _text(copy, "text")


def _is_newer(source: Document, copy: Document) -> bool:
    changed, made = source.get("updated_at"), copy.get("created_at")
    return changed is None or made is None or changed > made
