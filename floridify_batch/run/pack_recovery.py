"""The members of packs, recovered from a batch's input file: the custom id of a pack does not name them.

An item shows its word and its definition, which are looked up in the database; the digest in the pack's id confirms
that all members were found. An item about a definition that has changed is matched only if it is quoted as it is now.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import NamedTuple

from floridify_batch.components.pack import divided_prompt, item_weights
from floridify_batch.components.requests import CustomId, CustomIdParts, custom_id, pack_id
from floridify_batch.components.template_environment import delimited
from floridify_batch.pipeline.precondition import squashed
from floridify_batch.words.entry import Definition, DocId, Entry

_WORD = re.compile(r"^Word: (.+)$", re.MULTILINE)
_PART_OF_SPEECH = re.compile(r" \([^()]*\)$")

_ATTEMPTS = 500
"""The most combinations of definitions that are compared with a pack's digest."""

type FindEntries = Callable[[Sequence[str]], Awaitable[Mapping[str, Sequence[Entry]]]]
"""Looks up the entries of some words."""


class Member(NamedTuple):
    """A request in a pack: its number there, the weights of all members, its item, and its identity if it is known."""

    number: int
    weights: Sequence[int]
    item: str
    custom_id: str
    document: DocId = DocId("")
    entry: Entry | None = None


type _Candidate = tuple[Entry, Definition]


async def members_of(
    identity: str, parts: CustomIdParts, prompt: str, first: Entry | None, find: FindEntries
) -> list[Member]:
    """The members of a pack, in the order of their items; `first` is the entry whose document the pack's id names."""
    items = divided_prompt(prompt).items
    words = {text for item in items for text in _words_in(item)}
    entries = await find(sorted(words)) if words else {}
    candidates = [_candidates(item, first, entries) for item in items]
    chosen: Sequence[_Candidate | None] | None = _confirmed(identity, parts, candidates)
    if chosen is None:
        chosen = [_quoted(item, each) for item, each in zip(items, candidates, strict=True)]
    weights = item_weights(items)
    return [
        _member(number, weights, item, identity, parts, candidate)
        for number, (item, candidate) in enumerate(zip(items, chosen, strict=True), 1)
    ]


def _member(
    number: int,
    weights: Sequence[int],
    item: str,
    identity: str,
    parts: CustomIdParts,
    candidate: _Candidate | None,
) -> Member:
    if candidate is None:
        return Member(number, weights, item, identity)
    entry, definition = candidate
    return Member(number, weights, item, _identity(candidate, parts), definition.id, entry)


def _identity(candidate: _Candidate, parts: CustomIdParts) -> CustomId:
    entry, definition = candidate
    return custom_id(entry.word.text, definition.id, parts.component)


def _words_in(item: str) -> Iterator[str]:
    """The words that an item may be about: with and without what may be a part of speech."""
    if found := _WORD.search(item):
        yield found[1]
        yield _PART_OF_SPEECH.sub("", found[1])


def _candidates(item: str, first: Entry | None, entries: Mapping[str, Sequence[Entry]]) -> list[_Candidate]:
    """The definitions that an item contains, the longest first."""
    by_id = {each.id: each for text in _words_in(item) for each in entries.get(text, ())}
    named: Iterable[Entry] = by_id.values() if by_id or first is None else (first,)
    text = squashed(item)
    found = [
        (entry, each) for entry in named for each in entry.definitions if each.has_text and squashed(each.text) in text
    ]
    return sorted(found, key=lambda pair: -len(pair[1].text))


def _confirmed(
    identity: str, parts: CustomIdParts, candidates: Sequence[Sequence[_Candidate]]
) -> list[_Candidate] | None:
    """The definitions whose ids give the pack's own; None if there are none."""
    for chosen in islice(product(*candidates), _ATTEMPTS):
        members = [_identity(each, parts) for each in chosen]
        if pack_id(members, chosen[0][0].word.text) == identity:
            return [*chosen]
    return None


def _quoted(item: str, candidates: Sequence[_Candidate]) -> _Candidate | None:
    """The only definition that an item quotes exactly; None if there is none, or several."""
    exact = [each for each in candidates if f"Definition: {delimited(each[1].text)}" in item]
    return exact[0] if len(exact) == 1 else None
