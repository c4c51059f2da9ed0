"""Model profiles: the request fields that a model's name implies, and the fields that the user sets."""

from datetime import date
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from floridify_batch.components.model_profile import (
    check_chat_model,
    model_notes,
    plain_name,
    profile_of,
    request_options_named,
)
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.components.requests import CustomId, Envelope
from floridify_batch.costs.price import listed_models
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.brief import brief

TODAY = date(2026, 11, 28)
LABELS = {C.CEFR_LEVEL, C.FREQUENCY_BAND, C.REGISTER, C.DOMAIN, C.REGIONAL_VARIANTS}


class Reply(BaseModel):
    """A minimal answer."""

    text: str


def body_for(model: str, **options: Any) -> dict[str, Any]:
    return Envelope("reply", Reply, model, "Be brief.", 600, options=options).body("x")


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gpt-6-luna", "none"),
        ("gpt-6.1-sol", "none"),
        ("gpt-5.6-luna", "none"),
        ("gpt-5.4-nano", "none"),
        ("gpt-5-mini", "minimal"),
        ("gpt-5", "minimal"),
        ("gpt-5-2025-08-07", "minimal"),
        ("openai/gpt-5-mini", "minimal"),
        ("openrouter/openai/gpt-5-mini", "minimal"),
        ("azure/gpt-5-mini", "minimal"),
        ("GPT-5-Mini", "minimal"),
        ("ft:gpt-5-mini-2025-08-07:mine::x1", "minimal"),
        ("o3", "low"),
        ("o4-mini", "low"),
    ],
)
def test_reasoning_models(model: str, effort: str) -> None:
    """A reasoning model gets the lowest effort that it accepts, under any spelling of its name."""
    body = body_for(model)
    assert (body["model"], body["reasoning_effort"], body["max_completion_tokens"]) == (model, effort, 600)
    assert not body.keys() & {"max_tokens", "temperature"}


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-mini",
        "gpt-4.1",
        "gpt-3.5-turbo",
        "gpt-35-turbo",
        "ft:gpt-4o-mini:mine::x1",
        "openai/gpt-4o",
        "llama3.2:3b",
    ],
)
def test_other_models(model: str) -> None:
    """A model that does not reason, and one of another vendor, gets a temperature and the older name of the cap."""
    body = body_for(model)
    assert (body["max_tokens"], body["temperature"]) == (600, 0.7)
    assert not body.keys() & {"max_completion_tokens", "reasoning_effort"}


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-5-chat-latest", "gpt-5.1-chat-latest", "gpt-5-pro", "gpt-5.2-pro", "gpt-5-codex", "gpt-5.1-codex-mini"),
        *("o1-mini", "o1-preview", "o1-pro", "gpt-4o-search-preview", "chatgpt-4o-latest"),
    ],
)
def test_models_without_settings(model: str) -> None:
    """A model that refuses the usual efforts and temperatures gets neither."""
    body = body_for(model)
    assert not body.keys() & {"max_tokens", "temperature", "reasoning_effort"}
    assert body["max_completion_tokens"] == 600


def test_roles() -> None:
    """The instructions are the system message, except for models that accept none."""
    assert body_for("gpt-6-luna")["messages"][0]["role"] == "system"
    assert body_for("o1-mini")["messages"][0]["role"] == "user"


@pytest.mark.parametrize(
    "model",
    ["gpt-5-pro", "openai/gpt-5.2-pro", "o1-pro", "o3-deep-research", "gpt-5.1-codex-mini", "text-embedding-3-small"],
)
def test_models_without_chat_completions(model: str) -> None:
    """A model that OpenAI does not serve on the endpoint is refused before anything is planned."""
    with pytest.raises(UsageError, match=f"does not offer {model} on the Chat Completions endpoint"):
        check_chat_model(model)


@pytest.mark.parametrize("model", ["gpt-6-luna", "gpt-4o-mini", "o3", "llama3.2:3b", "gpt-5-chat-latest", "codestral"])
def test_chat_models(model: str) -> None:
    """A chat model is not refused, nor is one of another vendor."""
    check_chat_model(model)


def test_plain_names() -> None:
    """Prefixes, fine-tuning suffixes and capitals are ignored in a model's name."""
    assert plain_name(" azure/GPT-35-Turbo ") == "gpt-3.5-turbo"
    assert plain_name("ft:gpt-4o-mini-2024-07-18:mine::x1") == "gpt-4o-mini-2024-07-18"


def test_labels_are_reproducible() -> None:
    """Labels and judgements are requested at temperature 0, others at 0.7, where a model takes a temperature."""
    for question in brief(C, model="gpt-4o-mini", language_name="English").questions:
        body = question.envelope.body("x")
        assert body["temperature"] == (0 if question.recipe.component in (*LABELS, C.JUDGEMENT) else 0.7)
        assert orjson.loads(question.envelope.line(CustomId("x"), "x"))["body"] == body
    for question in brief(C, model="gpt-6-luna", language_name="English").questions:
        assert "temperature" not in question.envelope.body("x")


@pytest.mark.parametrize("model", ["gpt-6-luna", "openai/gpt-6-luna", "gpt-5.6-luna", "gpt-5.10", "gpt-10-terra"])
def test_cache_writes_are_prevented(model: str) -> None:
    """Each body for a model that charges for cache writes prevents them, unless the user's options say otherwise."""
    for question in brief(C, model=model, language_name="English").questions:
        envelope = question.envelope
        assert envelope.body("x")["prompt_cache_options"] == {"mode": "explicit"}
        assert not envelope.writes_cache
    removed = question.with_options({"prompt_cache_options": None}).envelope
    assert "prompt_cache_options" not in removed.body("x")
    assert removed.writes_cache


@pytest.mark.parametrize("model", ["gpt-5.4-nano", "gpt-5.1", "gpt-5-mini", "gpt-4o-mini", "o4-mini", "llama3.2:3b"])
def test_cache_options_are_for_models_that_take_them(model: str) -> None:
    """A model that does not charge for cache writes gets no option for its cache, and may use it for nothing."""
    body = body_for(model)
    assert "prompt_cache_options" not in body


def test_request_options() -> None:
    """An option sets, replaces or removes a field of every request, in the body and in the line alike."""
    options = request_options_named(["top_p=0.9", "reasoning_effort=null", 'service_tier="flex"'])
    asked = brief([C.DOMAIN], model="gpt-6-luna", language_name="English").with_options(options)
    envelope = asked.by_component()["domain"].envelope
    body = envelope.body("Definition: x", 1)
    assert (body["top_p"], body["service_tier"], body["max_completion_tokens"]) == (0.9, "flex", 1200)
    assert "reasoning_effort" not in body
    assert orjson.loads(envelope.line(CustomId("x-1"), "Definition: x", 1)) == {
        "custom_id": "x-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top_p", "expected KEY=JSON"),
        ("=1", "expected KEY=JSON"),
        ("effort=low", "needs double quotes"),
        ("top_p=NaN", "not JSON"),
        ('model="x"', "model cannot be set"),
        ("messages=[]", "messages cannot be set"),
    ],
)
def test_bad_request_options(text: str, message: str) -> None:
    """A bad option is refused with its form."""
    with pytest.raises(UsageError, match=message):
        request_options_named([text])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("gpt-5-mini", "retires gpt-5-mini on 2026-12-11"),
        ("openai/gpt-5-2025-08-07", "retires openai/gpt-5-2025-08-07 on 2026-12-11"),
        ("gpt-4o-mini", "retires gpt-4o-mini on 2027-01-14"),
        ("o3-mini", "has retired o3-mini"),
        ("gpt-6-lunar", "Did you mean gpt-6-luna?"),
        ("gpt5.4-nano", "Did you mean gpt-5.4-nano?"),
    ],
)
def test_notes(model: str, message: str) -> None:
    """The estimate names the date of a model's near retirement, and the probable name of a misspelt one."""
    (note,) = model_notes(model, TODAY, listed_models())
    assert message in note


@pytest.mark.parametrize("model", ["gpt-6-luna", "gpt-5.4-nano", "gpt-5.4-nano-2026-03-01", "llama3.2:3b", "gpt-7"])
def test_no_notes(model: str) -> None:
    """A current model, one of another vendor and one newer than the tables have no note."""
    assert model_notes(model, TODAY, listed_models()) == []


def test_after_its_retirement() -> None:
    """A model whose retirement has passed is reported as retired."""
    assert "has retired" in model_notes("gpt-5", date(2026, 12, 11), ())[0]
    assert model_notes("gpt-4.1", date(2026, 11, 10), ()) == []


def test_every_family_is_complete() -> None:
    """Each profile takes an effort or a temperature, never both."""
    for model in listed_models():
        profile = profile_of(model)
        assert profile.effort is None or not profile.temperature
