"""Prompt templates: Jinja2 Markdown files, ours or the user's.

Ours are split at a line `---` into instructions and the part about one definition. The instructions have only the
variables that are constant in a run (`language`, `count`), so they are rendered once, and a prompt cache can hold them.
A user's template is one message, rendered whole. An unknown variable is an error before anything is planned, never an
empty string.
"""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from floridify_batch.components.recipe import Recipe
from floridify_batch.components.registry import RECIPES
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.errors import UsageError

if TYPE_CHECKING:
    from types import CodeType

    from jinja2 import Template as JinjaTemplate

    from floridify_batch.components.template_environment import TemplateEnvironment

_SEPARATOR = re.compile(r"^---[ \t]*\n", re.MULTILINE)
_TAGS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)

_COMMON_WORDS = frozenset({"word", "language", "definitions", "regions", "part_of_speech"})
"""Names of fields that a prompt may have as words of the language; they name the field only between quotes."""


@cache
def environment() -> "TemplateEnvironment":
    """The environment of templates, imported with its first use."""
    from floridify_batch.components.template_environment import TemplateEnvironment

    return TemplateEnvironment()


@dataclass(frozen=True, slots=True)
class Template:
    """A component's template with the constants of a run filled in. `fingerprint` is a digest of its text."""

    name: str
    instructions: str
    prompt: "JinjaTemplate"
    fingerprint: str
    own: bool = False
    text: str = ""
    """The text of a user's template, without its expressions and statements."""
    first_number: int = 1
    """The number of the first definition, in a prompt whose answer names definitions by their numbers."""

    def render(self, variables: Mapping[str, Any]) -> str:
        """The prompt about one target. Raises `UsageError` where rendering fails."""
        try:
            return environment().rendered(self.prompt, variables, own=self.own).strip()
        except Exception as error:  # a template is the user's code: it may divide by zero, or include a file
            raise UsageError(
                f"{self.name}, line {_line_of(error)}: the template cannot be rendered: {error}."
            ) from error


def names_field(text: str, fields: Iterable[str]) -> bool:
    """Whether a user's template describes one of these fields of an answer."""
    return any(
        re.search(rf"[`\"'*]{name}[`\"'*]" if name in _COMMON_WORDS else rf"\b{name}\b", text) for name in fields
    )


def load_template(
    recipe: Recipe[Any, Any],
    constants: Mapping[str, Any],
    folder: Path | None = None,
    shape: AnswerShape = AnswerShape.FULL,
) -> Template:
    """A component's template for one run: from the user's folder where there is one, else ours.

    The instructions of ours describe the answer in the shape that is requested. The fingerprint is that of the whole
    answer, whatever the shape: another shape makes no stored answer stale.

    `constants` are variables with one value for the whole run. Raises `UsageError` for a file that is missing, does
    not parse, names an unknown variable, cannot render a sample, or does not number definitions that answers name.
    """
    path = None if folder is None or _is_left_to_us(folder, recipe) else _user_file(folder, recipe)
    source = _own_source(recipe.component) if path is None else _read(path)
    name = f"{recipe.component}.md" if path is None else str(path)
    given = frozenset(recipe.given_names())
    instructions, prompt = ("", source) if path is not None else _SEPARATOR.split(source, maxsplit=1)
    _check(instructions, name, constants.keys() | {"answers"})
    _check(prompt, name, constants.keys() | given)
    filled = _filled(instructions, constants)
    whole, rendered = (filled.render(answers=each).strip() for each in (AnswerShape.FULL, shape))
    compiled = _filled(prompt, constants)
    # Every rendering copies the globals, and a plain dictionary is copied in a third of the time of Jinja's own.
    compiled.globals = dict(compiled.globals)
    # Not the language of glosses where it is that of the words: a user's templates of before keep their fingerprints.
    own = constants.get("gloss_language") == constants.get("language")
    fixed = "\0".join(f"{key}={constants[key]}" for key in sorted(constants) if not (own and key == "gloss_language"))
    fingerprint = blake2b(f"{whole}\0{prompt}\0{fixed}".encode(), digest_size=8).hexdigest()
    if path is None:
        return Template(name, rendered, compiled, fingerprint, own=True)
    template = Template(name, rendered, compiled, fingerprint, text=_TAGS.sub(" ", source))
    for values in recipe.samples():
        template.render(values)
    return replace(template, first_number=_first_number(template, recipe)) if recipe.numbered else template


def _first_number(template: Template, recipe: Recipe[Any, Any]) -> int:
    """The number that a template gives to the first definition, read from a sample. Raises `UsageError`."""
    texts = [f"sample definition {letter}" for letter in "abcdefghijkl"]
    lines = template.render(recipe.numbering_sample(texts)).splitlines()
    numbers = [{int(each) for line in lines if text in line for each in _NUMBER.findall(line)} for text in texts]
    possible = [first for first in (0, 1) if all(first + position in found for position, found in enumerate(numbers))]
    if len(possible) != 1:
        raise UsageError(
            f"{template.name}: answers refer to definitions by number, but a rendered sample has no recognisable "
            "numbers. Put one number, such as {{ loop.index }}, on the line of each definition's text."
        )
    return possible[0]


_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?!\w)")


def components_in(folder: Path) -> list[str]:
    """The components that a folder has a template for. Raises `UsageError` where there is no folder."""
    if not folder.is_dir():
        raise UsageError(f"Folder not found: {folder}. Pass a folder of templates to --templates.")
    return [recipe.component for recipe in RECIPES.values() if any(map(Path.is_file, _places(folder, recipe)))]


def _places(folder: Path, recipe: Recipe[Any, Any]) -> list[Path]:
    names = (f"{recipe.component}.md", recipe.floridify_template)
    return [folder / name for name in names if name]


def _is_left_to_us(folder: Path, recipe: Recipe[Any, Any]) -> bool:
    """Whether our own template is used although the user has a folder."""
    return recipe.on_request and folder.is_dir() and not any(map(Path.is_file, _places(folder, recipe)))


def _own_source(component: str) -> str:
    return files(__package__).joinpath("prompts", f"{component}.md").read_text(encoding="utf-8")


def _user_file(folder: Path, recipe: Recipe[Any, Any]) -> Path:
    """A component's file in the user's folder, under our name or Floridify's."""
    if not folder.is_dir():
        raise UsageError(f"Folder not found: {folder}. Pass a folder of templates to --templates.")
    places = _places(folder, recipe)
    for path in places:
        if path.is_file():
            return path
    names = " and ".join(str(path.relative_to(folder)) for path in places)
    raise UsageError(
        f"No template for {recipe.component} in {folder} (looked for {names}). Add one, or leave the component out."
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The template {path} cannot be read: {error}.") from None


def _check(source: str, name: str, known: Set[str]) -> None:
    """Check the syntax and the variables. Raises `UsageError` with the file and the line."""
    from jinja2 import TemplateSyntaxError

    try:
        _, variables = _compiled(source)
    except TemplateSyntaxError as error:
        raise UsageError(f"{name}, line {error.lineno}: {error.message}") from None
    for variable in sorted(variables - known):
        line = next(
            (number for number, text in enumerate(source.splitlines(), 1) if re.search(rf"\b{variable}\b", text)), 1
        )
        raise UsageError(
            f"{name}, line {line}: unknown variable {variable!r} for this component; it has {', '.join(sorted(known))}."
        )


@cache
def _compiled(source: str) -> "tuple[CodeType, set[str]]":
    """The code of a template and the names of its variables; compilation takes most of the time of loading it."""
    from jinja2.meta import find_undeclared_variables

    parsed = environment().parse(source)
    return environment().compile(parsed), find_undeclared_variables(parsed)


def _filled(source: str, constants: Mapping[str, Any]) -> "JinjaTemplate":
    """A template with the constants of a run as its globals."""
    code, _ = _compiled(source)
    return environment().template_class.from_code(environment(), code, environment().make_globals(dict(constants)))


def _line_of(error: Exception) -> int:
    """The line of a template at which rendering failed."""
    lines, trace = [1], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1]
