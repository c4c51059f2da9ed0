"""The table of costs: what lean answers and packs save on lists of both kinds."""

import re
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from floridify_batch.components.registry import DEFAULT_COMPONENTS
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.providers.interface import DEFAULT_MODEL
from scripts.benchmarks import answer_costs
from scripts.benchmarks.answer_costs import LISTS

README = Path(__file__).parents[3] / "README.md"
cost_of = cache(answer_costs.cost_of)


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


def test_costs_in_readme() -> None:
    """The default model in the README is current, and so, to a tenth, are its costs of 1,000 words."""
    stated = re.search(
        r"\(`([\w.-]+)`; `--model .*?cost about \$([\d.]+) .*? to \$([\d.]+) ", README.read_text(), re.DOTALL
    )
    assert stated is not None
    assert stated[1] == DEFAULT_MODEL
    for name, dollars in (("a whole dictionary", stated[2]), ("many senses", stated[3])):
        cost = cost_of(name, AnswerShape.STORED, 1, DEFAULT_MODEL, DEFAULT_COMPONENTS).batch
        assert cost is not None
        assert abs(cost / Decimal(dollars) - 1) < Decimal("0.1")
