"""DMLex 1.0, OASIS's data model of dictionaries, in JSON and in XML: the core, controlled values, linking, etymology.

An entry of DMLex has one part of speech, so a word has an entry for each of its own. Synonyms and antonyms are
relations between a sense and an entry of the same part of speech; they wait for the last entry in a temporary database.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

from floridify_batch.database.provenance import Origin, changes
from floridify_batch.export.entry import Example, ExportedEntry, Sense
from floridify_batch.formatting import counted
from floridify_batch.words.entry import SYNTHESIS

type Object = dict[str, Any]

RELATION_TYPES = ("synonym", "antonym")

_LABEL_TYPES = {
    "cefr": "level of the Common European Framework of Reference",
    "frequency": "frequency band, from 1 to 5",
    "register": "register",
    "domain": "subject field",
    "region": "region",
    "model": "model that wrote values",
    "source": "source of the definition",
}
"""The types of labels, by the prefixes of their tags."""


def entries_of(entry: ExportedEntry, language: str) -> Iterator[Object]:
    """The entries of a word, one for each part of speech."""
    for part_of_speech, senses in entry.by_part_of_speech.items():
        spoken = [_pronunciation(each.ipa, each.respelling, language) for each in entry.pronunciations]
        forms = dict.fromkeys((form.note, form.text) for sense in senses for form in sense.word_forms)
        etymology = [{"description": entry.etymology.sentence}] if entry.etymology else []
        yield _present(
            id=entry_id(entry, part_of_speech),
            headword=entry.headword,
            homographNumber=None if entry.homograph is None else str(entry.homograph),
            partsOfSpeech=[part_of_speech] if part_of_speech else [],
            labels=[f"model:{model}" for model in _models(entry.provenance)],
            pronunciations=spoken,
            inflectedForms=[_present(tag=tag, text=text) for tag, text in forms],
            senses=list(map(_sense, senses)),
            etymologies=etymology,
        )


def entry_id(entry: ExportedEntry, part_of_speech: str) -> str:
    """The id of the entry of a word's part of speech."""
    return f"{entry.id}-{'-'.join(part_of_speech.split()) or 'word'}"


def _present(**fields: Any) -> Object:
    return {name: value for name, value in fields.items() if value}


def _pronunciation(ipa: str, respelling: str, language: str) -> Object:
    """A pronunciation with its transcriptions, whose schemes are named as language tags."""
    primary = language.split("-", maxsplit=1)[0]
    schemes = ((f"{primary}-fonipa", ipa), (f"{primary}-x-respell", respelling))
    return {"transcriptions": [{"scheme": scheme, "text": text} for scheme, text in schemes if text]}


def _sense(sense: Sense) -> Object:
    examples = {each.text: each for each in reversed(sense.examples)}
    return _present(
        id=sense.id,
        labels=list(labels(sense)),
        definitions=[{"text": sense.text}],
        examples=list(map(_example, reversed(examples.values()))),
    )


def labels(sense: Sense) -> list[str]:
    """The tags of a sense's labels, each with the type as its prefix, since a tag is unique among all types."""
    pairs = (
        ("cefr", sense.cefr_level),
        ("frequency", sense.frequency_band),
        ("register", sense.language_register),
        ("domain", sense.domain),
        ("region", sense.region),
        *(("model", model) for model in _models(sense.provenance)),
        *(("source", name) for name in sense.sources if name != SYNTHESIS),
    )
    return [f"{kind}:{value}" for kind, value in pairs if value]


def _models(provenance: Mapping[str, Origin]) -> Iterable[str]:
    return dict.fromkeys(origin.model for origin in provenance.values() if origin.model)


def _example(example: Example) -> Object:
    origin = example.origin or Origin("", "")
    generated = [f"generated {origin.date}"] if origin.date else []
    elaboration = ", ".join([*generated, *changes(origin)])
    return _present(text=example.text, sourceIdentity=origin.model, sourceElaboration=elaboration)


# ── what stands at the end of a resource ───────────────────────────────────────────────────────────────────────────


class Ending:
    """The tags that entries have used, and their relations."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, None]] = {
            name: {} for name in ("labels", "parts", "forms", "sources", "schemes")
        }
        self._links = _Links()

    def take(self, entry: ExportedEntry, objects: Iterable[Object]) -> None:
        """Note the tags and the relations of an entry."""
        for each in objects:
            self._take_tags(each)
        for part_of_speech, senses in entry.by_part_of_speech.items():
            self._links.add(entry, part_of_speech, senses)

    def _take_tags(self, entry: Object) -> None:
        senses = entry.get("senses", ())
        self._note("parts", entry.get("partsOfSpeech", ()))
        self._note("forms", (each["tag"] for each in entry.get("inflectedForms", ()) if "tag" in each))
        self._note("labels", (label for each in (entry, *senses) for label in each.get("labels", ())))
        examples = (example for sense in senses for example in sense.get("examples", ()))
        self._note("sources", (each["sourceIdentity"] for each in examples if "sourceIdentity" in each))
        spoken = (each for spoken in entry.get("pronunciations", ()) for each in spoken["transcriptions"])
        self._note("schemes", (each["scheme"] for each in spoken))

    def _note(self, kind: str, tags: Iterable[str]) -> None:
        self._tags[kind] |= dict.fromkeys(tags)

    def lists(self) -> Iterator[tuple[str, Iterator[Object]]]:
        """The lists after the entries, in the order of the schema for XML."""
        tags, kinds = self._tags, dict.fromkeys(tag.partition(":")[0] for tag in self._tags["labels"])
        yield "inflectedFormTags", ({"tag": tag} for tag in tags["forms"])
        yield "labelTags", (_label_tag(tag) for tag in tags["labels"])
        yield "labelTypeTags", ({"tag": kind, "description": _LABEL_TYPES[kind]} for kind in kinds)
        yield "partOfSpeechTags", ({"tag": tag, "description": tag} for tag in tags["parts"])
        yield "sourceIdentityTags", ({"tag": tag, "description": f"generated by {tag}"} for tag in tags["sources"])
        yield "transcriptionSchemeTags", ({"tag": tag} for tag in tags["schemes"])
        yield "relations", self._links.relations()
        yield "relationTypes", (_relation_type(kind) for kind in RELATION_TYPES)

    def finish(self) -> list[str]:
        """Close the temporary database. Returns a note about words without an entry."""
        missing = self._links.missing()
        self._links.close()
        note = (
            f"Left out: {counted(missing, 'synonym or antonym', 'synonyms and antonyms')} without an entry to link to."
        )
        return [note] if missing else []


def _label_tag(tag: str) -> Object:
    kind, _, value = tag.partition(":")
    return {"tag": tag, "typeTag": kind, "description": value}


def _relation_type(kind: str) -> Object:
    members = [{"type": "sense", "min": 1, "max": 1, "hint": "navigate"}, {"type": "entry", "min": 1, "max": 1}]
    return {"type": kind, "scopeRestriction": "sameResource", "memberTypes": members}


class _Links:
    """Senses and the words that they are related to, in a temporary database on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file, which is removed when it is closed
        self._database.executescript(
            "CREATE TABLE entry (headword, part, id); CREATE TABLE link (kind, sense, word, part, entry);"
        )
        self._counted = 0

    def add(self, entry: ExportedEntry, part: str, senses: Iterable[Sense]) -> None:
        """Add an entry, and the links of its senses."""
        own = entry_id(entry, part)
        self._database.execute("INSERT INTO entry VALUES (?, ?, ?)", (entry.headword, part, own))
        links = [
            (kind, sense.id, word, part, own)
            for sense in senses
            for kind, words in zip(RELATION_TYPES, (sense.synonyms, sense.antonyms), strict=True)
            for word in words
        ]
        self._database.executemany("INSERT INTO link VALUES (?, ?, ?, ?, ?)", links)
        self._counted += len(links)

    def relations(self) -> Iterator[Object]:
        """The relations whose words have an entry; of homographs, the first one."""
        self._database.execute("CREATE INDEX headword ON entry (headword, part, id)")
        query = (
            "SELECT kind, sense, (SELECT min(id) FROM entry WHERE headword = word AND part = link.part"
            " AND id != link.entry) AS target FROM link WHERE target IS NOT NULL"
        )
        with closing(self._database.execute(query)) as found:
            for kind, sense, target in found:
                self._counted -= 1
                yield {"type": kind, "members": [{"ref": sense}, {"ref": target}]}

    def missing(self) -> int:
        """The links without a relation, once all relations are written."""
        return self._counted

    def close(self) -> None:
        """Close and remove the database."""
        self._database.close()
