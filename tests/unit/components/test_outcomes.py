"""Outcomes of answers: new values, new documents, no duplicates."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floridify_batch.components.antonyms import AntonymResponse
from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.change import Change, Collection, Insert, Provenance, Replaced, Update, value_digest
from floridify_batch.components.collocations import CollocationItem, CollocationResponse
from floridify_batch.components.definitions import FallbackDefinition, FallbackDefinitionsResponse
from floridify_batch.components.domain import DomainIdentificationResponse
from floridify_batch.components.etymology import EtymologyResponse
from floridify_batch.components.examples import ExampleGenerationResponse
from floridify_batch.components.frequency_band import FrequencyBandResponse
from floridify_batch.components.grammar_patterns import GrammarPatternResponse
from floridify_batch.components.phrases import PhraseResponse
from floridify_batch.components.recipe import Scope
from floridify_batch.components.regional_variants import RegionalVariantResponse
from floridify_batch.components.register import RegisterClassificationResponse
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.synonyms import (
    LeanSynonymGenerationResponse,
    SynonymCandidate,
    SynonymGenerationResponse,
    merged_words,
)
from floridify_batch.components.synthesis_entry import new_entry
from floridify_batch.components.usage_notes import UsageNoteItem, UsageNoteResponse
from floridify_batch.components.word_forms import WordFormItem, WordFormResponse
from floridify_batch.costs.usage import Usage
from floridify_batch.pipeline.brief import brief
from floridify_batch.pipeline.change_derivation import parser
from floridify_batch.words.entry import JUDGEMENTS, Definition, Entry, Stamp, Word, derived_id
from floridify_batch.words.language import language_name

C = SynthesisComponent
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BANK = Word(derived_id("bank"), "bank", "en")


def stamp(batch: str = "b1", created: datetime = NOON) -> Stamp:
    return Stamp(derived_id("stamp", batch), "run", batch, created, "gpt-6-luna", "t", "batch")


def provenance(*, replaces: bool = False, by: Stamp | None = None) -> Provenance:
    return Provenance(
        "bank-x-synonyms", by or stamp(), NOON + timedelta(hours=2), Usage(100, 0, 20), "en", "English", replaces
    )


def sense(**fields: Any) -> Definition:
    return Definition(derived_id("river"), "noun", "the land beside a river", **fields)


def changed(
    component: SynthesisComponent,
    answer: Any,
    definition: Definition | None = None,
    source: Provenance | None = None,
    entry: Entry | None = None,
) -> Change:
    """Return the change that an answer makes to a definition, or to the word itself."""
    recipe = RECIPES[component]
    target = definition or sense()
    whole = entry or Entry(BANK, (target,))
    about = whole if component is C.DEFINITIONS else target
    change = recipe.change(whole, about, answer, source or provenance())
    assert change is not None
    return change


def candidates(*words: str, language: str = "en") -> list[SynonymCandidate]:
    return [
        SynonymCandidate(word=word, language=language, relevance=1, efflorescence=1, explanation="") for word in words
    ]


def synonyms(*words: str, language: str = "en") -> SynonymGenerationResponse:
    return SynonymGenerationResponse(synonyms=candidates(*words, language=language), confidence=0.9)


# ── lists of words ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_merged() -> None:
    """Existing values stay first, duplicates are dropped regardless of case, and the limit holds."""
    assert merged_words(["Shore", "edge"], ["shore", "side", "Side", "rim"], 3) == ["Shore", "edge", "side"]
    assert merged_words([], [], 3) == []


def test_synonyms_join() -> None:
    """New synonyms are added to those of a person."""
    change = changed(C.SYNONYMS, synonyms("side", "edge"), sense(synonyms=["shore", "edge"]))
    assert change.target == Update(Collection.DEFINITIONS, derived_id("river"), {"synonyms": ["shore", "edge", "side"]})


def test_synonyms_have_a_limit() -> None:
    """An entry never holds more than 50 synonyms; cognates that are there stay as they are."""
    full = [f"word{number}" for number in range(49)]
    change = changed(C.SYNONYMS, synonyms("side", "edge"), sense(synonyms=full))
    assert change.target.fields["synonyms"] == [*full, "side"]
    foreign = changed(C.SYNONYMS, synonyms("Ufer", language="de"), sense(cognates=full[:20]))
    assert "cognates" not in foreign.target.fields


@pytest.mark.parametrize("language", ["en", "EN", "en-GB", "English", " english ", ""])
def test_own_language(language: str) -> None:
    """A word is a synonym for any spelling of the entry's language."""
    fields = changed(C.SYNONYMS, synonyms("side", language=language)).target.fields
    assert fields == {"synonyms": ["side"]}


@pytest.mark.parametrize("tag", ["en-GB", "EN", "eng"])
@pytest.mark.parametrize("stated", ["en", "en-GB", "en-US", "English", "eng"])
def test_a_region_makes_no_other_language(tag: str, stated: str) -> None:
    """A run with `--language en-GB` keeps its synonyms: languages are compared without their region."""
    source = provenance()._replace(language=tag, language_name=language_name(tag))
    assert changed(C.SYNONYMS, synonyms("side", language=stated), source=source).target.fields == {"synonyms": ["side"]}
    foreign = changed(C.SYNONYMS, synonyms("rive", language="fr-CA"), source=source).target.fields
    assert foreign["cognates"] == ["rive"]


def test_a_word_of_both_lists_is_no_cognate() -> None:
    """A word that an answer lists among the synonyms, and without a language again, is a synonym only."""
    answer = LeanSynonymGenerationResponse.model_validate({"synonyms": ["shore"], "cognates": ["Shore", "rive"]})
    assert changed(C.SYNONYMS, answer).target.fields == {"synonyms": ["shore"], "cognates": ["rive"]}


def test_equal_items_are_stored_once() -> None:
    """Of equal collocations, notes, patterns and phrases of an answer, the first one is stored."""
    pair = [{"type": "adjective + noun", "phrase": "steep bank", "frequency": 0.4}] * 2
    collocations = CollocationResponse.model_validate({"collocations": pair, "confidence": 1})
    assert len(changed(C.COLLOCATIONS, collocations).target.fields["collocations"]) == 1
    note = {"type": "grammar", "text": "Often plural."}
    notes = UsageNoteResponse.model_validate({"notes": [note] * 2, "confidence": 1})
    assert len(changed(C.USAGE_NOTES, notes).target.fields["usage_notes"]) == 1
    patterns = GrammarPatternResponse(patterns=["[Tn]"] * 3, descriptions=["a", "b", "a"], confidence=1)
    assert len(changed(C.GRAMMAR_PATTERNS, patterns).target.fields["grammar_patterns"]) == 2


def test_a_phrase_has_a_meaning() -> None:
    """A phrase whose meaning is the phrase itself is left out."""
    whole = {"phrase": "break the bank", "meaning": "to cost too much", "example": None, "register": None}
    answer = PhraseResponse.model_validate({"phrases": [whole, whole | {"meaning": "Break the bank"}], "confidence": 1})
    assert [each.meaning for each in answer.phrases] == ["to cost too much"]


def test_roots_are_words() -> None:
    """Root words are stored once each, without numbers, identifiers and sentences, up to a limit."""
    odd = ("2017", "root_form", "the origin of this word is unclear.")
    roots = ["banca", *odd, "Banca", "*bankiz", *(f"root{chr(97 + n)}" for n in range(26))]
    answer = EtymologyResponse(
        text="From Italian.", origin_language=None, root_words=roots, first_known_use=None, confidence=1
    )
    entry = Entry(BANK, (sense(),))
    change = RECIPES[C.ETYMOLOGY].change(entry, entry, answer, provenance())
    assert change is not None
    fields = {name: value for update in change.updates for name, value in update.fields.items()}
    stored = fields["etymology"]["root_words"]
    assert (stored[:3], len(stored)) == (["banca", "*bankiz", "roota"], 20)


def test_words_of_other_languages_are_cognates() -> None:
    """A word of another language becomes a cognate; as an antonym it is discarded."""
    fields = changed(C.SYNONYMS, synonyms("rive", language="fr"), sense(synonyms=["shore"])).target.fields
    assert fields == {"synonyms": ["shore"], "cognates": ["rive"]}
    opposite = AntonymResponse(antonyms=candidates("lit", language="fr"), confidence=1)
    assert changed(C.ANTONYMS, opposite).target.fields == {"antonyms": []}


def test_antonyms_of_other_languages_are_counted() -> None:
    """Antonyms that are not stored because they are foreign count as discarded list items."""
    content = AntonymResponse(antonyms=[*candidates("bed"), *candidates("lit", language="fr")], confidence=1)
    message = {"message": {"content": content.model_dump_json()}, "finish_reason": "stop"}
    repairs = Counter[str]()
    questions = brief([C.ANTONYMS], model="m", language_name="English").by_component()
    parser(questions, repairs, "en-GB")("antonyms", {"choices": [message]})
    assert repairs == {"dropped": 1}


def test_never_its_own_synonym() -> None:
    """The word itself is neither its synonym nor its antonym nor its cognate, regardless of case."""
    assert changed(C.SYNONYMS, synonyms("Bank", "side")).target.fields == {"synonyms": ["side"]}
    assert changed(C.SYNONYMS, synonyms("BANK", language="de")).target.fields == {"synonyms": []}
    opposite = AntonymResponse(antonyms=candidates("bank", "bed"), confidence=1)
    assert changed(C.ANTONYMS, opposite).target.fields == {"antonyms": ["bed"]}


def test_force_replaces_lists() -> None:
    """With --force the new answer replaces the old lists, cognates included."""
    before = sense(synonyms=["shore"], cognates=["rive"], antonyms=["bed"])
    fields = changed(C.SYNONYMS, synonyms("side"), before, provenance(replaces=True)).target.fields
    assert fields == {"synonyms": ["side"], "cognates": []}
    opposite = AntonymResponse(antonyms=candidates("midstream"), confidence=1)
    assert changed(C.ANTONYMS, opposite, before, provenance(replaces=True)).target.fields == {"antonyms": ["midstream"]}


# ── examples ───────────────────────────────────────────────────────────────────────────────────────────────────────

SENTENCES = ExampleGenerationResponse(example_sentences=["We sat there.", "It flooded."], confidence=0.7)


def test_examples_are_documents() -> None:
    """Each sentence becomes a document that refers to its definition, and the definition refers to it."""
    change = changed(C.EXAMPLES, SENTENCES)
    assert [insert.fields["text"] for insert in change.inserts] == ["We sat there.", "It flooded."]
    assert {insert.fields["definition_id"] for insert in change.inserts} == {derived_id("river")}
    assert {insert.fields["type"] for insert in change.inserts} == {"generated"}
    assert change.target.fields == {"example_ids": [insert.id for insert in change.inserts]}


def test_examples_twice_are_once() -> None:
    """Equal answers have equal IDs, so that storing one again after a crash adds nothing."""
    assert changed(C.EXAMPLES, SENTENCES) == changed(C.EXAMPLES, SENTENCES)
    other = changed(C.EXAMPLES, SENTENCES, source=provenance(by=stamp("b2")))
    assert not {each.id for each in changed(C.EXAMPLES, SENTENCES).inserts} & {each.id for each in other.inserts}


def test_examples_join_or_replace() -> None:
    """Existing examples stay without --force; with it, generated ones are removed, after the new ones are stored."""
    old = [derived_id("old", number) for number in range(2)]
    joined = changed(C.EXAMPLES, SENTENCES, sense(example_ids=old))
    assert joined.target.fields["example_ids"][:2] == old
    assert joined.replaces == ()
    replaced = changed(C.EXAMPLES, SENTENCES, sense(example_ids=old), provenance(replaces=True))
    assert replaced.target.fields["example_ids"] == [insert.id for insert in replaced.inserts]
    assert replaced.replaces == (Replaced(Collection.EXAMPLES, derived_id("river"), tuple(old)),)


def test_the_model_is_on_record() -> None:
    """Each example records its model, confidence and tokens."""
    info = changed(C.EXAMPLES, SENTENCES).inserts[0].fields["model_info"]
    assert (info["name"], info["confidence"], info["total_tokens"]) == ("gpt-6-luna", 0.7, 120)
    assert info["last_generated"] == NOON + timedelta(hours=2)


# ── single values ──────────────────────────────────────────────────────────────────────────────────────────────────

ANSWERED: list[tuple[SynthesisComponent, Any, dict[str, Any]]] = [
    (C.CEFR_LEVEL, CEFRLevelResponse(reasoning="", level="B1", confidence=1), {"cefr_level": "B1"}),
    (C.FREQUENCY_BAND, FrequencyBandResponse(reasoning="", band=2, confidence=1), {"frequency_band": 2}),
    (
        C.REGISTER,
        RegisterClassificationResponse(reasoning="", register="formal", confidence=1),
        {"language_register": "formal"},
    ),
    (C.DOMAIN, DomainIdentificationResponse(reasoning="", domain=None, confidence=1), {"domain": None}),
    (C.REGIONAL_VARIANTS, RegionalVariantResponse(regions=[], confidence=1), {"region": None}),
    (C.REGIONAL_VARIANTS, RegionalVariantResponse(regions=["UK", "US"], confidence=1), {"region": "UK"}),
    (C.REGIONAL_VARIANTS, RegionalVariantResponse(regions=["New Zealand"], confidence=1), {"region": "NZ"}),
    (C.REGIONAL_VARIANTS, RegionalVariantResponse(regions=["Scotland"], confidence=1), {"region": "Scotland"}),
    (
        C.GRAMMAR_PATTERNS,
        GrammarPatternResponse(patterns=["on the ~"], descriptions=["beside it"], confidence=1),
        {"grammar_patterns": [{"pattern": "on the ~", "description": "beside it"}]},
    ),
    (
        C.COLLOCATIONS,
        CollocationResponse(
            collocations=[CollocationItem(type="adjective + noun", phrase="steep bank", frequency=0.4)],
            confidence=1,
        ),
        {"collocations": [{"text": "steep bank", "type": "adjective + noun", "frequency": 0.4}]},
    ),
    (
        C.USAGE_NOTES,
        UsageNoteResponse(notes=[UsageNoteItem(type="error", text="Not 'banck'.")], confidence=1),
        {"usage_notes": [{"type": "error", "text": "Not 'banck'."}]},
    ),
    (
        C.WORD_FORMS,
        WordFormResponse(forms=[WordFormItem(type="plural", text="banks")] * 2, confidence=1),
        {"word_forms": [{"form_type": "plural", "text": "banks"}]},
    ),
]


@pytest.mark.parametrize(("component", "answer", "fields"), ANSWERED)
def test_values(component: SynthesisComponent, answer: Any, fields: dict[str, Any]) -> None:
    """An answer is stored under the database's field names, and changes nothing else."""
    change = changed(component, answer)
    assert change.target == Update(Collection.DEFINITIONS, derived_id("river"), fields)
    assert (change.component, change.stamp, change.inserts, change.updates, change.replaces) == (
        component,
        stamp(),
        (),
        (),
        (),
    )


# ── definitions ────────────────────────────────────────────────────────────────────────────────────────────────────

SENSES = FallbackDefinitionsResponse(
    definitions=[
        FallbackDefinition(part_of_speech="noun", definition="land by a river", relevancy=1),
        FallbackDefinition(part_of_speech="verb", definition="to lean in a turn", relevancy=0.2),
    ],
    confidence=0.8,
)


def test_definitions_make_an_entry() -> None:
    """A word without definitions gets them together with the synthesis entry that holds them, in their order."""
    change = changed(C.DEFINITIONS, SENSES, entry=Entry(BANK))
    definitions = change.inserts
    assert {each.collection for each in definitions} == {Collection.DEFINITIONS}
    assert change.draft is not None
    assert change.draft.new
    entry = new_entry(change.draft, ())
    assert [each.fields["text"] for each in definitions] == ["land by a river", "to lean in a turn"]
    assert change.updates == (
        Update(Collection.ENTRIES, entry.id, {}, {"definition_ids": tuple(each.id for each in definitions)}),
    )
    assert (entry.fields["word_id"], entry.fields["provider"]) == (BANK.id, "synthesis")
    assert {each.fields["dictionary_entry_id"] for each in definitions} == {entry.id}
    assert change.target == Update(Collection.WORDS, BANK.id, {})


def test_definitions_go_into_the_entry_that_is_there() -> None:
    """A synthesis entry without definitions is filled, not duplicated."""
    there = derived_id("there")
    change = changed(C.DEFINITIONS, SENSES, entry=Entry(BANK, synthesis_entry=there))
    ids = [insert.id for insert in change.inserts]
    assert {insert.collection for insert in change.inserts} == {Collection.DEFINITIONS}
    assert change.updates == (Update(Collection.ENTRIES, there, {}, {"definition_ids": tuple(ids)}),)


def test_no_word_of_the_language() -> None:
    """A word that the model does not know gets a stamp and nothing else."""
    none = FallbackDefinitionsResponse(definitions=[], confidence=1)
    change = changed(C.DEFINITIONS, none, entry=Entry(BANK))
    assert (change.target.fields, change.inserts, change.updates, change.draft) == ({}, (), (), None)


def test_new_documents_lack_nothing() -> None:
    """A new definition has every field that a reader of the database expects, lists empty and values null."""
    first = changed(C.DEFINITIONS, SENSES, entry=Entry(BANK)).inserts[0]
    assert isinstance(first, Insert)
    for recipe in RECIPES.values():
        if recipe.scope is Scope.DEFINITION and recipe.field != JUDGEMENTS:  # no field of Floridify's
            assert first.fields[recipe.field] in ([], None)


# ── once and in order ──────────────────────────────────────────────────────────────────────────────────────────────


def test_stored_already() -> None:
    """An answer that is stored already changes nothing, so that storing may be repeated after a crash."""
    before = sense(stamps={C.SYNONYMS: stamp()})
    assert RECIPES[C.SYNONYMS].change(Entry(BANK, (before,)), before, synonyms("side"), provenance()) is None


def test_an_older_answer_gives_way() -> None:
    """The answer of an older batch, collected late, does not overwrite that of a newer one."""
    newer = stamp("b2", NOON + timedelta(seconds=1))
    before = sense(stamps={C.SYNONYMS: newer})
    assert RECIPES[C.SYNONYMS].change(Entry(BANK, (before,)), before, synonyms("side"), provenance()) is None


def test_a_newer_answer_is_stored() -> None:
    """The answer of a newer batch replaces an older stamp; a stamp of another component has no effect."""
    older = replace(stamp("b0"), batch_created=NOON - timedelta(days=1))
    change = changed(C.SYNONYMS, synonyms("side"), sense(stamps={C.SYNONYMS: older, C.ANTONYMS: stamp()}))
    assert change.stamp == stamp()
    assert change.completed == NOON + timedelta(hours=2)


def test_digest_of_a_time() -> None:
    """A time has the same digest before it is stored and after, when it has whole milliseconds."""
    written, read = ({"at": NOON.replace(microsecond=part)} for part in (123_456, 123_000))
    assert value_digest(written) == value_digest(read)
    assert value_digest({"at": NOON}) == "71519a2a"  # as earlier versions recorded it
