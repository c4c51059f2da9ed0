"""The workload of a word list, for an estimate: words are looked up and planned as in a run; nothing is written or
sent.

Up to `EXACT_REQUESTS` every request is rendered and its tokens are counted. Further requests are counted but not
rendered: their tokens are projected from a sample of words, which is planned in full at the end.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched, chain
from math import ceil
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from floridify_batch.components.entry_store import EntryReader
from floridify_batch.components.failure import Failure
from floridify_batch.components.model_profile import profile_of
from floridify_batch.components.pack import carrier_of
from floridify_batch.components.recipe import Scope, sampled_number
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.costs.answer_length import (
    AnswerKind,
    Length,
    Observed,
    Origin,
    measured,
    packed_length,
    prior,
)
from floridify_batch.costs.price import Price
from floridify_batch.costs.sample import Projection, Reservoir, projected
from floridify_batch.costs.usage import Spent
from floridify_batch.pipeline.brief import Brief, Question
from floridify_batch.pipeline.bundle import Bundle, Bundler, Opening, WordOpenings
from floridify_batch.pipeline.chunk import ChunkSize, Limits
from floridify_batch.pipeline.estimate import (
    PROMPT_TOKENS_EXPECTED,
    Estimate,
    Expectation,
    Sampled,
)
from floridify_batch.pipeline.plan import PAGE_WORDS, Outline, has_unclustered, outlined, renewed_values
from floridify_batch.words.entry import Definition, Entry

EXACT_REQUESTS = 50_000
"""Requests whose tokens are counted exactly: some two seconds."""

SAMPLE_WORDS = 2_000
"""The sample size beyond that: some 60,000 requests, with a sampling error well under 1 %."""

_SOURCES_PER_MEANING = 2
"""Expected number of definitions, of several sources, with the same meaning."""

_REASONING = 3
"""The most that the output of a model that always reasons is longer than its answers, until it is measured."""

_MOST_MEANINGS = 10
"""The most meanings in an answer that groups definitions."""

_SEED = 20
_NO_FAILURES: Mapping[str, Failure] = MappingProxyType({})
_NOTHING_SPENT: Mapping[str, Spent] = MappingProxyType({})

type _Word = Sequence[Entry]
"""A word of the list: an entry for each of its homographs."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The parameters of a survey; `spent` has the answer lengths that this run has measured already."""

    asked: Brief
    language: str
    model: str
    limits: Limits
    immediate: bool = False
    price: Price | None = None
    spent: Mapping[str, Spent] = _NOTHING_SPENT
    exact_requests: int = EXACT_REQUESTS
    sample_words: int = SAMPLE_WORDS

    async def of(self, words: Sequence[str], store: EntryReader, progress: Callable[[int, int], None]) -> Estimate:
        """Plan and pack these words as in a run, and add up the estimate; `progress` is called with the words done."""
        lengths = lengths_known(self.asked, await self._observed(store), self.spent)
        sums = _Sums(self, lengths)
        sums.estimate.senses = (await store.senses(self._defining_model)).mean
        async for page, entries in _pages(words, store, self.language):
            for text in page:
                sums.add(entries[text])
            sums.end_page()
            progress(sums.estimate.words, len(words))
        return sums.finished()

    @property
    def _defining_model(self) -> str:
        """The model that defines new words."""
        defining = self.asked.by_component().get(SynthesisComponent.DEFINITIONS)
        return defining.envelope.model if defining else self.model

    async def _observed(self, store: EntryReader) -> dict[AnswerKind, Observed]:
        """The measured lengths of each component's answers by its model."""
        seen: dict[AnswerKind, Observed] = {}
        by_model: dict[str, set[str]] = {}
        for question in self.asked.questions:
            by_model.setdefault(question.envelope.model, set()).add(question.recipe.component)
        for model, components in by_model.items():
            of_model = await store.observed(model)
            seen |= {kind: each for kind, each in of_model.items() if kind.component in components}
        return seen


async def _pages(
    words: Sequence[str], store: EntryReader, language: str
) -> AsyncIterator[tuple[Sequence[str], Mapping[str, Sequence[Entry]]]]:
    """The entries of the list, page by page; the next page is looked up while one is planned."""
    coming: asyncio.Task[dict[str, list[Entry]]] | None = None
    before: Sequence[str] = ()
    try:
        for page in batched(words, PAGE_WORDS):
            following = asyncio.ensure_future(store.entries(page, language))
            if coming is not None:
                entries, coming = await coming, following
                yield before, entries
            coming, before = following, page
        if coming is not None:
            yield before, await coming
    finally:
        if coming is not None:
            coming.cancel()


def lengths_known(
    asked: Brief, observed: Mapping[AnswerKind, Observed], spent: Mapping[str, Spent]
) -> dict[str, Length]:
    """The expected answer length of each component: measured in this run, or in this database, or a prior."""
    return {
        question.recipe.component: _length(question, observed, spent.get(question.recipe.component), asked)
        for question in asked.questions
    }


def _length(question: Question, observed: Mapping[AnswerKind, Observed], spent: Spent | None, asked: Brief) -> Length:
    recipe = question.recipe
    if spent is not None and spent.billed:
        return measured(Observed(spent.billed, spent.usage.output), Origin.RUN, recipe.spread)
    seen = observed.get(AnswerKind(recipe.component, question.template.fingerprint, question.shape))
    alone = prior(question.envelope.output_tokens, recipe.spread)
    if profile_of(question.envelope.model).reasons:
        alone = replace(alone, high=alone.high * _REASONING)
    if seen is not None:
        alone = measured(seen, Origin.DATABASE, recipe.spread)
    return packed_length(alone, asked.pack) if question.is_packed(asked) else alone


class _Shape(NamedTuple):
    """The number of requests of a word by component, now and later; `of_senses`: those later for each unknown sense."""

    now: Counter[str]
    later: Counter[str]
    of_senses: Counter[str]
    requests: int


def _shape(outlines: Iterable[Outline]) -> _Shape:
    now, later, of_senses = Counter[str](), Counter[str](), Counter[str]()
    for outline in outlines:
        for opened in outline.askable:
            now[opened[0][0].recipe.component] += len(opened)
        for question in outline.waiting:
            if is_of_senses(question, outline.entry):
                of_senses[question.recipe.component] += 1
            else:
                later[question.recipe.component] += times(question, outline.entry)
    return _Shape(now, later, of_senses, now.total())


def is_of_senses(question: Question, entry: Entry) -> bool:
    """Whether a deferred question is about each sense of an entry that has none yet."""
    scope = question.recipe.scope
    return not entry.definitions and scope is not Scope.WORD and (scope is not Scope.CLUSTER or bool(entry.sources))


def times(question: Question, entry: Entry) -> int:
    """The expected number of requests by a deferred question about an entry with senses, or about a word."""
    if question.recipe.scope is Scope.WORD:
        return 0 if question.recipe.structural else 1
    if question.recipe.scope is Scope.CLUSTER and not entry.sources:
        return 0
    senses = len(entry.definitions) if entry.synthesised else _meanings(entry)
    share = question.recipe.share
    return senses if share == 1 else sampled_number(senses, entry.id, share)


def _meanings(entry: Entry) -> int:
    """The expected number of meanings of an entry's sources: no source states the same one twice."""
    sources = len(entry.sources)
    if sources < 2:  # noqa: PLR2004  most words have one
        return sources
    stated = Counter(provider for definition in entry.sources for provider in definition.providers[:1])
    most = min(_MOST_MEANINGS, max(stated.values(), default=0))
    return max(most, ceil(sources / _SOURCES_PER_MEANING))


type _Kind = tuple[int, int, int, int]
"""The number of a word's definitions, of those with a text, of its sources, and of their expected meanings."""


class _Kinds:
    """Classifies words that have the same plan: nothing is stored for them, and they have as many definitions.

    Nearly all words of a dictionary are of a few kinds, and each kind is planned only once.
    """

    def __init__(self, asked: Brief) -> None:
        recipes = [question.recipe for question in asked.questions if not question.recipe.structural]
        of_definition = {recipe.field for recipe in recipes if recipe.scope is Scope.DEFINITION}
        of_word = {recipe.field for recipe in recipes if recipe.scope is Scope.WORD}
        attributes = of_definition.intersection(Definition.__slots__)
        self._made_of_definition = attrgetter("stamps", "meaning_cluster", "synonyms", "extra", *attributes)
        self._sampled = any(recipe.share < 1 for recipe in recipes)  # which senses are in a sample depends on their ids
        self._made_of_word = attrgetter("stamps", "synthesised", "extra", *of_word.intersection(Entry.__slots__))

    def kind(self, word: _Word) -> _Kind | None:
        """The kind of a word; None if anything is stored for it, so that it is planned separately."""
        entry = word[0]
        definitions = entry.definitions
        if self._sampled or len(word) > 1 or any(self._made_of_word(entry)):
            return None
        if any(any(self._made_of_definition(each)) for each in definitions):
            return None
        texts = sum(1 for each in definitions if each.has_text)
        return len(definitions), texts, len(entry.sources), _meanings(entry)


class _Sums:
    """Adds up an estimate: exactly at first, then from request counts and a sample."""

    def __init__(self, survey: Workload, lengths: Mapping[str, Length]) -> None:
        self._survey = survey
        self.estimate = Estimate(survey.model, lengths=lengths, immediate=survey.immediate, price=survey.price)
        self.estimate.models = survey.asked.other_models(survey.model)
        self.estimate.language = survey.language
        self.estimate.cache_writers = {
            question.recipe.component: survey.asked.pack if question.is_packed(survey.asked) else 1
            for question in survey.asked.questions
            if question.envelope.writes_cache
        }
        self._clusters = SynthesisComponent.CLUSTER_DEFINITIONS in survey.asked.by_component()
        self._counted: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._all = ChunkSize()
        self._uncounted: Counter[str] = Counter()
        self._later: Counter[str] = Counter()
        self._of_senses: Counter[str] = Counter()
        self._sample: Reservoir[_Word] = Reservoir(survey.sample_words, _SEED)
        self._requests = 0
        self._kinds = _Kinds(survey.asked)
        self._bundler = Bundler(survey.asked, survey.limits)
        self._shapes: dict[_Kind, _Shape] = {}
        self._alike: Counter[_Kind] = Counter()

    def add(self, word: _Word) -> None:
        """Add a word's requests, and those expected once they are answered."""
        estimate = self.estimate
        estimate.words += 1
        if any(entry.odd for entry in word):  # the run fails the whole word
            estimate.unreadable += 1
            return
        for entry in word:
            estimate.unclustered += self._clusters and has_unclustered(entry)
            estimate.count_values(renewed_values(entry, self._survey.asked), self._survey.asked.replace_edited)
        if self._requests < self._survey.exact_requests:
            outlines = self._outlines(word)
            shape = _shape(outlines)
            self._defer(shape)
            for word_of_model in self._words_of(outlines):
                self._count(self._bundler.add(word_of_model))
        else:
            shape = self._shape_by_kind(word)
            self._add_uncounted(word, shape)
        estimate.complete += not shape.now
        estimate.unknown += bool(shape.now) and any(not entry.definitions for entry in word)

    def _shape_by_kind(self, word: _Word) -> _Shape:
        kind = self._kinds.kind(word)
        if kind is None:
            shape = _shape(self._outlines(word))
            self._uncounted.update(shape.now)
            self._defer(shape)
            return shape
        if kind not in self._shapes:
            self._shapes[kind] = _shape(self._outlines(word))
        self._alike[kind] += 1
        return self._shapes[kind]

    def _defer(self, shape: _Shape, words: int = 1) -> None:
        """Count the later requests of words that are alike."""
        self._later.update({name: words * number for name, number in shape.later.items()})
        self._of_senses.update({name: words * number for name, number in shape.of_senses.items()})

    def _outlines(self, word: _Word) -> list[Outline]:
        return [outlined(entry, self._survey.asked, _NO_FAILURES) for entry in word]

    def end_page(self) -> None:
        """Count the words whose packs are not full at the end of a page, as a run sends them."""
        self._count(self._bundler.finish())

    def _words_of(self, outlines: Iterable[Outline]) -> Iterator[WordOpenings]:
        """The requests of a word that are ready; for each of their models, as far as that decides on packs."""
        by_model: dict[str, list[Opening]] = {}
        for outline in outlines:
            for opening in outline.openings():
                model = opening.question.envelope.model if self._survey.asked.pack > 1 else ""
                by_model.setdefault(model, []).append(opening)
        for openings in by_model.values():
            yield WordOpenings(0, openings, _NO_FAILURES)

    def _count(self, bundles: Iterable[Bundle]) -> None:
        for bundle in bundles:
            for made in self._bundler.groups(bundle):
                self._requests += made.size.requests
                for component, tokens in chain(*made.by_word):
                    self._counted[component] += 1
                    self._tokens[component] += tokens
                self._all += made.size
                self.estimate.pack(made.size, self._survey.limits)

    def _add_uncounted(self, word: _Word, shape: _Shape) -> None:
        if not shape.requests:
            return
        self._sample.offer(word)
        # For the preview of chunks, each further request is assumed to have the mean size of the exact ones.
        share, known = shape.requests / self._requests, self._all
        size, tokens, shared = (round(each * share) for each in (known.bytes, known.input_tokens, known.shared))
        mean = ChunkSize(1, shape.requests, size, tokens, shared=shared)
        self.estimate.pack(mean, self._survey.limits)

    # ── projection ─────────────────────────────────────────────────────────────────────────────────────────────────

    def finished(self) -> Estimate:
        """The estimate, once all words are added."""
        estimate, questions = self.estimate, self._survey.asked.by_component()
        for kind, words in self._alike.items():
            shape = self._shapes[kind]
            self._uncounted.update({name: words * number for name, number in shape.now.items()})
            self._defer(shape, words)
        projection = self._projection()
        for component, question in questions.items():
            now = self._now(component, question, projection)
            if now.requests:
                estimate.now[component] = now
            of_senses = round(self._of_senses[component] * estimate.senses.expected * question.recipe.share)
            if later := self._later[component] + of_senses:
                estimate.later[component] = self._expected(question, later)
            if of_senses:
                estimate.of_senses[component] = self._expected(question, of_senses)
        if self._uncounted:
            estimate.sampled = Sampled(self._uncounted.total(), len(self._sample.kept), projection.margin)
        return estimate

    def _expected(self, question: Question, requests: int) -> Expectation:
        """Requests that cannot be rendered yet, with their expected tokens."""
        prompt = PROMPT_TOKENS_EXPECTED + question.recipe.quoted_tokens
        tokens = requests * prompt + self._fixed_tokens(question, requests)
        return Expectation(requests, tokens, self._output(question.recipe.component, requests))

    def _fixed_tokens(self, question: Question, requests: int) -> int:
        """The tokens of so many requests apart from their prompts, which packs share."""
        asked = self._survey.asked
        if not question.is_packed(asked):
            return requests * question.envelope.fixed_tokens
        return ceil(requests / asked.pack) * carrier_of(question.envelope, asked.pack).fixed_tokens

    def _projection(self) -> Projection:
        return projected([*self._sampled_words()], self._sample.offered)

    def _sampled_words(self) -> Iterator[Sequence[tuple[str, int]]]:
        """The input tokens of each request of the sampled words, which are packed as if they were neighbours."""
        bundler = Bundler(self._survey.asked, self._survey.limits)
        words = (made for word in self._sample.kept for made in self._words_of(self._outlines(word)))
        for bundle in chain(*map(bundler.add, words), bundler.finish()):
            for made in bundler.groups(bundle):
                yield from made.by_word

    def _now(self, component: str, question: Question, projection: Projection) -> Expectation:
        uncounted = self._uncounted[component]
        mean = projection.means.get(component, question.envelope.fixed_tokens + PROMPT_TOKENS_EXPECTED)
        requests = self._counted[component] + uncounted
        tokens = self._tokens[component] + round(uncounted * mean)
        return Expectation(requests, tokens, self._output(component, requests))

    def _output(self, component: str, requests: int) -> int:
        return self.estimate.length(component).of(requests)[1]
