"""Model profiles: the request fields of each family of models, inferred from a model's name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from floridify_batch.errors import UsageError

DEFAULT_TEMPERATURE = 0.7

MAX_TEMPERATURE = 2.0
"""The highest temperature that Floridify's models accept, and OpenAI's service."""

SERVICE_TEMPERATURE = 1.0
"""The temperature at which the service samples where a request states none."""


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """The fields that a family of models takes.

    Reasoning models reason by default and bill it as output: `effort` is the least that they take, None to leave the
    field out; `reasons`: whether they reason even then. `role` is that of the instructions: `system`, which newer
    models read as `developer`, or `user` for models that take neither. `chat`: whether OpenAI serves the family on the
    Chat Completions endpoint. `cache_writes`: whether it charges for writes to its prompt cache, which are made for
    every long prompt unless a field prevents it.
    """

    effort: str | None = None
    temperature: bool = False
    cap: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    role: Literal["system", "user"] = "system"
    chat: bool = True
    cache_writes: bool = False
    reasons: bool = False

    def settings(self, temperature: float) -> dict[str, Any]:
        """The fields of a request's body that control sampling, reasoning and the prompt cache.

        No two prompts share a beginning that is long enough for the cache, so that no write would ever be read.
        """
        cache = {CACHE_OPTIONS: {"mode": "explicit"}} if self.cache_writes else {}
        if self.effort is not None:
            return {"reasoning_effort": self.effort, **cache}
        return {"temperature": temperature} if self.temperature else {}


CACHE_OPTIONS = "prompt_cache_options"
"""The field of a body whose mode `explicit`, without a breakpoint, prevents cache writes."""

_NO_CHAT = ModelProfile(chat=False)
_FAMILIES: Sequence[tuple[str, ModelProfile]] = (
    (r"o\d+-pro|gpt-\d+(\.\d+)?-pro|.*-deep-research|.*codex|computer-use|gpt-[\w.-]*-(transcribe|tts)", _NO_CHAT),
    (r"text-embedding|whisper|tts-|dall-e|gpt-image|sora|omni-moderation|text-moderation|davinci|babbage", _NO_CHAT),
    (r"gpt-[\w.-]*(realtime|instruct)|gpt-[\w.-]+-image", _NO_CHAT),
    (r"o1-(mini|preview)", ModelProfile(role="user", reasons=True)),
    (r"o\d", ModelProfile(effort="low", reasons=True)),
    (r"chatgpt-|gpt-(\d+(\.\d+)?-)?chat|gpt-[\w.-]*-search", ModelProfile()),
    (r"gpt-[34](?!\d)", ModelProfile(temperature=True, cap="max_tokens")),
    (r"gpt-5(?![.\d])", ModelProfile(effort="minimal")),
    (r"gpt-5\.[1-5](?!\d)", ModelProfile(effort="none")),
    (r"gpt-(5\.|[6-9]|\d\d)", ModelProfile(effort="none", cache_writes=True)),
)
"""The profile of each family, by the start of a model's plain name; the first match counts."""

_UNKNOWN = ModelProfile(temperature=True, cap="max_tokens")
"""The fields that servers of other makes take."""

_RETIREMENTS = {
    "gpt-5": date(2026, 12, 11),
    "gpt-5-mini": date(2026, 12, 11),
    "gpt-5-nano": date(2026, 12, 11),
    "gpt-4.1": date(2027, 1, 14),
    "gpt-4.1-mini": date(2027, 1, 14),
    "gpt-4o": date(2027, 1, 14),
    "gpt-4o-mini": date(2027, 1, 14),
    "gpt-5.1": date(2027, 4, 1),
    "gpt-5.4-nano": date(2027, 4, 1),
}
_RETIREMENT_NOTICE = timedelta(days=60)
_RETIRED = frozenset({"gpt-4.1-nano", "o4-mini", "o3-mini", "gpt-4"})

_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})$")
_FAMILY = re.compile(r"gpt|chatgpt|o\d")


def plain_name(model: str) -> str:
    """The name of a model without prefix, fine-tuning and capitals: `gpt-4o-mini` for `ft:gpt-4o-mini:mine::x1`."""
    name = model.strip().casefold().rpartition("/")[2]
    if name.startswith("ft:"):
        name = name.split(":")[1]
    return name.replace("gpt-35", "gpt-3.5")


def profile_of(model: str) -> ModelProfile:
    """The profile of a model by its name."""
    name = plain_name(model)
    return next((profile for family, profile in _FAMILIES if re.match(family, name)), _UNKNOWN)


_FLEX = re.compile(r"o3(?!-mini)|o4-mini|gpt-([5-9]|\d\d)")


def has_flex(model: str) -> bool:
    """Whether OpenAI offers a model in the service tier flex."""
    name = plain_name(model)
    return _FLEX.match(name) is not None and profile_of(name).effort is not None


def check_chat_model(model: str) -> None:
    """Refuse a model that OpenAI does not serve on the Chat Completions endpoint. Raises `UsageError`."""
    if not profile_of(model).chat:
        raise UsageError(
            f"OpenAI does not offer {model} on the Chat Completions endpoint, which every request uses. Choose "
            "another --model, or pass the --base-url of a service that offers it there."
        )


def model_notes(model: str, today: date, known: Sequence[str]) -> list[str]:
    """Notes on a model for an estimate: its near retirement, or the nearest `known` name of a misspelt one."""
    name = _DATED.sub("", plain_name(model))
    retirement = _RETIREMENTS.get(name)
    if name in _RETIRED or (retirement is not None and retirement <= today):
        return [f"OpenAI has retired {model}; its requests may be refused."]
    if retirement is not None and retirement - today <= _RETIREMENT_NOTICE:
        return [f"OpenAI retires {model} on {retirement}; results must be requested before that date."]
    note = misspelling_note(model, known)
    return [note] if note else []


def misspelling_note(model: str, known: Sequence[str]) -> str:
    """The note on an unknown model of OpenAI's whose name is close to a `known` one; empty for any other."""
    from difflib import get_close_matches

    name = _DATED.sub("", plain_name(model))
    if name in known or not _FAMILY.match(name):
        return ""
    near = get_close_matches(name, known, 1, 0.85)
    return f"Unknown model {model}. Did you mean {near[0]}?" if near else ""


RESERVED_FIELDS = ("model", "messages")


def request_options_named(texts: Sequence[str]) -> dict[str, Any]:
    """Fields of the request body from texts such as `reasoning_effort="low"`; null removes one. Raises `UsageError`."""
    import orjson

    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise UsageError(
                f"--request-option {text}: expected KEY=JSON, such as reasoning_effort='\"low\"' or top_p=0.9."
            )
        if name in RESERVED_FIELDS:
            raise UsageError(f"--request-option {text}: {name} cannot be set by this option.")
        try:
            options[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise UsageError(
                f"--request-option {text}: the value is not JSON; a string needs double quotes: '{name}=\"low\"'."
            ) from None
    return options
