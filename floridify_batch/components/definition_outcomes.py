"""What answers about a definition change: pure functions to new values, in the fields and limits of the database."""

from collections.abc import Iterable
from typing import Any

from floridify_batch.components import answer as answers
from floridify_batch.components.change import Collection, Insert, Replaced
from floridify_batch.components.recipe import Outcome, Provenance
from floridify_batch.words.entry import Definition, Entry, derived_id

MAX_SYNONYMS = MAX_ANTONYMS = MAX_EXAMPLES = 50
MAX_COGNATES = 20


def merged(before: Iterable[str], new: Iterable[str], limit: int) -> list[str]:
    """What was there, then what is new, without repetitions (of any capitalisation), `limit` at most."""
    distinct: dict[str, str] = {}
    for text in (*before, *new):
        distinct.setdefault(text.casefold(), text)
    return list(distinct.values())[:limit]


def _own_language(candidate: answers.SynonymCandidate, provenance: Provenance) -> bool:
    stated = candidate.language.strip().casefold()
    return not stated or stated.split("-")[0] in (provenance.language, provenance.language_name.casefold())


def synonyms(
    entry: Entry, definition: Definition, answer: answers.SynonymGenerationResponse, provenance: Provenance
) -> Outcome:
    """Synonyms of the entry's own language join the list; those of other languages are its cognates."""
    own, foreign = _divide(entry, answer.synonyms, provenance)
    before = ([], []) if provenance.replace else (definition.synonyms, definition.cognates)
    fields: dict[str, Any] = {"synonyms": merged(before[0], own, MAX_SYNONYMS)}
    if foreign or provenance.replace:
        fields["cognates"] = merged(before[1], foreign, MAX_COGNATES)
    return Outcome(fields)


def antonyms(entry: Entry, definition: Definition, answer: answers.AntonymResponse, provenance: Provenance) -> Outcome:
    """Antonyms of the entry's own language join the list; others are dropped."""
    own, _ = _divide(entry, answer.antonyms, provenance)
    before = [] if provenance.replace else definition.antonyms
    return Outcome({"antonyms": merged(before, own, MAX_ANTONYMS)})


def _divide(
    entry: Entry, candidates: list[answers.SynonymCandidate], provenance: Provenance
) -> tuple[list[str], list[str]]:
    """The candidates of the entry's language and the others; never the word itself."""
    itself = entry.word.text.casefold()
    own: list[str] = []
    foreign: list[str] = []
    for candidate in candidates:
        if candidate.word.casefold() != itself:
            (own if _own_language(candidate, provenance) else foreign).append(candidate.word)
    return own, foreign


def examples(
    _: Entry, definition: Definition, answer: answers.ExampleGenerationResponse, provenance: Provenance
) -> Outcome:
    """A document for each sentence, and their ids in the definition."""
    inserts = tuple(
        Insert(
            Collection.EXAMPLES,
            derived_id(provenance.custom_id, provenance.stamp.id, index),
            {
                "definition_id": definition.id,
                "text": sentence,
                "type": "generated",
                "model_info": model_info(answer.confidence, provenance),
            },
        )
        for index, sentence in enumerate(answer.example_sentences)
    )
    new = [insert.id for insert in inserts]
    if not provenance.replace:
        room = max(0, MAX_EXAMPLES - len(definition.example_ids))
        return Outcome({"example_ids": [*definition.example_ids, *new[:room]]}, inserts[:room])
    before = tuple(old for old in definition.example_ids if old not in new)
    return Outcome({"example_ids": new}, inserts, replaces=(Replaced(Collection.EXAMPLES, definition.id, before),))


def model_info(confidence: float, provenance: Provenance) -> dict[str, Any]:
    """The database's record of which model wrote something."""
    usage = provenance.usage
    return {
        "name": provenance.stamp.model,
        "confidence": confidence,
        "temperature": None,
        "generation_count": 1,
        "prompt_tokens": usage.input if usage else None,
        "completion_tokens": usage.output if usage else None,
        "total_tokens": usage.total if usage else None,
        "response_time_ms": None,
        "last_generated": provenance.completed,
    }


def frequency_band(_: Entry, __: Definition, answer: answers.FrequencyBandResponse, provenance: Provenance) -> Outcome:
    """The band, counted from the end from which the database counts."""
    return Outcome({"frequency_band": 6 - answer.band if provenance.rare_first else answer.band})


def grammar_patterns(answer: answers.GrammarPatternResponse) -> list[dict[str, str]]:
    """Patterns, each with its description."""
    pairs = zip(answer.patterns, answer.descriptions, strict=True)
    return [{"pattern": pattern, "description": description} for pattern, description in pairs]


def collocations(answer: answers.CollocationResponse) -> list[dict[str, Any]]:
    """Collocations, by the database's names."""
    return [{"text": item.phrase, "type": item.type, "frequency": item.frequency} for item in answer.collocations]


def word_forms(answer: answers.WordFormResponse) -> list[dict[str, str]]:
    """Each form once, by the database's names."""
    distinct = dict.fromkeys((form.type, form.text) for form in answer.forms)
    return [{"form_type": kind, "text": text} for kind, text in distinct]
