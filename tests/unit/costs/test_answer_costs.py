"""The table of costs: what lean answers and packs save on lists of both kinds."""

from decimal import Decimal
from itertools import pairwise

import pytest

from floridify_batch.components.registry import DEFAULT_COMPONENTS
from floridify_batch.costs.answer_length import AnswerShape
from scripts.benchmarks.answer_costs import LISTS, cost_of


@pytest.mark.parametrize("name", LISTS)
def test_lean_answers_save(name: str) -> None:
    """In batches, stored answers cost about a third of full ones at once, and bare ones about a quarter."""
    full, stored, bare = (
        cost_of(name, shape, 1, "gpt-6-luna", DEFAULT_COMPONENTS)
        for shape in (AnswerShape.FULL, AnswerShape.STORED, AnswerShape.BARE)
    )
    assert full.requests == stored.requests == bare.requests
    for dearer, cheaper in pairwise((full, stored, bare)):
        assert cheaper.input < dearer.input
        assert cheaper.output < dearer.output
    assert full.immediate is not None
    assert stored.batch is not None
    assert bare.batch is not None
    assert stored.batch < full.immediate * Decimal("0.34")
    assert bare.batch < full.immediate * Decimal("0.28")


@pytest.mark.parametrize("name", LISTS)
def test_packs_save(name: str) -> None:
    """In batches and packs of six, stored answers cost at most a quarter of full ones at once, one by one, and bare
    ones a fifth.
    """
    most = cost_of(name, AnswerShape.FULL, 1, "gpt-6-luna", DEFAULT_COMPONENTS).immediate
    stored, bare = (
        cost_of(name, shape, 6, "gpt-6-luna", DEFAULT_COMPONENTS).batch
        for shape in (AnswerShape.STORED, AnswerShape.BARE)
    )
    assert most is not None
    assert stored is not None
    assert bare is not None
    assert stored <= most * Decimal("0.25")
    assert bare <= most * Decimal("0.20")
