"""The `components` command: the components that can be generated."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from floridify_batch.components.recipe import Recipe

_WIDE = 140
"""Columns from which there is room for needs and database field."""


def components() -> None:
    """List the components that can be generated."""
    from rich.console import Console

    from floridify_batch.components.registry import DEFAULT_COMPONENTS, RECIPES
    from floridify_batch.display.text import listing, wrapped
    from floridify_batch.pipeline.brief import brief
    from floridify_batch.pipeline.estimate import PROMPT_TOKENS_EXPECTED
    from floridify_batch.providers.interface import DEFAULT_MODEL

    console = Console()
    requested = brief(RECIPES, model=DEFAULT_MODEL, language_name="English").by_component()
    wide = console.width >= _WIDE
    heads = ("component", "content", *(("needs", "stored in") if wide else ()), "input", "output")
    table = wrapped(listing(*heads, right=("input", "output"), wide="content"), 1)
    for name, question in requested.items():
        recipe = question.recipe
        more = (_needs(recipe), _field(recipe)) if wide else ()
        tokens = str(question.envelope.fixed_tokens + PROMPT_TOKENS_EXPECTED + recipe.quoted_tokens)
        table.add_row(name, _content(recipe), *more, tokens, str(recipe.output_tokens))
    console.print(table)
    console.print(f"input, output: typical tokens of a request. default: {', '.join(DEFAULT_COMPONENTS)}")


def _content(recipe: "Recipe[Any, Any]") -> str:
    """Return the description of a component, from the first line of its module."""
    module = sys.modules[recipe.answer.__module__]
    line = (module.__doc__ or "").partition("\n")[0]
    return line.partition("`: ")[2].rstrip(".")


def _needs(recipe: "Recipe[Any, Any]") -> str:
    """The components whose output a prompt contains. Everything needs definitions, and texts need their clusters."""
    from floridify_batch.components.registry import SynthesisComponent

    implied = (SynthesisComponent.DEFINITIONS, SynthesisComponent.CLUSTER_DEFINITIONS)
    return ", ".join(need for need in recipe.needs if need not in implied) or "-"


def _field(recipe: "Recipe[Any, Any]") -> str:
    """The database field; that of clusters is in the definitions that they group."""
    from floridify_batch.components.recipe import Scope
    from floridify_batch.components.registry import SynthesisComponent

    clusters = recipe.component == SynthesisComponent.CLUSTER_DEFINITIONS
    document = "definition" if recipe.scope is Scope.DEFINITION else "entry"
    return f"{document}: {'meaning_cluster' if clusters else recipe.field}"
