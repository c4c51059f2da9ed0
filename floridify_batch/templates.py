"""Prompt templates: Jinja2 Markdown files, split at a line `---` into instructions and the part about one definition.

The instructions see only what is the same for a whole run (`language`, `count`), so they are rendered once, and a
prompt cache can hold them. A variable that a template names and nobody gives is an error, never an empty string.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from floridify_batch.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2 import Template as JinjaTemplate

_SEPARATOR = re.compile(r"^---[ \t]*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Template:
    """A component's template, with what is constant in a run filled in. `fingerprint` changes when its text does."""

    component: str
    instructions: str
    prompt: "JinjaTemplate"
    fingerprint: str

    def render(self, variables: Mapping[str, Any]) -> str:
        """The prompt about one definition or word. Raises `UsageError` where the template asks for more."""
        from jinja2 import TemplateError

        try:
            return self.prompt.render(variables).strip()
        except TemplateError as error:
            raise UsageError(f"The template of {self.component} cannot be filled in: {error}.") from error


def load_template(component: str, constants: Mapping[str, Any]) -> Template:
    """Our own template of a component, for one run's language and counts."""
    source = files(__package__).joinpath("prompts", f"{component}.md").read_text(encoding="utf-8")
    instructions, prompt = _SEPARATOR.split(source, maxsplit=1)
    environment = _environment()
    rendered = environment.from_string(instructions, dict(constants)).render().strip()
    compiled = environment.from_string(prompt, dict(constants))
    fingerprint = blake2b(f"{rendered}\0{prompt}".encode(), digest_size=8).hexdigest()
    return Template(component, rendered, compiled, fingerprint)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined

    # Prompts are plain text, not markup: escaping `<` in a definition would change what is asked.
    return Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701
