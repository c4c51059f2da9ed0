"""Bundles: words whose requests share packs, and that therefore stay in one chunk.

A pack holds definitions of one component: those of one word first, then those of the next words. A bundle ends where
no pack spans two words, or where it would become too large; without packs every word is a bundle of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, NamedTuple

from floridify_batch.components.failure import Failure
from floridify_batch.components.pack import Pack, packed
from floridify_batch.components.recipe import Target
from floridify_batch.components.requests import CustomId, SynthesisRequest
from floridify_batch.pipeline.brief import Brief, Question
from floridify_batch.pipeline.chunk import ChunkSize, Group, Limits, Portion, joined
from floridify_batch.pipeline.estimate import PROMPT_TOKENS_EXPECTED
from floridify_batch.words.entry import Entry

_PACKS_OF_WORDS = 4
"""The words of a bundle, as a multiple of the size of packs: many lists have one definition a word."""


class Opening(NamedTuple):
    """A target that is missing a component's answer, ready, and has attempts left; with its last failure."""

    question: Question
    entry: Entry
    target: Target
    failure: Failure | None = None

    @property
    def identity(self) -> CustomId:
        """The custom id of its request."""
        return self.question.identity(self.entry, self.target)

    def request(self, asked: Brief, beside: Iterable["Opening"] = ()) -> SynthesisRequest[Any]:
        """The request, with its prompt rendered; `beside`: the others in its pack."""
        return self.question.request(
            self.entry,
            self.target,
            self.failure,
            replacing=self.question.replaces(self.target, asked),
            beside={each.target.id for each in beside if each.entry is self.entry},
        )

    def pack_size(self, asked: Brief) -> int:
        """The most requests of its pack; 1 for a request that takes none beside it."""
        if not self.question.is_packed(asked):
            return 1
        return asked.pack if self.failure is None else self.failure.next_pack(asked.pack)


class WordOpenings(NamedTuple):
    """The requests to one model that a word of the list needs, and its failures."""

    ordinal: int
    openings: Sequence[Opening]
    failures: Mapping[str, Failure]


class _Kind(NamedTuple):
    """A kind of requests that share packs; those of users' templates share them within an `entry` only."""

    component: str
    size: int
    entry: str = ""


def _kind(opening: Opening, asked: Brief) -> _Kind | None:
    size = opening.pack_size(asked)
    if size == 1:
        return None
    own = opening.question.template.own
    return _Kind(opening.question.recipe.component, size, "" if own else opening.entry.id)


@dataclass(slots=True)
class Bundle:
    """Words that share packs."""

    words: list[WordOpenings] = field(default_factory=list)
    size: ChunkSize = field(default_factory=ChunkSize)
    _open: Counter[_Kind] = field(default_factory=Counter)

    def add(self, word: WordOpenings, size: ChunkSize, asked: Brief) -> None:
        """Append a word; `size` is what it would have alone, roughly."""
        self.words.append(word)
        self.size += size
        self._open.update(kind for each in word.openings if (kind := _kind(each, asked)) and not kind.entry)

    @property
    def is_closed(self) -> bool:
        """Whether all packs that could take a definition of a further word are full."""
        return all(number % kind.size == 0 for kind, number in self._open.items())

    def portions(self, asked: Brief) -> tuple[list[Portion], list[Pack]]:
        """The requests of each word, and the packs that carry some of them."""
        requests: dict[int, SynthesisRequest[Any]] = {}
        packs: list[Pack] = []
        for openings in self._packs(asked):
            members = [each.request(asked, openings) for each in openings]
            pack = packed(members, openings[0].entry.word.text)
            if pack is not None:
                packs.append(pack)
                requests |= {id(opening): member for opening, member in zip(openings, members, strict=True)}
        portions = [
            Portion(
                word.ordinal,
                [requests.get(id(each)) or each.request(asked) for each in word.openings],
                word.failures,
            )
            for word in self.words
        ]
        return portions, packs

    def _packs(self, asked: Brief) -> Iterator[tuple[Opening, ...]]:
        """The members of each pack; a request that is left over has a line of its own."""
        kinds: dict[_Kind, list[Opening]] = {}
        for word in self.words if asked.pack > 1 else ():
            for opening in word.openings:
                if kind := _kind(opening, asked):
                    kinds.setdefault(kind, []).append(opening)
        for kind, openings in kinds.items():
            yield from (each for each in batched(openings, kind.size) if len(each) > 1)


class Bundler:
    """Bundles the words of a page, for chunks within these limits; one bundle is open for each model."""

    def __init__(self, asked: Brief, limits: Limits) -> None:
        self._asked = asked
        self._limits = limits
        self._most = _PACKS_OF_WORDS * asked.pack
        self._open: dict[str, Bundle] = {}

    def add(self, word: WordOpenings) -> Iterator[Bundle]:
        """Add a word's requests to one model; yields bundles that are finished."""
        model = word.openings[0].question.envelope.model
        size = self._size(word)
        bundle = self._open.setdefault(model, Bundle())
        if bundle.words and not self._limits.hold(bundle.size + size):
            yield bundle
            bundle = self._open[model] = Bundle()
        bundle.add(word, size, self._asked)
        if bundle.is_closed or len(bundle.words) >= self._most:
            yield self._open.pop(model)

    def finish(self) -> Iterator[Bundle]:
        """The bundles that are open at the end of a page."""
        yield from self._open.values()
        self._open = {}

    def groups(self, bundle: Bundle) -> Iterator[Group]:
        """The lines of a bundle; of each word alone if together they exceed the limits of a chunk."""
        made = joined(*bundle.portions(self._asked))
        if len(bundle.words) == 1 or self._limits.hold(made.size):
            yield made
            return
        for word in bundle.words:
            yield joined(*Bundle([word]).portions(self._asked))

    def _size(self, word: WordOpenings) -> ChunkSize:
        if self._asked.pack == 1:
            return ChunkSize(words=1)
        envelopes = [each.question.envelope for each in word.openings]
        tokens = sum(each.fixed_tokens + PROMPT_TOKENS_EXPECTED for each in envelopes)
        return ChunkSize(1, len(envelopes), 0, tokens, sum(each.output_tokens for each in envelopes))
