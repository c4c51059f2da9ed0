"""Preconditions of answers."""

from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.pipeline.precondition import Precondition, older_prompt
from floridify_batch.words.entry import Definition, Entry, Word, clusters_of, derived_id

RIVER = Definition(derived_id("river"), "noun", "the land beside a river", providers=["own"])
MONEY = Definition(derived_id("money"), "noun", "a house for money", providers=["other"])
BANK = Entry(Word(derived_id("bank"), "bank", "en"), (RIVER, MONEY), sources=(RIVER, MONEY))


def test_prompts_of_version_0_1() -> None:
    """Answers in flight since version 0.1 are recognised by the digests of its prompts."""
    assert older_prompt(RECIPES[SynthesisComponent.CLUSTER_DEFINITIONS], BANK, BANK) == (
        "Word: bank\n1. (own, noun) the land beside a river\n2. (other, noun) a house for money"
    )
    cluster = clusters_of(BANK)[0]
    assert older_prompt(RECIPES[SynthesisComponent.DEFINITION_TEXT], BANK, cluster) == (
        "Word: bank\n- (own, noun) the land beside a river"
    )


def test_other_senses_are_no_part_of_a_precondition() -> None:
    """An answer about a sense stays valid if another sense changes, although its prompt contains that."""
    recipe = RECIPES[SynthesisComponent.DOMAIN]
    alone = Entry(BANK.word, (RIVER,))
    assert Precondition.of(recipe, BANK, RIVER) == Precondition.of(recipe, alone, RIVER)
    assert recipe.given(BANK, RIVER) != recipe.given(alone, RIVER)
