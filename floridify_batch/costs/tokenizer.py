"""Offline tokenizer: `o200k_base`, the encoding of all current OpenAI chat models, with the ranks in `data/`.

The ranks are loaded at the first count, which takes 0.3 s and 90 MB.
"""

import gzip
import hashlib
import re
from binascii import a2b_base64
from functools import cache, lru_cache
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from tiktoken import Encoding

RANKS_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

# The pre-tokenization pattern of o200k_base: part of the encoding's definition, like the ranks.
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _CONTRACTION,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _CONTRACTION,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

_TOKENS = re.compile(rb"^\S+", re.MULTILINE)

TOKENS_PER_MESSAGE = 4
"""Overhead of a chat message: role and separators."""

TOKENS_PER_REQUEST = 3
"""Overhead of a chat request: the reply's first tokens."""


@cache
def _encoding() -> "Encoding":
    from tiktoken import Encoding

    plain = gzip.decompress(files(__package__).joinpath("data/o200k_base.tiktoken.gz").read_bytes())
    if hashlib.sha256(plain).hexdigest() != RANKS_SHA256:
        raise RuntimeError("the tokenizer's ranks in floridify_batch/data are damaged; reinstall batch-synth")
    ranks = dict(zip(map(a2b_base64, _TOKENS.findall(plain)), count()))  # the file is sorted by rank
    return Encoding("o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})


def count_tokens(text: str) -> int:
    """Count the tokens of a text; special tokens in it count as plain text.

    Prompts about one definition share most of their paragraphs, which are counted once. No token spans the start of a
    paragraph, as long as that is a letter or a digit.
    """
    *paragraphs, last = parts = text.split(_BLANK_LINE)
    if not all(each[:1].isalnum() for each in parts[1:]):
        return _tokens_of(text)
    return sum(_tokens_of(each + _BLANK_LINE) for each in paragraphs) + _tokens_of(last)


_BLANK_LINE = "\n\n"


@lru_cache(maxsize=512)
def _tokens_of(text: str) -> int:
    return len(_encoding().encode_ordinary(text))


_TOKENS_PER_SCHEMA = 8
"""Overhead of a response format, in addition to its name, which counts twice."""

_NOT_BILLED = frozenset({"required", "additionalProperties"})
_NAMED = frozenset({"properties", "$defs"})  # their keys are names, not keywords


def schema_tokens(name: str, schema: Any, *, system: bool) -> int:
    """Count a strict response format as it is billed; `system`: whether the request has a system message.

    The service renders the schema into a system message, without the keywords that strict mode implies.
    """
    text = orjson.dumps(_billed(schema)).decode()
    message = 0 if system else TOKENS_PER_MESSAGE
    return count_tokens(text) + _TOKENS_PER_SCHEMA + 2 * count_tokens(name) + message


def _billed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_billed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _billed(each) for name, each in value.items()}
        if key in _NAMED and isinstance(value, dict)
        else _billed(value)
        for key, value in schema.items()
        if key not in _NOT_BILLED
    }
