"""Preconditions of an answer: digests of its subject and of the present value; if they differ, it is outdated.

Up to a day passes between a request and its answer, and editors work meanwhile. The precondition is kept with each
expected request, and an answer is stored only while it holds. The digest of the subject ignores case, punctuation and
white space, so that small corrections cost nothing.
"""

import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, Self

from floridify_batch.components.change import EMPTY_DIGEST, value_digest
from floridify_batch.components.recipe import Recipe, Target
from floridify_batch.words.entry import Entry, value_of

_CHANGED = "x" * 8
_AGAIN = "+"
_DIGITS = len(EMPTY_DIGEST)
_IGNORED = "PZC"
"""The categories of characters that make no difference: punctuation, separators, control characters."""

_IGNORED_ASCII = bytes(number for number in range(128) if unicodedata.category(chr(number))[0] in _IGNORED)


class Precondition(NamedTuple):
    """The precondition of one answer.

    `value` is "" where there is no single value, or it is unknown; `again`: this is the retry of an outdated answer.
    """

    subject: str
    value: str = ""
    again: bool = False

    @classmethod
    def of(cls, recipe: Recipe[Any, Any], entry: Entry, target: Target, *, again: bool = False) -> Self:
        """The precondition of a request about a target as it is now."""
        value = "" if recipe.structural else _value_digest(target, recipe.field)
        return cls(_digest(tuple(recipe.subject(entry, target))), value, again)

    @classmethod
    def read(cls, text: str) -> Self:
        """A precondition in its written form."""
        return cls(text[:_DIGITS], text[_DIGITS:].rstrip(_AGAIN), text.endswith(_AGAIN))

    @classmethod
    def sent(cls, recipe: Recipe[Any, Any], entry: Entry, target: Target, *, same: bool, renewed: bool) -> Self:
        """The precondition of a request of which only the prompt is known.

        `same`: the prompt is about the subject as it is now. The place was empty, unless answers are `renewed`.
        """
        subject = cls.of(recipe, entry, target).subject if same else _CHANGED
        return cls(subject, "" if recipe.structural or renewed else EMPTY_DIGEST)

    def __str__(self) -> str:
        """The written form."""
        return self.subject + self.value + _AGAIN * self.again


def squashed(text: str) -> str:
    """A text in NFC, case-folded, without punctuation and white space."""
    if text.isascii():
        return text.lower().encode().translate(None, _IGNORED_ASCII).decode()
    folded = unicodedata.normalize("NFC", text).casefold()
    return "".join(each for each in folded if unicodedata.category(each)[0] not in _IGNORED)


def _value_digest(target: Target, field: str) -> str:
    """The digest of a value, and of the edited texts in the documents that it names."""
    value, edited = value_of(target, field), target.edits.get(field)
    return value_digest(value) if edited is None else value_digest([value, edited])


@lru_cache(maxsize=1024)  # a word's requests are made together, and most are about one definition
def _digest(texts: tuple[str, ...]) -> str:
    return blake2b("\x1f".join(map(squashed, texts)).encode(), digest_size=_DIGITS // 2).hexdigest()


def older_prompt(recipe: Recipe[Any, Any], entry: Entry, target: Target) -> str:
    """The prompt of a positional component in version 0.1, whose digest is the precondition of its answers."""
    given = recipe.given(entry, target)
    lines = [f"Word: {given['word']}"]
    if meaning := given.get("meaning_cluster"):
        lines.append(f"Meaning: {meaning.replace('_', ' ')}")
    if recipe.numbered:
        numbered = enumerate(given["definitions"], 1)
        lines += [f"{number}. ({source}, {part}) {text}" for number, (source, part, text) in numbered]
    else:
        lines += [f"- ({each['provider']}, {each['part_of_speech']}) {each['text']}" for each in given["definitions"]]
    return "\n".join(lines).strip()
