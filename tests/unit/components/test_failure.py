"""Failure reasons: which are retried, and their names."""

import pytest

from floridify_batch.components.failure import Failure, FailureReason


@pytest.mark.parametrize("status", [0, 408, 409, 429, 500, 502, 503, 504, 529])
def test_passing_troubles_are_repeated(status: int) -> None:
    """A request that failed because of the service is retried."""
    assert Failure("x", FailureReason.HTTP, "", status=status).repeatable


@pytest.mark.parametrize("status", [None, 200, 301, 400, 401, 403, 404, 413, 422, 600])
def test_lasting_troubles_are_not(status: int | None) -> None:
    """A request that the service rejects as invalid is not retried."""
    assert not Failure("x", FailureReason.HTTP, "", status=status).repeatable


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (FailureReason.EXPIRED, True),
        (FailureReason.CANCELLED, True),
        (FailureReason.TRUNCATED, True),
        (FailureReason.MALFORMED, True),
        (FailureReason.MISSING, True),
        (FailureReason.REJECTED, False),
        (FailureReason.REFUSED, False),
        (FailureReason.ORPHANED, False),
    ],
)
def test_reasons(reason: FailureReason, again: bool) -> None:
    """Random and transient failures are retried; a refusal of the model or of the whole batch is not."""
    assert Failure("x", reason, "").repeatable is again


def test_only_a_cut_answer_gets_more_room() -> None:
    """The output cap, and with it the price, is raised only for truncated answers."""
    doublings = {reason: Failure("x", reason, "", cap_doublings=2).next_cap_doublings for reason in FailureReason}
    assert doublings.pop(FailureReason.TRUNCATED) == 3
    assert set(doublings.values()) == {2}


def test_kinds() -> None:
    """A failure is shown with its HTTP status, if it has one."""
    assert Failure("x", FailureReason.HTTP, "", status=429).kind == "http 429"
    assert Failure("x", FailureReason.REFUSED, "").kind == "refused"
