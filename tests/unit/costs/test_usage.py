"""The usage in the body of an answer, in the forms of different services."""

from typing import Any

import pytest

from floridify_batch.costs.usage import Usage, usage_of


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 300, "completion_tokens": 50}, Usage(300, 0, 50)),
        ({"prompt_tokens": "300", "completion_tokens": "50"}, Usage(300, 0, 50)),
        ({"input_tokens": 300, "output_tokens": 50}, Usage(300, 0, 50)),
        (
            {"input_tokens": 300, "output_tokens": 50, "input_tokens_details": {"cached_tokens": "20"}},
            Usage(300, 20, 50),
        ),
        ({"prompt_tokens": "9" * 5000, "completion_tokens": 1}, None),
        ({"prompt_tokens": "-3", "completion_tokens": "1"}, None),
        ({"prompt_tokens": 300}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ("300", None),
    ],
)
def test_forms_of_usage(usage: Any, tokens: Usage | None) -> None:
    """Tokens are counted by either endpoint's names, as numbers or texts; anything else is unknown, never zero."""
    assert usage_of({"usage": usage}) == tokens
