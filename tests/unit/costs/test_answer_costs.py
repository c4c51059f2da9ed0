"""The table of costs by shape: what lean answers save on lists of both kinds."""

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
        cost_of(name, shape, "gpt-6-luna", DEFAULT_COMPONENTS)
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
