"""The reference page of the command line."""

from scripts.checks.cli_page import PAGE, page


def test_the_page_is_that_of_the_commands() -> None:
    """docs/cli.md lists exactly the commands, options and environment variables that there are."""
    assert PAGE.read_text(encoding="utf-8") == page(), "regenerate it: .venv/bin/python -m scripts.checks.cli_page"
