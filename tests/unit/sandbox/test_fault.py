"""Fault specifications, and the selection of requests that a fault hits."""

import pytest

from floridify_batch.errors import UsageError
from floridify_batch.sandbox.fault import KINDS, Faults, status_of, table


@pytest.mark.parametrize(
    "text", ["rain=0.5", "http_=1", "http_NNN=1", "expire", "refuse=1.5", "create_500=few", "a=b=c"]
)
def test_unknown_faults_and_values_are_refused(text: str) -> None:
    """An unknown fault or an invalid value is refused with an error that names it."""
    with pytest.raises(UsageError, match="fault"):
        Faults.parse([text])


def test_a_share_hits_about_that_share() -> None:
    """A tenth of ten thousand lines is about a thousand."""
    faults = Faults.parse(["refuse=0.1"], seed=3)
    assert 900 < sum(faults.line(f"line-{n}", 0) is not None for n in range(10_000)) < 1_100


def test_the_same_seed_hits_the_same_lines_and_another_batch_others() -> None:
    """The selection depends only on the seed, the custom_id and the batch."""

    def hit(seed: int, number: int) -> list[bool]:
        faults = Faults.parse(["missing=0.5"], seed=seed)
        return [faults.line(f"line-{n}", number) is not None for n in range(100)]

    assert hit(1, 0) == hit(1, 0)
    assert hit(1, 0) != hit(1, 1)
    assert hit(1, 0) != hit(2, 0)


def test_a_fault_can_be_confined_to_the_first_batches() -> None:
    """`@N` spares every batch after the first N, so that a repeat succeeds."""
    faults = Faults.parse(["http_500=1@2", "expire=0.5@1"])
    assert [faults.line("a", number) is not None for number in range(3)] == [True, True, False]
    assert [faults.reaches("expire", number) for number in range(2)] == [True, False]


def test_a_fault_can_be_aimed_at_lines_by_a_text() -> None:
    """A value that is not a number is a text in the custom_ids of the lines to hit."""
    fault = Faults.parse(["http_0=happy"]).line("happy-1-synonyms", 7)
    assert fault is not None
    assert status_of(fault) == 0
    assert Faults.parse(["http_0=happy"]).line("sad-1-synonyms", 7) is None


def test_a_rejection_carries_its_code() -> None:
    """`fail_batch` takes the code that the batch ends with."""
    fault = Faults.parse(["fail_batch=1:billing_hard_limit_reached@3"]).by_name["fail_batch"]
    assert (fault.share, fault.code, fault.first) == (1.0, "billing_hard_limit_reached", 3)


def test_the_table_names_every_fault() -> None:
    """The help lists each fault with its effect."""
    shown = table()
    assert all(kind.name in shown and kind.effect in shown for kind in KINDS)


def test_some_batches_are_hit_whatever_is_asked_of_them() -> None:
    """A share of batches is the same at every poll, so that a batch is lost permanently or not at all."""
    faults = Faults.parse(["poll_404=0.5"], seed=5)
    lost = [number for number in range(200) if faults.hits("poll_404", "", number)]
    assert 70 < len(lost) < 130
    assert lost == [number for number in range(200) if faults.hits("poll_404", "", number)]
