"""The estimate of a run: requests, tokens and cost before anything is sent."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from floridify_batch.components.entry_store import EntryReader, NoDatabase
from floridify_batch.components.registry import RECIPES, SynthesisComponent as C
from floridify_batch.costs.answer_length import SENSES_EXPECTED, Origin, SenseCount
from floridify_batch.costs.price import Price
from floridify_batch.costs.usage import Spent, Usage
from floridify_batch.pipeline.brief import brief
from floridify_batch.pipeline.chunk import ChunkSize, Limits
from floridify_batch.pipeline.estimate import Estimate, Expectation, components_of
from floridify_batch.pipeline.workload import Workload, lengths_known, times
from floridify_batch.run.driver import Driver
from floridify_batch.words.entry import Definition, Entry, Word, derived_id
from tests.fakes import MemoryStore, Scenario, Service

ASKED = brief((C.SYNONYMS, C.DOMAIN), model="gpt-6-luna", language_name="English")


async def estimated(words: list[str], store: EntryReader, limits: Limits | None = None, **more: Any) -> Estimate:
    return await Workload(ASKED, "en", "gpt-6-luna", limits or Limits(), **more).of(words, store, lambda _, __: None)


def memory_store(**senses: int) -> MemoryStore:
    known = MemoryStore()
    for word, count in senses.items():
        known.know(word, *(f"{word} {number}" for number in range(count)))
    return known


async def test_the_figures() -> None:
    """An estimate counts the words, the complete and the unknown ones, and every request."""
    known = memory_store(bank=2)
    known.know("done", "finished", synonyms=["over"], domain="law")
    estimate = await estimated(["bank", "done", "qwrt"], known)
    assert (estimate.words, estimate.complete, estimate.unknown) == (3, 1, 1)
    requests = {component: each.requests for component, each in estimate.now.items()}
    assert requests == {C.SYNONYMS: 2, C.DOMAIN: 2, C.DEFINITIONS: 1}
    assert estimate.total_now.requests == 5


class Given(MemoryStore):
    """A store that has these entries."""

    def __init__(self, given: dict[str, list[Entry]]) -> None:
        super().__init__()
        self.given = given

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:  # noqa: ARG002  it has one
        """Return the given entries."""
        return {text: self.given[text] for text in texts}


async def test_unreadable_words() -> None:
    """A word with a document that cannot be read is neither complete nor new."""
    entries = await memory_store(bank=2).entries(["bank", "odd", "qwrt"], "en")
    entries["odd"] = [replace(each, odd="its text is a number") for each in entries["odd"]]
    estimate = await estimated([*entries], Given(entries))
    assert (estimate.words, estimate.complete, estimate.unknown, estimate.unreadable) == (3, 0, 1, 1)


async def test_a_complete_word_with_an_empty_homograph() -> None:
    """A word with nothing to request is complete, and not new, even if one of its homographs is empty."""
    known = MemoryStore()
    known.know("done", "finished", synonyms=["over"], domain="law")
    entries = await known.entries(["done"], "en")
    empty = Word(derived_id("second"), "done", "en", 2)
    entries["done"].append(Entry(empty, sibling_defined=True))
    estimate = await estimated(["done"], Given(entries))
    assert (estimate.words, estimate.complete, estimate.unknown) == (1, 1, 0)


async def test_what_is_asked_is_what_was_estimated(tmp_path: Path) -> None:
    """The requests, bytes and tokens of a run's files are those of its estimate, chunk by chunk."""
    words = ["bank", "tree", "lake"]
    known = memory_store(bank=2, tree=1, lake=3)
    estimate = await estimated(words, known, Limits(words=2))
    scenario = Scenario(tmp_path, words, Service(), known, (C.SYNONYMS, C.DOMAIN), batch_size=2)
    run = scenario.run()
    await Driver(run).process(wait=False)
    chunks = [ChunkSize(c.words, c.requests, c.bytes, c.input_tokens, c.output_tokens) for c in run.ledger.chunks]
    assert chunks == estimate.chunks
    assert estimate.total_now == Expectation(
        sum(each.requests for each in chunks),
        sum(each.input_tokens for each in chunks),
        sum(each.output_tokens for each in chunks),
    )


async def test_later() -> None:
    """Follow-up requests of words without definitions are estimated, and counted separately from ready requests."""
    estimate = await estimated(["qwrt", "asdf"], NoDatabase())
    assert set(estimate.now) == {C.DEFINITIONS}
    assert set(estimate.later) == {C.SYNONYMS, C.DOMAIN}
    assert estimate.later[C.DOMAIN].requests == 2 * SENSES_EXPECTED
    assert estimate.later[C.DOMAIN].output_tokens == 2 * SENSES_EXPECTED * RECIPES[C.DOMAIN].output_tokens
    assert estimate.total.requests == 2 + 4 * SENSES_EXPECTED


async def test_nothing_is_expected_of_known_words() -> None:
    """If every word has definitions, nothing is extrapolated."""
    estimate = await estimated(["bank"], memory_store(bank=1))
    assert estimate.later == {}
    assert estimate.total == estimate.total_now


async def test_nothing_is_written() -> None:
    """An estimate changes nothing in the database."""
    known = memory_store(bank=1)
    before = known.picture()
    await estimated(["bank", "qwrt"], known)
    assert known.picture() == before


# ── many requests ──────────────────────────────────────────────────────────────────────────────────────────────────


def many(words: int) -> tuple[list[str], MemoryStore]:
    known = MemoryStore()
    texts = [f"word {number}" for number in range(words)]
    for number, text in enumerate(texts):
        known.know(text, *(f"sense {sense} of it" + " and more" * (number % 7) for sense in range(1 + number % 3)))
    return texts, known


async def test_a_sample_counts_every_request() -> None:
    """Beyond the first requests, tokens are projected from a sample; requests, words and waves stay exact."""
    words, known = many(300)
    words += [f"unknown {number}" for number in range(100)]
    exact = await estimated(words, known)
    sampled = await estimated(words, known, exact_requests=60, sample_words=80)
    assert exact.sampled is None
    assert sampled.sampled is not None
    assert sampled.sampled.words == 80
    assert (sampled.words, sampled.complete, sampled.unknown) == (exact.words, exact.complete, exact.unknown)
    requests = {name: each.requests for name, each in exact.now.items()}
    assert {name: each.requests for name, each in sampled.now.items()} == requests
    assert sampled.later == exact.later
    assert sampled.total.output_tokens == exact.total.output_tokens
    assert sum(chunk.requests for chunk in sampled.chunks) == exact.total_now.requests
    assert sum(chunk.words for chunk in sampled.chunks) == 400


async def test_a_sample_is_close() -> None:
    """Tokens estimated from a sample are within the margin of the exact count, and the margin is small."""
    words, known = many(300)
    exact = await estimated(words, known)
    sampled = await estimated(words, known, exact_requests=60, sample_words=120)
    assert sampled.sampled is not None
    off = abs(sampled.total_now.input_tokens - exact.total_now.input_tokens)
    assert off <= sampled.sampled.margin < exact.total_now.input_tokens * 0.02


async def test_words_that_are_alike_are_planned_once() -> None:
    """Words with the same missing components are planned once beyond the exactly counted requests, with the same
    counts.
    """
    known = MemoryStore()
    words = [f"word {number}" for number in range(60)]
    for number, word in enumerate(words):
        made: list[dict[str, Any]] = [
            {},
            {"synonyms": ["other"]},
            {"domain": "law"},
            {"synonyms": ["other"], "domain": "law"},
            {"meaning_cluster": {"slug": f"cluster {number}", "order": 0}},
        ]
        known.know(word, *(f"sense {sense}" for sense in range(number % 4)), **made[number % 5])
    everything = brief(RECIPES, model="gpt-6-luna", language_name="English")
    for asked in (ASKED, everything):
        exact, sampled = [
            await Workload(asked, "en", "gpt-6-luna", Limits(), exact_requests=requests).of(
                words, known, lambda _, __: None
            )
            for requests in (100_000, 1)
        ]
        assert {name: each.requests for name, each in sampled.now.items()} == {
            name: each.requests for name, each in exact.now.items()
        }
        assert {name: each.requests for name, each in sampled.later.items()} == {
            name: each.requests for name, each in exact.later.items()
        }
        assert (sampled.complete, sampled.unknown) == (exact.complete, exact.unknown)


async def test_words_without_anything_are_alike() -> None:
    """The figures for unknown words are the same whether they are counted singly or together."""
    words = [f"unknown {number}" for number in range(50)]
    exact, sampled = await estimated(words, NoDatabase()), await estimated(words, NoDatabase(), exact_requests=10)
    assert sampled.total == exact.total
    assert sampled.later == exact.later
    assert sum(chunk.requests for chunk in sampled.chunks) == 50


# ── how long answers are ───────────────────────────────────────────────────────────────────────────────────────────


async def test_answers_of_this_database(tmp_path: Path) -> None:
    """Measured answer lengths of this database replace the defaults, as long as model and template are the same."""
    known = memory_store(bank=2)
    scenario = Scenario(tmp_path, ["bank"], Service(), known, (C.SYNONYMS, C.DOMAIN))
    await Driver(scenario.run()).process()
    estimate = await estimated(["bank", "qwrt"], known)
    length = estimate.length(C.SYNONYMS)
    assert (length.origin, length.answers, length.expected) == (Origin.DATABASE, 2, 20)
    assert estimate.later[C.SYNONYMS].output_tokens == 20 * SENSES_EXPECTED
    assert estimate.length(C.DEFINITIONS).origin is Origin.PRIOR
    newer = brief((C.SYNONYMS, C.DOMAIN), model="gpt-5-mini", language_name="English")
    other = await Workload(newer, "en", "gpt-5-mini", Limits()).of(["qwrt"], known, lambda _, __: None)
    assert other.length(C.SYNONYMS).origin is Origin.PRIOR


class Defined(NoDatabase):
    """A database without these words, in which a model has defined others."""

    def __init__(self, words: int, senses: int) -> None:
        self._senses = SenseCount(words, senses)

    async def senses(self, model: str) -> SenseCount:  # noqa: ARG002  every model has defined them
        """The number of senses, and of their words."""
        return self._senses


async def test_senses_of_this_database() -> None:
    """The mean number of senses that this database has for defined words is expected of new words, and narrows the
    range; a few words do not count.
    """
    words = [f"qwrt {number}" for number in range(100)]
    prior = await estimated(words, NoDatabase())
    few, many_words = await estimated(words, Defined(9, 9)), await estimated(words, Defined(400, 760))
    assert few.later == prior.later
    assert many_words.senses.expected == 1.9
    assert many_words.later[C.DOMAIN].requests == 190
    assert prior.later[C.DOMAIN].requests == 100 * SENSES_EXPECTED

    def width(estimate: Estimate) -> Decimal:
        span = estimate.span()
        assert span is not None
        assert span.low < span.expected < span.high
        return (span.high - span.low) / span.expected

    assert width(many_words) < width(prior)
    low, _, high = prior.output_of(C.DOMAIN)
    length = prior.length(C.DOMAIN)
    assert low == int(150 * length.low)
    assert high == 480 * length.high


async def test_answers_of_this_run_come_first() -> None:
    """Answer lengths measured in this run take precedence."""
    spent = {C.SYNONYMS: Spent(answered=3, billed=4, usage=Usage(input=400, output=400))}
    estimate = await estimated(["qwrt"], NoDatabase(), spent=spent)
    length = estimate.length(C.SYNONYMS)
    assert (length.origin, length.answers, length.expected) == (Origin.RUN, 4, 100)


async def test_the_span_of_the_cost() -> None:
    """The cost has a lower and an upper bound, from the spread of answer lengths and the margin of the sample."""
    words, known = many(300)
    exact = (await estimated(words, known)).span()
    sampled = (await estimated(words, known, exact_requests=60, sample_words=80)).span()
    assert exact is not None
    assert sampled is not None
    assert exact.low < exact.expected < exact.high
    assert sampled.high - sampled.low > exact.high - exact.low
    assert abs(exact.expected - sampled.expected) < exact.expected / 100


def test_a_price_of_the_users_own() -> None:
    """A user's price applies to the run's mode; for the other mode nothing is stated."""
    price = Price(Decimal(1), Decimal(2))
    estimate = Estimate("gpt-of-nobody", now={"synonyms": Expectation(1, 1_000_000, 500_000)}, price=price)
    assert estimate.cost(estimate.wholes(), batch=True) == 2
    assert estimate.cost(estimate.wholes(), batch=False) is None
    forecast = estimate.forecast()
    assert forecast.expected == 2
    assert forecast.immediate is None
    assert forecast.requests == 1


def test_packing() -> None:
    """Words are packed as in a run: into the last chunk while they fit, and never split."""
    estimate = Estimate("gpt-6-luna")
    for requests in (3, 2, 4, 9, 1):
        estimate.pack(ChunkSize(1, requests), Limits(requests=5))
    assert [(chunk.words, chunk.requests) for chunk in estimate.chunks] == [(2, 5), (1, 4), (1, 9), (1, 1)]


sizes = st.builds(ChunkSize, st.just(1), *[st.integers(1, 9)] * 4)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(sizes, max_size=15),
    st.builds(Limits, *[st.none() | st.integers(1, 4), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30)]),
)
def test_packing_at_the_limits(words: list[ChunkSize], limits: Limits) -> None:
    """No chunk of several words exceeds a limit, none could have held the next word, and no word is lost."""
    estimate = Estimate("gpt-6-luna")
    for size in words:
        estimate.pack(size, limits)
    assert sum(estimate.chunks, ChunkSize()) == sum(words, ChunkSize())
    rest = iter(words)
    held = [list(islice(rest, chunk.words)) for chunk in estimate.chunks]
    for chunk, its_words in zip(estimate.chunks, held, strict=True):
        assert chunk == sum(its_words, ChunkSize())
        assert chunk.words == 1 or limits.hold(chunk)
    for chunk, following in zip(estimate.chunks, held[1:], strict=False):
        assert not limits.hold(chunk + following[0])


def test_cost() -> None:
    """The price of an estimate is its tokens at the model's rates, halved in a batch."""
    estimate = Estimate("gpt-6-luna")
    asks = Expectation(10, 1_000_000, 100_000)
    assert estimate.cost({"synonyms": asks}, batch=True) == Decimal("0.075")
    assert estimate.cost({"synonyms": asks}, batch=False) == Decimal("0.15")
    assert Estimate("gpt-of-nobody").cost({"synonyms": asks}, batch=True) is None


@pytest.mark.parametrize(
    ("providers", "meanings"),
    [
        (["wiktionary"], 1),
        (["wiktionary"] * 4, 4),
        (["wiktionary"] * 12, 10),
        (["wiktionary", "oxford"] * 2, 2),
        (["wiktionary", "wiktionary", "wiktionary", "oxford"], 3),
        ([""] * 4, 2),
    ],
)
def test_meanings_of_sources(providers: list[str], meanings: int) -> None:
    """Several sources may state a meaning, one source states it once; an answer groups ten at most."""
    sources = tuple(
        Definition(derived_id("sense", number), "noun", f"sense {number}", providers=[each] if each else [])
        for number, each in enumerate(providers)
    )
    entry = Entry(Word(derived_id("word"), "bank", "en"), sources, sources=sources)
    asked = brief([C.DEFINITION_TEXT], model="gpt-6-luna", language_name="English").by_component()
    assert times(asked[C.DEFINITION_TEXT], entry) == meanings


def test_a_model_that_always_reasons() -> None:
    """The upper end of the output allows for reasoning where no effort prevents it, until answers were measured."""
    highs = {}
    for model in ("o3", "gpt-6-luna"):
        asked = brief([C.DOMAIN], model=model, language_name="English")
        length = lengths_known(asked, {}, {})[C.DOMAIN]
        highs[model] = length.high / length.expected
        seen = lengths_known(asked, {}, {C.DOMAIN: Spent(billed=10_000, usage=Usage(100, 0, 450_000))})[C.DOMAIN]
        assert seen.high / seen.expected < 1.1
    assert highs["o3"] == 3 * highs["gpt-6-luna"]


def test_lengths_of_a_pilot() -> None:
    """An estimate with other lengths has the same requests and input, and the output and the range of these lengths."""
    asked = brief([C.DOMAIN], model="gpt-6-luna", language_name="English")
    lengths = lengths_known(asked, {}, {C.DOMAIN: Spent(billed=60, usage=Usage(100, 0, 60 * 30))})
    now = {"domain": Expectation(1000, 100_000, 45_000)}
    before = Estimate("gpt-6-luna", now=now, lengths=lengths_known(asked, {}, {}))
    after = before.with_lengths(lengths)
    assert after.total == Expectation(1000, 100_000, 30_000)
    wide, narrow = before.span(), after.span()
    assert wide is not None
    assert narrow is not None
    assert (narrow.high - narrow.low) / narrow.expected < (wide.high - wide.low) / wide.expected


def test_order_of_components() -> None:
    """Components are sorted by their number of requests, later ones included."""
    estimate = Estimate("gpt-6-luna")
    estimate.now = {"definitions": Expectation(5), "synonyms": Expectation(1)}
    estimate.later = {"synonyms": Expectation(6), "domain": Expectation(6)}
    assert list(components_of(estimate)) == ["synonyms", "domain", "definitions"]
