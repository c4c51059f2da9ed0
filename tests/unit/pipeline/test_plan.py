"""The plan: the requests for a word, as a function of its stored entries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from floridify_batch.components.change import REVIEWED, value_digest
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.registry import RECIPES, SynthesisComponent as C
from floridify_batch.components.requests import SynthesisRequest, custom_id, parse_custom_id
from floridify_batch.components.text_judgement import text_digest
from floridify_batch.pipeline.brief import Brief, brief
from floridify_batch.pipeline.plan import (
    Failures,
    Finished,
    PageToPlan,
    WordToPlan,
    finish,
    left_over,
    plan_words,
)
from floridify_batch.words.entry import JUDGEMENTS, Definition, DocId, Entry, Stamp, Word, derived_id, unknown_entry
from tests.fakes import brief_of
from tests.plans import plan

ASKED = (C.SYNONYMS, C.CEFR_LEVEL)
BANK = Word(derived_id("bank"), "bank", "en")
RIVER, MONEY = derived_id("river"), derived_id("money")


def stamp(run: str = "earlier") -> Stamp:
    return Stamp(derived_id("stamp", run), run, "b1", datetime(2026, 1, 1, tzinfo=UTC), "gpt-6-luna", "t", "batch")


def sense(identity: DocId = RIVER, text: str = "the land beside a river", **fields: Any) -> Definition:
    return Definition(identity, "noun", text, **fields)


def asked(*components: C, **more: Any) -> Brief:
    return replace(brief_of(components or ASKED), **more)


def failed(target: DocId, component: str, reason: FailureReason, attempt: int = 1, **more: Any) -> Failure:
    return Failure(custom_id("bank", target, component), reason, "it went wrong", attempt, **more)


def by_id(*failures: Failure) -> Failures:
    return {failure.custom_id: failure for failure in failures}


def names(requests: list[SynthesisRequest[Any]]) -> list[tuple[str, str]]:
    """Return the component and the document of each request."""
    parts = [parse_custom_id(request.custom_id) for request in requests]
    return [(each.component, each.document) for each in parts if each]


@dataclass(frozen=True)
class Case:
    """A stored word, and the requests expected for it."""

    entry: Entry
    wanted: Sequence[tuple[str, str]]
    failures: Mapping[str, Failure] = field(default_factory=dict)
    asked: Brief = field(default_factory=asked)


def judged(of: Definition, **changes: Any) -> Definition:
    """A sense whose texts were judged before these changes."""
    judgement = [{"component": "definitions", "digest": text_digest("noun", of.text), "score": 5, "reason": ""}]
    ours = {"synthesis_judgements": judgement, "digests": {JUDGEMENTS: value_digest(judgement)}}
    return replace(of, stamps={C.JUDGEMENT: stamp()}, **ours | changes)


REJECTED = Entry(BANK, stamps={C.DEFINITIONS: stamp("then")}, digests={"definitions": REVIEWED})
BOTH = [(C.SYNONYMS, RIVER), (C.CEFR_LEVEL, RIVER)]
MONEYS = [(C.SYNONYMS, MONEY), (C.CEFR_LEVEL, MONEY)]
OURS: dict[str, Any] = {"synonyms": ["shore"], "cefr_level": "B1"}
OURS |= {"digests": {name: value_digest(value) for name, value in OURS.items()}}
"""Values as this tool wrote them."""

CASES = {
    "a word that nobody knows is asked for definitions alone": Case(
        unknown_entry("bank", "en"), [(C.DEFINITIONS, derived_id("word", "en", "bank"))]
    ),
    "a stored word without definitions is asked for some": Case(Entry(BANK), [(C.DEFINITIONS, BANK.id)]),
    "a word that the model does not know is not asked again": Case(
        Entry(BANK, stamps={C.DEFINITIONS: stamp()}),
        [],
    ),
    "a definition is asked for all that it lacks": Case(Entry(BANK, (sense(),)), BOTH),
    "every definition is asked": Case(
        Entry(BANK, (sense(), sense(MONEY))),
        [(C.SYNONYMS, RIVER), (C.SYNONYMS, MONEY), (C.CEFR_LEVEL, RIVER), (C.CEFR_LEVEL, MONEY)],
    ),
    "what is stored is not asked": Case(Entry(BANK, (sense(synonyms=["shore"]),)), [(C.CEFR_LEVEL, RIVER)]),
    "what was answered is not asked, even with nothing": Case(
        Entry(BANK, (sense(stamps={C.CEFR_LEVEL: stamp()}),)), [(C.SYNONYMS, RIVER)]
    ),
    "an answer to an older template is kept": Case(Entry(BANK, (sense(stamps=dict.fromkeys(ASKED, stamp())),)), []),
    "an answer to an older template is stale": Case(
        Entry(BANK, (sense(stamps=dict.fromkeys(ASKED, stamp())),)), BOTH, asked=asked(stale=True)
    ),
    "a complete word costs nothing": Case(Entry(BANK, (sense(synonyms=["shore"], cefr_level="B1"),)), []),
    "a definition without a text counts as none": Case(Entry(BANK, (sense(text=" "),)), [(C.DEFINITIONS, BANK.id)]),
    "a definition without a text is not asked about": Case(Entry(BANK, (sense(text=" "), sense(MONEY))), MONEYS),
    "a homograph without definitions gets none of its siblings'": Case(
        Entry(BANK, homograph=True, sibling_defined=True), []
    ),
    "homographs without any definitions are asked for some": Case(
        Entry(BANK, homograph=True), [(C.DEFINITIONS, BANK.id)]
    ),
    "force asks again about a word that the model did not know": Case(
        Entry(BANK, stamps={C.DEFINITIONS: stamp("then")}), [(C.DEFINITIONS, BANK.id)], asked=asked(forced_run="now")
    ),
    "force asks once about a word that the model does not know": Case(
        Entry(BANK, stamps={C.DEFINITIONS: stamp("now")}), [], asked=asked(forced_run="now")
    ),
    "a better model is asked about a word that another did not know": Case(
        Entry(BANK, stamps={C.DEFINITIONS: stamp("then")}), [(C.DEFINITIONS, BANK.id)], asked=asked(stale=True, run="n")
    ),
    "a word whose definitions a person has rejected gets none": Case(REJECTED, [], asked=asked(stale=True, run="n")),
    "force does not define a word whose definitions a person has rejected": Case(
        REJECTED, [], asked=asked(forced_run="now")
    ),
    "replace-edited defines a word whose definitions a person has rejected": Case(
        REJECTED, [(C.DEFINITIONS, BANK.id)], asked=asked(forced_run="now", replace_edited=True)
    ),
    "retry-failed asks again about a word that an earlier run's model did not know": Case(
        Entry(BANK, stamps={C.DEFINITIONS: stamp("then")}),
        [(C.DEFINITIONS, BANK.id)],
        asked=asked(run="now", reopened=frozenset()),
    ),
    "retry-failed asks once about a word that the model does not know": Case(
        Entry(BANK, stamps={C.DEFINITIONS: stamp("now")}), [], asked=asked(run="now", reopened=frozenset({"older"}))
    ),
    "a stamp of another component counts for nothing": Case(
        Entry(BANK, (sense(stamps={C.DOMAIN: stamp()}),), {C.SYNONYMS: stamp()}), BOTH
    ),
    "what ran out of time is asked again": Case(
        Entry(BANK, (sense(),)), BOTH, by_id(failed(RIVER, C.SYNONYMS, FailureReason.EXPIRED))
    ),
    "what was refused is not": Case(
        Entry(BANK, (sense(),)), BOTH[1:], by_id(failed(RIVER, C.SYNONYMS, FailureReason.REFUSED))
    ),
    "what was rejected is not": Case(
        Entry(BANK, (sense(),)), [], by_id(*(failed(RIVER, each, FailureReason.REJECTED) for each in ASKED))
    ),
    "what the service finds wrong is not": Case(
        Entry(BANK, (sense(),)), BOTH[1:], by_id(failed(RIVER, C.SYNONYMS, FailureReason.HTTP, status=400))
    ),
    "a busy service is": Case(
        Entry(BANK, (sense(),)), BOTH, by_id(failed(RIVER, C.SYNONYMS, FailureReason.HTTP, status=429))
    ),
    "the last attempt but one leaves one": Case(
        Entry(BANK, (sense(),)), BOTH, by_id(failed(RIVER, C.SYNONYMS, FailureReason.EXPIRED, attempt=2))
    ),
    "attempts run out": Case(
        Entry(BANK, (sense(),)), BOTH[1:], by_id(failed(RIVER, C.SYNONYMS, FailureReason.EXPIRED, attempt=3))
    ),
    "attempts are the user's to set": Case(
        Entry(BANK, (sense(),)),
        BOTH[1:],
        by_id(failed(RIVER, C.SYNONYMS, FailureReason.EXPIRED)),
        asked(max_attempts=1),
    ),
    "one sense's failure is not another's": Case(
        Entry(BANK, (sense(),)), BOTH, by_id(failed(MONEY, C.SYNONYMS, FailureReason.REFUSED))
    ),
    "force asks for what is stored": Case(
        Entry(BANK, (sense(stamps={C.SYNONYMS: stamp()}, **OURS),)),
        BOTH,
        asked=asked(forced_run="now"),
    ),
    "force keeps values that are not ours, and those without a digest": Case(
        Entry(BANK, (sense(synonyms=["shore"], cefr_level="B1", stamps={C.SYNONYMS: stamp()}),)),
        [],
        asked=asked(forced_run="now"),
    ),
    "force keeps what a person removed": Case(
        Entry(BANK, (sense(**OURS | {"synonyms": []}),)), BOTH[1:], asked=asked(forced_run="now")
    ),
    "stale values that people edited stay": Case(
        Entry(BANK, (sense(stamps=dict.fromkeys(ASKED, stamp()), **OURS | {"cefr_level": "A1"}),)),
        BOTH[:1],
        asked=asked(stale=True),
    ),
    "replace-edited regenerates what people wrote": Case(
        Entry(BANK, (sense(synonyms=["shore"], cefr_level="B1", stamps={C.SYNONYMS: stamp()}),)),
        BOTH,
        asked=asked(forced_run="now", replace_edited=True),
    ),
    "force asks once in a run": Case(
        Entry(BANK, (sense(stamps={C.SYNONYMS: stamp("now")}, **OURS),)),
        BOTH[1:],
        asked=asked(forced_run="now"),
    ),
    "force does not write anew the definitions that there are": Case(
        Entry(BANK, (sense(stamps=dict.fromkeys(ASKED, stamp("now"))),)), [], asked=asked(forced_run="now")
    ),
    "definitions come first even where nobody named them": Case(
        Entry(BANK), [(C.DEFINITIONS, BANK.id)], asked=asked(C.DOMAIN)
    ),
    "texts are judged once they are written": Case(
        Entry(BANK, (sense(), sense(MONEY, example_ids=[RIVER]))),
        [(C.EXAMPLES, RIVER)],
        asked=asked(C.EXAMPLES, C.JUDGEMENT),
    ),
    "texts are judged without examples that failed for good": Case(
        Entry(BANK, (sense(),)),
        [(C.JUDGEMENT, RIVER)],
        by_id(failed(RIVER, C.EXAMPLES, FailureReason.REFUSED)),
        asked(C.EXAMPLES, C.JUDGEMENT),
    ),
    "a changed text is judged again, an unchanged one is not": Case(
        Entry(BANK, (judged(sense()), judged(sense(MONEY), text="a house for money"))),
        [(C.JUDGEMENT, MONEY)],
        asked=asked(C.JUDGEMENT),
    ),
    "a judgement that a person changed stays": Case(
        Entry(BANK, (judged(sense(), text="the land beside a lake", digests={JUDGEMENTS: "of ours"}),)),
        [],
        asked=asked(C.JUDGEMENT),
    ),
    "definitions alone may be asked for": Case(Entry(BANK, (sense(),)), [], asked=asked(C.DEFINITIONS)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_missing_components_are_requested(case: Case) -> None:
    """A word gets a request for each component that is missing, ready, and has attempts left."""
    assert names(plan(case.entry, case.asked, case.failures)) == case.wanted


def test_the_prompt_is_about_the_definition() -> None:
    """Each request is about its own sense."""
    entry = Entry(BANK, (sense(), sense(MONEY, "a house that keeps money")))
    river, money = plan(entry, asked(C.DOMAIN), {})
    assert "the land beside a river" in river.prompt
    assert "a house that keeps money" in money.prompt
    assert "Definition: <<a house that keeps money>>" in money.prompt
    assert "Not meant: <<the land beside a river>>" in money.prompt


def test_a_first_attempt() -> None:
    """A first attempt has the ordinary output cap."""
    for request in plan(Entry(BANK, (sense(),)), asked(), {}):
        assert (request.attempt, request.cap_doublings) == (1, 0)


@pytest.mark.parametrize(
    ("options", "retried"), [({"max_tokens": 40}, []), ({"seed": 7}, [C.SYNONYMS]), ({}, [C.SYNONYMS])]
)
def test_a_cap_of_the_user(options: dict[str, Any], retried: list[C]) -> None:
    """An answer that was cut at a cap of --request-option is not retried, since the retry would have the same one."""
    failure = failed(RIVER, C.SYNONYMS, FailureReason.TRUNCATED)
    wanted = asked(C.SYNONYMS).with_options(options)
    assert [name for name, _ in names(plan(Entry(BANK, (sense(),)), wanted, by_id(failure)))] == retried


@pytest.mark.parametrize(
    ("reason", "cap_doublings", "then"),
    [
        (FailureReason.EXPIRED, 0, (2, 0)),
        (FailureReason.CANCELLED, 0, (2, 0)),
        (FailureReason.TRUNCATED, 0, (2, 1)),
        (FailureReason.TRUNCATED, 1, (2, 2)),
        (FailureReason.MALFORMED, 1, (2, 1)),
    ],
)
def test_the_next_attempt(reason: FailureReason, cap_doublings: int, then: tuple[int, int]) -> None:
    """The next attempt continues the count, with a doubled output cap after truncation, and never a smaller cap than
    before.
    """
    failure = failed(RIVER, C.SYNONYMS, reason, cap_doublings=cap_doublings)
    request, _ = plan(Entry(BANK, (sense(),)), asked(), by_id(failure))
    assert (request.attempt, request.cap_doublings) == then
    assert request.body["max_completion_tokens"] == RECIPES[C.SYNONYMS].output_cap * 2 ** then[1]


def test_homographs() -> None:
    """Requests about each homograph of a word have their own ids."""
    other = replace(BANK, id=derived_id("bank 2"), homograph_number=2)
    entries = [Entry(BANK, (sense(),)), Entry(other, (sense(MONEY),)), Entry(replace(other, id=derived_id("bank 3")))]
    ids = [request.custom_id for entry in entries for request in plan(entry, asked(), {})]
    assert len(set(ids)) == len(ids) == 5


@pytest.mark.parametrize(
    ("entries", "failures", "reason"),
    [
        pytest.param([Entry(BANK, (sense(synonyms=["a"], cefr_level="A1"),))], {}, None, id="nothing is missing"),
        pytest.param(
            [Entry(BANK, (sense(stamps=dict.fromkeys(ASKED, stamp())),))], {}, None, id="nothing but empty answers"
        ),
        pytest.param(
            [Entry(BANK, (sense(cefr_level="A1"),))],
            by_id(failed(RIVER, C.SYNONYMS, FailureReason.REFUSED)),
            "synonyms: refused: it went wrong (missing 1 of 2)",
            id="one refusal",
        ),
        pytest.param(
            [Entry(BANK, (sense(),))],
            by_id(*(failed(RIVER, each, FailureReason.HTTP, status=400) for each in ASKED)),
            "synonyms: http 400: it went wrong (and 1 more)",
            id="several failures",
        ),
        pytest.param(
            [Entry(BANK, stamps={C.DEFINITIONS: stamp()})],
            {},
            "no definitions: the model does not know the word",
            id="a word that the model does not know",
        ),
        pytest.param(
            [Entry(BANK, (sense(synonyms=["a"], cefr_level="A1"),)), Entry(BANK, (sense(MONEY, cefr_level="A1"),))],
            by_id(failed(MONEY, C.SYNONYMS, FailureReason.MISSING, 3)),
            "synonyms: missing: it went wrong (missing 1 of 4)",
            id="one homograph of two",
        ),
        pytest.param(
            [Entry(BANK, (sense(synonyms=["a"], cefr_level="A1"),)), Entry(BANK, stamps={C.DEFINITIONS: stamp()})],
            {},
            "no definitions: the model does not know the word",
            id="a homograph without definitions",
        ),
        pytest.param([Entry(BANK, (sense(),))], {}, "synonyms: not requested (and 1 more)", id="never asked"),
    ],
)
def test_why_a_word_failed(entries: list[Entry], failures: Failures, reason: str | None) -> None:
    """A word is processed only if no requested value is missing; else the reason names the missing ones."""
    assert left_over(entries, asked(), failures) == reason


def _finished(entry: Entry, brief: Brief, folder: Path) -> Finished:
    """Plan a word whose requests were answered and stored, and return why it is finished."""
    requested = frozenset(request.custom_id for request in plan(entry, brief, {}))
    assert requested
    (outcome,) = plan_words(brief, PageToPlan([WordToPlan(0, [entry], {}, requested)], str(folder))).words
    assert isinstance(outcome, Finished)
    return outcome


def test_a_replaced_answer(tmp_path: Path) -> None:
    """A forced answer that another run has replaced since is not requested again, and its word is processed."""
    digests = {"cefr_level": value_digest("B1")}
    theirs = sense(cefr_level="B1", stamps={C.CEFR_LEVEL: stamp("theirs")}, digests=digests)
    outcome = _finished(Entry(BANK, (theirs,)), asked(C.CEFR_LEVEL, forced_run="ours"), tmp_path)
    assert outcome.reason is None


def test_a_vanished_answer(tmp_path: Path) -> None:
    """A stored answer that is not in the database is not requested again, and its word has failed."""
    outcome = _finished(Entry(BANK, (sense(),)), asked(C.CEFR_LEVEL), tmp_path)
    assert outcome.reason is not None
    assert "not in the database" in outcome.reason


def test_the_template_digest() -> None:
    """A run depends on its templates: another language or set of components has another digest."""
    digests = {
        asked().template_digest,
        asked(C.SYNONYMS).template_digest,
        brief(ASKED, model="gpt-6-luna", language_name="Welsh").template_digest,
    }
    assert len(digests) == 3
    assert asked().template_digest == asked().template_digest


reasons = st.sampled_from(FailureReason)
attempts = st.integers(1, 4)
stored = st.fixed_dictionaries(
    {},
    optional={
        "synonyms": st.just(["shore"]),
        "cefr_level": st.just("B1"),
        "stamps": st.sets(st.sampled_from(ASKED)).map(lambda names: dict.fromkeys(names, stamp())),
    },
)


@settings(deadline=None, max_examples=60)
@given(st.lists(stored, max_size=3), st.data())
def test_word_is_planned_or_finished(stored_fields: list[dict[str, Any]], data: st.DataObject) -> None:
    """For any stored values and failures, no request is made twice, and a word without requests is finished."""
    senses = tuple(sense(derived_id(number), **fields) for number, fields in enumerate(stored_fields))
    entry = Entry(BANK, senses)
    every: list[str] = [request.custom_id for request in plan(entry, asked(), {})]
    failing: set[str] = data.draw(st.sets(st.sampled_from(every))) if every else set()
    failures = {each: Failure(each, data.draw(reasons), "", data.draw(attempts)) for each in failing}
    again = [request.custom_id for request in plan(entry, asked(), failures)]
    assert len(set(again)) == len(again)
    hopeless = {each for each, failure in failures.items() if not failure.repeatable or failure.attempt >= 3}
    assert set(again) == set(every) - hopeless
    if not again:
        kept = {each for each in hopeless if failures[each].reason is FailureReason.KEPT and entry.definitions}
        missing = hopeless - kept  # a word without definitions has none that could have been kept
        assert (left_over([entry], asked(), failures) is None) == (not missing)


# ── the order of senses ────────────────────────────────────────────────────────────────────────────────────────────


def written(number: int, run: str = "now", batch: int = 0, batch_id: str = "b1") -> tuple[Definition, dict[str, Stamp]]:
    """A definition that a run has written for a cluster, with the stamp of that on the word."""
    key = f"{C.DEFINITION_TEXT}-{number:02d}"
    made = replace(stamp(run), batch_created=datetime(2026, 1, 1 + batch, tzinfo=UTC), batch_id=batch_id)
    identity = derived_id(custom_id("bank", BANK.id, C.DEFINITION_TEXT, number), made.id, 0)
    return sense(identity, f"sense {number}", meaning_cluster={"slug": f"s{number}", "order": number}), {key: made}


def clustered(number: int, order: int) -> Definition:
    """A copy of a source that the run has put into a cluster."""
    stamps = {C.CLUSTER_DEFINITIONS: stamp("now")}
    return sense(
        derived_id("copy", number), f"copy {number}", stamps=stamps, meaning_cluster={"slug": "s", "order": order}
    )


FIRST, SECOND, THIRD = written(0), written(1), written(2)
LATE, SAME_SECOND = written(0, batch=1), written(0, batch_id="b2")
OLD = [written(number, "then") for number in (0, 1, 2)]
MINE = sense(derived_id("mine"), "what an editor wrote")
COPIES = (clustered(0, 2), clustered(1, 0), clustered(2, 1))

ORDERS: dict[str, tuple[Sequence[Any], Sequence[int] | None]] = {
    "an answer that came later takes its place": ((SECOND, THIRD, LATE), (2, 0, 1)),
    "an answer of a batch created in the same second takes its place": ((SECOND, THIRD, SAME_SECOND), (2, 0, 1)),
    "an order that a person gave new definitions stays": ((SECOND, FIRST, THIRD), None),
    "an order that a person gave definitions of an earlier run stays": ((OLD[2], OLD[0], OLD[1]), None),
    "new definitions do not disturb that order": ((OLD[1], OLD[0], THIRD), None),
    "new definitions take their places among older ones": ((OLD[0], OLD[2], SECOND), (0, 2, 1)),
    "a person's definition keeps its place": ((SECOND, MINE, THIRD, LATE), (3, 1, 0, 2)),
    "clustered copies are put in order": (COPIES, (1, 2, 0)),
    "an order that a person gave copies stays": ((COPIES[1], COPIES[0], COPIES[2]), None),
}


@pytest.mark.parametrize(("listed", "expected"), ORDERS.values(), ids=ORDERS)
def test_the_order_of_senses(listed: Sequence[Any], expected: Sequence[int] | None) -> None:
    """At the end of a word, the run puts its own definitions in order, and leaves a person's order alone."""
    parts = [each if isinstance(each, tuple) else (each, {}) for each in listed]
    definitions = tuple(definition for definition, _ in parts)
    stamps = {key: value for _, borne in parts for key, value in borne.items()}
    entry = Entry(BANK, definitions, stamps, synthesis_entry=derived_id("entry"), sources=COPIES)
    updates = finish(entry, "now")
    if expected is None:
        assert not updates
        return
    (update,) = updates
    assert update.fields == {"definition_ids": [definitions[at].id for at in expected]}
    ordered = tuple(definitions[at] for at in expected)
    assert not finish(replace(entry, definitions=ordered), "now"), "idempotent"
    digests = {"definition_ids": value_digest(update.fields["definition_ids"])}
    assert not finish(replace(entry, digests=digests), "now"), "an order that was changed after this stays"


def test_synonyms_of_another_run_stay() -> None:
    """At the end of a word, only lists of the run lose words that a more relevant definition has."""

    def meaning(text: str, relevance: float, run: str) -> Definition:
        cluster = {"slug": text, "order": 0, "relevance": relevance}
        return sense(
            derived_id(text), text, synonyms=["shore"], stamps={C.SYNONYMS: stamp(run)}, meaning_cluster=cluster
        )

    entry = Entry(BANK, (meaning("a", 0.9, "now"), meaning("b", 0.4, "then"), meaning("c", 0.2, "now")))
    (update,) = finish(entry, "now")
    assert (update.id, update.fields) == (derived_id("c"), {"synonyms": []})
