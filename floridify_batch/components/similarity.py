"""The similarity of texts: two that differ in punctuation and case at most, or have most of their words in common."""

import unicodedata
from functools import lru_cache
from itertools import pairwise

from floridify_batch.words.inflection import folded, is_unspaced, tokens_of

_MOST_MARKS, _FEWEST_WORDS = 6, 4
_MARKS = " .,;:!?\u2026\"'()[]-\u2013\u2014/\u00a1\u00bf\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u3001\u3002"


@lru_cache(maxsize=1 << 12)
def _words(text: str) -> frozenset[str]:
    """The distinct words of a text; of one without spaces, its pairs of characters."""
    if is_unspaced(text):
        letters = [each for each in text if each.isalnum()]
        return frozenset(map("".join, pairwise(letters)))
    return frozenset(map(folded, tokens_of(text)))


def is_same(one: str, other: str) -> bool:
    """Whether two texts differ in punctuation and case at most."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > _MOST_MARKS:
        return False
    if _differ(one.partition(" ")[0], other.partition(" ")[0]):
        return False
    if _differ(one.rpartition(" ")[2], other.rpartition(" ")[2]):
        return False
    return [*map(str.casefold, tokens_of(one))] == [*map(str.casefold, tokens_of(other))]


def _differ(one: str, other: str) -> bool:
    """Whether two first or last words are different words, as far as that is seen without their division."""
    if one == other:
        return False
    own, others = _bare(one), _bare(other)
    return own != others and own.isalnum() and others.isalnum()


def _bare(word: str) -> str:
    bare = word.strip(_MARKS).casefold()
    return bare if bare.isascii() else unicodedata.normalize("NFC", bare)


def are_alike(one: str, other: str, share: float) -> bool:
    """Whether two texts have this share of their words in common."""
    left, right = _words(one), _words(other)
    if min(len(left), len(right)) < _FEWEST_WORDS:
        return is_same(one, other)
    return len(left & right) >= share * len(left | right)
