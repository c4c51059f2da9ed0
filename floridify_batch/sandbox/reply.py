"""One generated answer: content that fits the request's schema, and its usage."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any

import orjson

from floridify_batch.costs.tokenizer import TOKENS_PER_MESSAGE, TOKENS_PER_REQUEST, count_tokens, schema_tokens
from floridify_batch.sandbox.body import writes_cache
from floridify_batch.sandbox.content import plausible
from floridify_batch.sandbox.pack import item_schema, prompts_in
from floridify_batch.sandbox.prompt import own_language
from floridify_batch.sandbox.random_generator import Random
from floridify_batch.sandbox.schema import Fields, Items, compile_schema
from floridify_batch.sandbox.vocabulary import SENTENCES

_CHARACTERS_PER_TOKEN = 4
_CACHE_BLOCK = 128
_REFUSAL = "I'm sorry, but I can't assist with that request."

_SYSTEM = ("system", "developer")

# Only instructions and schemas repeat from line to line, so a small cache is enough.
_count_repeated = lru_cache(maxsize=512)(count_tokens)


@dataclass(frozen=True, slots=True)
class Reply:
    """A generated answer; `content` is None for a refusal."""

    content: str | None
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def is_good(self) -> bool:
        """Whether the answer is complete and usable."""
        return self.content is not None and self.finish_reason == "stop"


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message; its content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return the billed input tokens of a request: messages, schema and overhead."""
    messages = body["messages"]
    fixed, last = messages[:-1], messages[-1]
    count = TOKENS_PER_REQUEST + TOKENS_PER_MESSAGE * len(messages) + count_tokens(text_of(last))
    for message in fixed:
        count += _count_repeated(text_of(message))
    schema = (body.get("response_format") or {}).get("json_schema")
    if not schema:
        return count
    system = any(message.get("role") in _SYSTEM for message in messages)
    return count + _count_schema(str(schema.get("name")), orjson.dumps(schema.get("schema")), system)


@lru_cache(maxsize=512)
def _count_schema(name: str, schema: bytes, system: bool) -> int:
    return schema_tokens(name, orjson.loads(schema), system=system)


def reply(body: Mapping[str, Any], tokens_in: int, *, fault: str = "", fast: bool = False) -> Reply:
    """Answer a valid request. `fault` is one of `CONTENT_FAULTS`; `fast` estimates the output tokens."""
    if fault == "refuse":
        return Reply(None, "stop", tokens_in, count_tokens(_REFUSAL))
    content = _content(body)
    if fault == "malformed":
        content = '{"unexpected": true}' if len(content) % 2 else content[: len(content) // 2]
    elif fault == "truncate":
        content = content[: len(content) * 3 // 5]
        return Reply(content, "length", tokens_in, count_tokens(content))
    tokens_out = len(content) // _CHARACTERS_PER_TOKEN if fast else count_tokens(content)
    cap = body.get("max_completion_tokens") or body.get("max_tokens")
    if cap and tokens_out > cap:
        return Reply(_cut(content, cap), "length", tokens_in, cap)
    return Reply(content, "stop", tokens_in, tokens_out)


def completion(body: Mapping[str, Any], answer: Reply, identity: str, created: int) -> dict[str, Any]:
    """Return the chat.completion object of an answer."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.content,
        "refusal": _REFUSAL if answer.content is None else None,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    return {
        "id": f"chatcmpl-{identity}",
        "object": "chat.completion",
        "created": created,
        "model": body["model"],
        "choices": [choice],
        "usage": _usage(answer, written=writes_cache(body, answer.prompt_tokens)),
        "service_tier": "flex" if body.get("service_tier") == "flex" else "default",
        "system_fingerprint": "fp_sandbox",
    }


def digest(body: Mapping[str, Any]) -> bytes:
    """Return an 8-byte digest of a request body, independent of the order of its keys."""
    return blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=8).digest()


def _usage(answer: Reply, *, written: bool) -> dict[str, Any]:
    blocks = answer.prompt_tokens - answer.prompt_tokens % _CACHE_BLOCK
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": blocks * written, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _content(body: Mapping[str, Any]) -> str:
    texts = [text_of(message) for message in body["messages"]]
    wanted = body.get("response_format") or {}
    name = (wanted.get("json_schema") or {}).get(
        "name", ""
    )  # keeps antonyms distinct from the synonyms of the same prompt
    # By the prompt, not by the instructions: the same question has the same answer, in whatever shape.
    seed = partial(_seeded, body["model"], name, whole=len(texts) == 1)
    random = seed(texts[-1])
    if wanted.get("type") == "json_object":
        return orjson.dumps({"answer": random.pick(SENTENCES)}).decode()
    if wanted.get("type") != "json_schema":
        return " ".join(random.some(SENTENCES, 2))
    form = wanted["json_schema"]
    if item := item_schema(form.get("schema")):
        return _packed(form | {"schema": item}, texts, seed)
    return _structured(form, texts, random)


def _seeded(model: str, name: str, prompt: str, *, whole: bool) -> Random:
    """A generator seeded by the question: by a prompt without the other senses, which a pack need not list.

    It leaves out blank lines, too; where the prompt is the `whole` request, only the text counts.
    """
    question = _without_other_senses(prompt)
    question = "".join(question.split()) if whole else "\n".join(line for line in question.split("\n") if line.strip())
    return Random(blake2b("\0".join((model, name, question)).encode(), digest_size=16).digest())


def _without_other_senses(prompt: str) -> str:
    return "\n".join(line for line in prompt.split("\n") if not line.startswith("Not meant: "))


def _packed(wanted: Mapping[str, Any], texts: Sequence[str], seed: Callable[[str], Random]) -> str:
    """The answer to a pack: for each item, the answer that a request of its own would get."""
    *instructions, prompt = texts
    answers: list[str] = []
    for number, text in enumerate(prompts_in(prompt), 1):
        answer = _structured(wanted, [*instructions, text], seed(text))
        answers.append(f'{{"number":{number},{answer.removeprefix("{")}')
    return f'{{"items":[{",".join(answers)}]}}'


def _structured(wanted: Mapping[str, Any], texts: Sequence[str], random: Random) -> str:
    texts = [*texts[:-1], _without_other_senses(texts[-1])]
    shape = compile_schema(orjson.dumps(wanted.get("schema") or {"type": "object"}))
    offered = plausible(wanted["name"], texts, random)
    if offered is None:
        return orjson.dumps(shape.make(random, 0)).decode()
    if isinstance(shape, Fields):
        _reshape(offered, shape, own_language("\n".join(texts[:-1]) or texts[-1]))
        _rename_list(offered, shape)
    return orjson.dumps(shape.conform(offered, random)).decode()


def _reshape(offered: dict[str, Any], shape: Fields, languages: Container[str]) -> None:
    """Give a whole answer the shape of a lean one: words alone, by language; and the first item of a list.

    `languages`: the names of the language that the words are of.
    """
    own = next((name for name, field in shape.shapes.items() if isinstance(field, Items) and field.is_text), None)
    if own and all(isinstance(each, dict) and "word" in each for each in offered.get(own, ())):
        words = offered.pop(own, [])
        offered[own] = [each["word"] for each in words if each["language"] in languages]
        offered["cognates"] = [each["word"] for each in words if each["language"] not in languages]
    if not any(isinstance(field, Items) for field in shape.shapes.values()):
        for items in [each for each in offered.values() if isinstance(each, list)]:
            first = next(iter(items), None)
            offered |= first if isinstance(first, dict) else {"region": first}


def _rename_list(offered: dict[str, Any], shape: Fields) -> None:
    """Give the only list of an answer the name that the schema has for it."""
    wanted = [name for name, field in shape.shapes.items() if isinstance(field, Items)]
    given = [name for name, value in offered.items() if isinstance(value, list)]
    if len(wanted) == len(given) == 1 and wanted != given:
        offered[wanted[0]] = offered.pop(given[0])


def _cut(content: str, cap: int) -> str:
    """Return the longest prefix of the content within a token cap."""
    low, high = 0, len(content)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(content[:middle]) <= cap:
            low = middle
        else:
            high = middle - 1
    return content[:low]
