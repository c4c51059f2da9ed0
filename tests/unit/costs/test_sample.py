"""Reservoir sampling: uniform, with projections within their margin."""

from collections import Counter
from random import Random

from hypothesis import given, settings, strategies as st

from floridify_batch.costs.sample import Reservoir, projected


def test_a_reservoir_keeps_what_it_can() -> None:
    """A reservoir that is not full keeps all items in order."""
    kept = Reservoir[int](5, 1)
    for number in range(4):
        kept.offer(number)
    assert kept.kept == [0, 1, 2, 3]


def test_the_same_sample_each_time() -> None:
    """Two estimates of one list use the same sample, so that they agree."""
    one, other = Reservoir[int](10, 7), Reservoir[int](10, 7)
    for number in range(1000):
        one.offer(number)
        other.offer(number)
    assert one.kept == other.kept
    assert one.offered == 1000


def test_everything_has_the_same_chance() -> None:
    """Every position of the list is sampled with equal probability."""
    seen: Counter[int] = Counter()
    for seed in range(2000):
        kept = Reservoir[int](5, seed)
        for number in range(20):
            kept.offer(number)
        seen.update(kept.kept)
    assert all(400 <= seen[number] <= 600 for number in range(20))


def test_means_by_component() -> None:
    """A mean is taken over a component's requests, independent of their words."""
    sample = [[("a", 10), ("b", 100)], [("a", 20)], [("a", 30), ("b", 300)]]
    assert projected(sample, 3).means == {"a": 20, "b": 200}


def test_a_complete_sample_has_no_margin() -> None:
    """The margin is zero if every word is in the sample, or if one word stands for all."""
    assert projected([[("a", 10)], [("a", 90)]], 2).margin == 0
    assert projected([[("a", 10)]], 50).margin == 0
    assert projected([], 0).margin == 0


def test_equal_words_have_no_margin() -> None:
    """If all words of a sample are equal, the projection has no margin."""
    assert projected([[("a", 10)]] * 9, 1000).margin == 0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_margin_is_seldom_passed(seed: int) -> None:
    """In at least eight of ten samples, the true total is within the margin of the projection."""
    random = Random(seed)  # noqa: S311  a sample, not a secret
    words = [[("a", base + random.randrange(20)) for _ in range(3)] for base in random.choices(range(30, 90), k=3000)]
    true = sum(count for word in words for _, count in word)
    within = 0
    for _ in range(40):
        result = projected(random.sample(words, 200), len(words))
        within += abs(result.means["a"] * 9000 - true) <= result.margin
    assert within >= 32
