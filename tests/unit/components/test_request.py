"""Requests: their ids, their lines, and how their answers are read."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel

from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.failure import FailureReason
from floridify_batch.components.model_profile import profile_of
from floridify_batch.components.regional_variants import RegionalVariantResponse
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.requests import (
    AnswerError,
    CustomId,
    CustomIdParts,
    Envelope,
    SynthesisRequest,
    custom_id,
    parse_answer,
    parse_custom_id,
)
from floridify_batch.components.synonyms import SynonymGenerationResponse
from floridify_batch.costs.tokenizer import count_tokens, schema_tokens
from floridify_batch.sandbox.reply import prompt_tokens
from floridify_batch.words.entry import DocId, derived_id

patient = settings(deadline=None, max_examples=100)
SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
MODELS = ("gpt-6-luna", "gpt-5-mini", "gpt-4o-mini", "o3", "llama3.2:3b")

documents = st.binary(min_size=12, max_size=12).map(lambda raw: DocId(raw.hex()))
components = st.sampled_from(SynthesisComponent)


def envelope(model: str = "gpt-6-luna", instructions: str = "Grade words.", cap: int = 600) -> Envelope[Any]:
    return Envelope("cefr_level", CEFRLevelResponse, model, instructions, cap)


def request(model: str = "gpt-6-luna", prompt: str = "Word: bank", **more: Any) -> SynthesisRequest[Any]:
    identity = custom_id("bank", derived_id("bank"), "cefr_level")
    return SynthesisRequest(identity, envelope(model), prompt, **more)


# ── ids ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@patient
@given(st.text(), documents, components)
def test_ids_are_safe(word: str, document: DocId, component: str) -> None:
    """A request's custom_id is valid for any word: plain characters, at most 63 of them."""
    identity = custom_id(word, document, component)
    assert SAFE.fullmatch(identity)
    assert len(identity) <= 63


@patient
@given(st.text(), documents, components, st.one_of(st.none(), st.integers(0, 99)))
def test_ids_split_again(word: str, document: DocId, component: str, number: int | None) -> None:
    """A custom id identifies the document and the component of an answer, on any machine."""
    identity = custom_id(word, document, component, number)
    assert parse_custom_id(identity) == CustomIdParts(document, component, number)


@patient
@given(st.lists(st.tuples(documents, components, st.one_of(st.none(), st.integers(0, 99))), unique=True))
def test_ids_are_unique(asked: list[tuple[DocId, str, int | None]]) -> None:
    """Homographs and senses of one word have different IDs."""
    assert len({custom_id("bank", *each) for each in asked}) == len(asked)


@pytest.mark.parametrize(
    ("word", "slug"),
    [
        ("happy", "happy"),
        ("vis-à-vis", "visavis"),
        ("CRÈME brûlée", "cremebrulee"),
        ("日本", ""),
        ("antidisestablishmentarianism", "antidisestablishme"),
    ],
)
def test_slugs(word: str, slug: str) -> None:
    """A custom_id contains a readable form of its word."""
    assert custom_id(word, derived_id("x"), "domain") == f"{slug}-{derived_id('x')}-domain"


@pytest.mark.parametrize("text", ["", "happy", "happy-123-domain", "happy-" + "g" * 24 + "-domain", "a-" + "0" * 24])
def test_foreign_ids(text: str) -> None:
    """A foreign ID is parsed as none."""
    assert parse_custom_id(text) is None


@patient
@given(st.text(st.sampled_from("ab01-_Z\n"), max_size=70))
def test_any_id(text: str) -> None:
    """Any text is parsed as one of our IDs or as none, and its parts give the same ID again."""
    parts = parse_custom_id(text)
    if parts is not None:
        slug = text.partition("-")[0]
        assert custom_id(slug, parts.document, parts.component, parts.number) == text


# ── lines ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@patient
@given(st.sampled_from(MODELS), st.text(), st.sampled_from(["", 'Say "hi" to \\ and \n']), st.integers(0, 4))
def test_a_line_is_its_body(model: str, prompt: str, instructions: str, cap_doublings: int) -> None:
    """A line of a batch file contains exactly the body of the immediate request."""
    asked = SynthesisRequest(CustomId("x-1"), envelope(model, instructions), prompt, cap_doublings=cap_doublings)
    line = asked.line
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert orjson.loads(line) == {
        "custom_id": "x-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": asked.body,
    }


def test_the_messages() -> None:
    """The shared instructions come first, so that a prompt cache can hold them."""
    assert request().body["messages"] == [
        {"role": "system", "content": "Grade words."},
        {"role": "user", "content": "Word: bank"},
    ]
    assert [each["role"] for each in envelope(instructions="").body("x")["messages"]] == ["user"]


@pytest.mark.parametrize("model", MODELS)
def test_cap_doublings(model: str) -> None:
    """Each doubling of the output cap doubles the limit in the body and in the line."""
    name = profile_of(model).cap
    caps = [orjson.loads(request(model, cap_doublings=times).line)["body"][name] for times in range(4)]
    assert caps == [600, 1200, 2400, 4800]


def test_input_tokens() -> None:
    """The input tokens of a request are its fixed part, counted once, and its own prompt."""
    empty, full = request(prompt=""), request(prompt="Word: bank\nDefinition: the land beside a river")
    assert empty.input_tokens == empty.envelope.fixed_tokens
    assert full.input_tokens - empty.input_tokens == count_tokens("Word: bank\nDefinition: the land beside a river")


def test_fixed_tokens_hold_instructions_and_schema() -> None:
    """The instructions and the schema are billed with every request, so every estimate includes them."""
    with_, without = envelope(instructions="Grade words."), envelope(instructions="")
    named = with_.response_format["json_schema"]
    schema = schema_tokens(named["name"], named["schema"], system=True)
    assert with_.fixed_tokens == schema + count_tokens("Grade words.") + 4 + 4 + 3
    assert without.fixed_tokens == schema + 4 + 4 + 3


@pytest.mark.parametrize("instructions", ["Grade words.", ""])
def test_the_sandbox_bills_what_is_estimated(instructions: str) -> None:
    """The estimated input tokens equal those that the sandbox bills, with a system message and without."""
    for component, recipe in RECIPES.items():
        shared = Envelope[Any](component, recipe.answer, "gpt-6-luna", instructions, 100)
        assert prompt_tokens(shared.body("Word: bank")) == shared.fixed_tokens + count_tokens("Word: bank")


def test_the_schema_has_the_components_name() -> None:
    """Answers are requested in strict mode, under the component's name."""
    for component, recipe in RECIPES.items():
        asked = Envelope[Any](component, recipe.answer, "gpt-6-luna", "", 100).response_format
        assert asked["type"] == "json_schema"
        assert (asked["json_schema"]["name"], asked["json_schema"]["strict"]) == (component, True)


# ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = '{"reasoning":"Common.","level":"A1","confidence":0.9}'


def completion(content: Any = GOOD, finish: str = "stop", refusal: Any = None) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content, "refusal": refusal}, "finish_reason": finish}]}


def failure_of(body: Mapping[str, Any], answer: type[BaseModel] = CEFRLevelResponse) -> AnswerError:
    with pytest.raises(AnswerError) as failed:
        parse_answer(answer, body)
    return failed.value


def test_a_good_answer() -> None:
    """A valid answer is parsed equally from a batch and from an immediate response."""
    answer = request().parse(completion())
    assert (answer.level, answer.confidence) == ("A1", 0.9)


def test_an_empty_list() -> None:
    """An empty list is a valid answer."""
    body = completion('{"regions":[],"confidence":1}')
    assert parse_answer(RegionalVariantResponse, body).regions == []


@pytest.mark.parametrize(
    ("body", "reason", "message"),
    [
        (completion(refusal="I can't help with that."), FailureReason.REFUSED, "I can't help with that."),
        (completion(None, refusal="No."), FailureReason.REFUSED, "No."),
        (completion(finish="content_filter"), FailureReason.REFUSED, "content filter"),
        (completion('{"reasoning":"Comm', finish="length"), FailureReason.TRUNCATED, "cut at its token limit"),
        (completion(GOOD[:-1], finish="length"), FailureReason.TRUNCATED, "cut at its token limit"),
        (completion(None), FailureReason.MALFORMED, "no content"),
        (completion([{"type": "text"}]), FailureReason.MALFORMED, "no content"),
        (completion(""), FailureReason.MALFORMED, "JSON"),
        (completion("Sure! Here is it"), FailureReason.MALFORMED, "JSON"),
        (completion("{}"), FailureReason.MALFORMED, "confidence: Field required"),
        (completion(GOOD.replace("A1", "D3")), FailureReason.MALFORMED, "level: "),
        (completion(GOOD.replace("}", ',"more":1}')), FailureReason.MALFORMED, "more: "),
        ({}, FailureReason.MALFORMED, "not a chat completion"),
        ({"choices": []}, FailureReason.MALFORMED, "not a chat completion"),
        ({"choices": None}, FailureReason.MALFORMED, "not a chat completion"),
        ({"choices": [{"message": None}]}, FailureReason.MALFORMED, "not a chat completion"),
        ({"choices": ["text"]}, FailureReason.MALFORMED, "not a chat completion"),
        ({"error": {"message": "no"}}, FailureReason.MALFORMED, "not a chat completion"),
    ],
)
def test_unfit_answers(body: dict[str, Any], reason: FailureReason, message: str) -> None:
    """An unusable answer fails with its reason, which decides whether it is retried."""
    failed = failure_of(body)
    assert failed.reason is reason
    assert message in str(failed)


def test_the_place_of_a_fault() -> None:
    """A malformed answer's failure names the invalid field, without quoting the answer."""
    item = '{"word":"glad","language":"en","relevance":"very","efflorescence":0.5,"explanation":""}'
    failed = failure_of(completion(f'{{"synonyms":[{item}],"confidence":1}}'), SynonymGenerationResponse)
    assert str(failed).startswith("synonyms.0.relevance: ")
    assert "glad" not in str(failed)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["choices", "message", "content", "refusal", "finish_reason"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


@patient
@given(st.dictionaries(st.sampled_from(["choices", "error"]), json_values))
def test_any_body(body: dict[str, Any]) -> None:
    """Any response body is parsed as an answer or as a failure of one request; it never stops the run."""
    with pytest.raises(AnswerError):
        parse_answer(CEFRLevelResponse, body)
