"""The `components` command: the components that can be generated."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from floridify_batch.components.recipe import Recipe

_WIDE = 100
"""Columns from which there is room for the database field."""


def components() -> None:
    """List the components that can be generated."""
    from rich.console import Console

    from floridify_batch.components.recipe import Scope
    from floridify_batch.components.registry import DEFAULT_COMPONENTS, RECIPES, SynthesisComponent
    from floridify_batch.display.text import listing
    from floridify_batch.pipeline.estimate import PROMPT_TOKENS_EXPECTED
    from floridify_batch.pipeline.plan import brief
    from floridify_batch.providers.interface import DEFAULT_MODEL

    console = Console()
    requested = brief(RECIPES, model=DEFAULT_MODEL, language_name="English").by_component()
    # Everything needs definitions, and what needs a definition's text needs its clusters, too.
    implied = {SynthesisComponent.DEFINITIONS, SynthesisComponent.CLUSTER_DEFINITIONS}
    narrow = console.width < _WIDE
    heads = ("component", "scope", "needs", *(() if narrow else ("stored in",)), "input", "output")
    table = listing(*heads, right=("input", "output"))
    for name, question in requested.items():
        recipe = question.recipe
        needs = ", ".join(need for need in recipe.needs if need not in implied) or "-"
        field = f"{'definition' if recipe.scope is Scope.DEFINITION else 'entry'}: {_field(recipe)}"
        tokens = str(question.envelope.fixed_tokens + PROMPT_TOKENS_EXPECTED)
        table.add_row(name, recipe.scope, needs, *(() if narrow else (field,)), tokens, str(recipe.output_tokens))
    console.print(table)
    console.print(f"input, output: typical tokens of a request. default: {', '.join(DEFAULT_COMPONENTS)}")


def _field(recipe: "Recipe[Any, Any]") -> str:
    """The database field; that of clusters is in the definitions that they group."""
    from floridify_batch.components.registry import SynthesisComponent

    return "meaning_cluster" if recipe.component == SynthesisComponent.CLUSTER_DEFINITIONS else recipe.field
