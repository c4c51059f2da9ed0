"""JSON Lines: one entry per line, with everything that is stored about it; absent values are left out."""

from collections.abc import Iterable, Mapping
from typing import IO, Any

import orjson

from floridify_batch.database.provenance import Origin
from floridify_batch.export.entry import ExportedEntry, Item, Sense
from floridify_batch.export.format import Header


class JsonLines:
    """Writes entries as lines of JSON."""

    def __init__(self, out: IO[bytes], _: Header) -> None:
        self._out = out

    def write(self, entry: ExportedEntry) -> None:
        """Write an entry as a line."""
        self._out.write(orjson.dumps(entry_object(entry), option=orjson.OPT_APPEND_NEWLINE))

    def finish(self) -> list[str]:
        """Nothing ends the file, and it holds everything."""
        return []


def entry_object(entry: ExportedEntry) -> dict[str, Any]:
    """An entry as a JSON object."""
    choice, etymology = entry.synonym_chooser, entry.etymology
    return _present(
        id=entry.id,
        headword=entry.headword,
        homograph=entry.homograph,
        language=entry.language,
        pronunciations=[_present(**each._asdict()) for each in entry.pronunciations],
        senses=[_sense(sense) for sense in entry.senses],
        etymology=etymology and _present(**etymology._asdict()),
        phrases=[_present(**each._asdict()) for each in entry.phrases],
        synonym_chooser=choice
        and _present(essay=choice.essay, compared=_items(choice.compared, "word", "distinction")),
        facts=[_present(**each._asdict()) for each in entry.facts],
        **entry.extra,
        provenance=_origins(entry.provenance),
    )


def _sense(sense: Sense) -> dict[str, Any]:
    examples = (_present(id=each.id, text=each.text, origin=_origin(each.origin)) for each in sense.examples)
    return _present(
        id=sense.id,
        part_of_speech=sense.part_of_speech,
        definition=sense.text,
        cefr_level=sense.cefr_level,
        frequency_band=sense.frequency_band,
        register=sense.language_register,
        domain=sense.domain,
        region=sense.region,
        synonyms=sense.synonyms,
        antonyms=sense.antonyms,
        cognates=sense.cognates,
        examples=list(examples),
        collocations=_items(sense.collocations, "text", "type"),
        grammar_patterns=_items(sense.grammar_patterns, "pattern", "description"),
        word_forms=_items(sense.word_forms, "text", "form"),
        usage_notes=_items(sense.usage_notes, "text", "type"),
        **sense.extra,
        sources=sense.sources,
        provenance=_origins(sense.provenance),
    )


def _present(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value or value == 0}


def _items(items: Iterable[Item], text: str, note: str) -> list[dict[str, Any]]:
    return [_present(**{text: each.text, note: each.note}) for each in items]


def _origin(origin: Origin | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    changes = {"edited": origin.edited or None, "reviewed": str(origin.reviewed)}
    return _present(model=origin.model, date=origin.date, **changes)


def _origins(provenance: Mapping[str, Origin]) -> dict[str, Any]:
    return {component: _origin(origin) for component, origin in provenance.items()}
