"""The Jinja environment of templates: sandboxed, with limits on loops, numbers and text, and the filter `data`.

A folder of templates may come from elsewhere, and a mistake in it must not hang a run. Prompts are plain text, not
markup: escaping `<` in a definition would change the request.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_STEPS = 100_000
"""The most loop iterations of one rendering."""

MAX_LENGTH = 1_000_000
"""The most characters of a prompt or of a text in it, and the largest number."""

_MAX_EXPONENT = 64
_WIDTHS = re.compile(r"[%:][^\s\d]{0,3}\d{6,}")
_DELIMITERS = re.compile("<{2,}|>{2,}")


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """An environment that counts the iterations of all loops, and bounds the results of operators."""

    intercepted_binops = frozenset("+*%") | {"**"}

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
        self.filters |= {
            "data": delimited,
            _COUNTED: self._counted,
            "center": _bounded_center,
            "format": _bounded_format,
        }
        self._steps = 0

    def rendered(self, template: Template, variables: Mapping[str, Any], *, own: bool) -> str:
        """Render a template, within the limits unless it is our own. Raises `SecurityError` beyond them."""
        self._steps, length, parts = 0, 0, []
        if own:  # in two thirds of the time
            return template.render(variables)
        for part in template.generate(variables):
            length += len(part)
            if length > MAX_LENGTH:
                raise SecurityError(f"the prompt has more than {MAX_LENGTH:,} characters")
            parts.append(part)
        return "".join(parts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator to bounded operands."""
        if operator == "*" and (isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple)):
            size, times = (len(right), left) if isinstance(left, int) else (len(left), right)
            _check(size * times)
        if operator == "**":
            _check(abs(left) ** min(abs(right), _MAX_EXPONENT))
        if operator == "%" and isinstance(left, str):
            _check_widths(left)
        return _checked(super().call_binop(context, operator, left, right))

    def _generate(self, source: nodes.Template, *arguments: Any, **more: Any) -> str:
        for loop in list(source.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
        for constant in source.find_all(nodes.Const):
            try:
                _checked(constant.value)
                if isinstance(constant.value, str):
                    _check_widths(constant.value)
            except SecurityError as error:
                raise TemplateSyntaxError(str(error), constant.lineno) from None
        return super()._generate(source, *arguments, **more)

    def _counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise SecurityError(f"more than {MAX_STEPS:,} loop iterations")
            yield item


_COUNTED = "counted_items"


def delimited(text: object) -> str:
    """The filter `data`: a text between << and >>, which it cannot close itself."""
    data = str(text)
    if "<<" in data or ">>" in data:
        data = _DELIMITERS.sub("", data)
    return f"<<{data}>>"


def _checked(value: Any) -> Any:
    size = len(value) if isinstance(value, str | list | tuple) else value if isinstance(value, int) else 0
    _check(abs(size))
    return value


def _check(size: float) -> None:
    if size > MAX_LENGTH:
        raise SecurityError(f"a number or a text is larger than {MAX_LENGTH:,}")


def _check_widths(text: str) -> None:
    if _WIDTHS.search(text):
        raise SecurityError(f"a field is wider than {MAX_LENGTH:,} characters")


def _bounded_center(value: str, width: int = 80) -> str:
    return str(value).center(_checked(width))


def _bounded_format(value: str, *arguments: Any, **more: Any) -> str:
    _check_widths(str(value))
    return str(str(value) % (more or arguments))
