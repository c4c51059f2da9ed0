"""Notes of the estimate."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from floridify_batch.cli.confirmation import case_note, check_model_names, full_answers_note, letters_note, place_note
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.costs.price import price_named
from floridify_batch.database.connection import Place
from floridify_batch.display.estimate_panel import estimate_panel
from floridify_batch.errors import UsageError
from floridify_batch.pipeline.estimate import Estimate
from floridify_batch.run.run_settings import brief_of
from tests.ledgers import run_settings

GERMAN = ["Bär", "Brücke", "Öl", "Haus", "Straße"]


@pytest.mark.parametrize(
    ("language", "words", "noted"),
    [
        pytest.param("en", GERMAN, True, id="German words"),
        pytest.param("en-GB", ["мост", "река", "дом"], True, id="another script"),
        pytest.param("de", GERMAN, False, id="their own language"),
        pytest.param("en", ["café", "naïve", "façade", *("bank",) * 40], False, id="loanwords"),
        pytest.param(
            "en",
            [f"{each}\N{RIGHT SINGLE QUOTATION MARK}s" for each in ("cat", "dog", "bee")],
            False,
            id="typographic apostrophes",
        ),
    ],
)
def test_words_of_another_language_in_an_english_list(language: str, words: list[str], noted: bool) -> None:
    """A list that counts as English, and of which many words have rare letters, has a note that names --language."""
    note = letters_note(language, words)
    assert ("--language" in note, bool(note)) == (noted, noted)


def test_all_rare_letters_are_listed() -> None:
    """The note on rare letters lists those of all words, up to six, and then an ellipsis."""
    assert "(ä, ü, ö, ß)" in letters_note("en", GERMAN)
    assert "(à, â, ç, é, è, ê …)" in letters_note("en", ["àâ", "çé", "è", "êî"])


def test_words_that_differ_in_capitals() -> None:
    """Words of a list that differ in capitals only are counted in a note that names an example and --lower-case."""
    assert case_note(["give up", "bank"]) == ""
    note = case_note(["give up", "Give up", "Polish"])
    assert note == "1 word differs from another in capitals only (“Give up”); both are kept. --lower-case merges them."
    assert "2 words differ" in case_note(["a", "A", "b", "B"])


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        pytest.param({"model": "gpt-4o-mni"}, "Did you mean gpt-4o-mini", id="misspelt"),
        pytest.param({"models": {"synonyms": "gpt5.4-nano"}}, "Did you mean gpt-5.4-nano", id="of a component"),
        pytest.param({"model": "gpt-4o-mni", "price": price_named("in=1,out=2")}, None, id="with a price"),
        pytest.param({"model": "gpt-4o-mni", "base_url": "http://gateway/v1"}, None, id="another service"),
        pytest.param({"model": "gpt-4o-mni", "sandbox": True}, None, id="invented answers"),
        pytest.param({"model": "gpt-9-nova"}, None, id="new"),
        pytest.param({"model": "ft:gpt-4o-mini-2024-07-18:mine::x1"}, None, id="fine-tuned"),
    ],
)
def test_a_misspelt_model_without_a_question(changes: dict[str, Any], refused: str | None) -> None:
    """A run that asks no question refuses a model that is close to a known one, unless its price is given."""
    settings = run_settings(**{"base_url": None} | changes)
    if refused is None:
        check_model_names(settings)
        return
    with pytest.raises(UsageError, match=refused):
        check_model_names(settings)


@pytest.mark.parametrize("height", [10, 24])
def test_the_database_is_always_shown(tmp_path: Path, height: int) -> None:
    """An estimate names the database, and the sandbox's invented answers, on the smallest screens, too."""
    place = Place(None, "floridify_sandbox", tmp_path)
    note = place_note(run_settings(sandbox=True, database="floridify_sandbox"), place)
    assert note == (
        "Sandbox: the answers are invented. Database: floridify_sandbox in "
        f"{place.data_folder}, not created yet: every word counts as new."
    )
    assert place_note(run_settings(), Place("mongodb://me:secret@host/", "dict")) == "Database: dict at host."
    out = StringIO()
    console = Console(width=60, height=height, file=out, force_terminal=True, color_system=None)
    others = [f"Another note {number}." for number in range(40)]
    console.print(estimate_panel(Estimate("gpt-6-luna"), width=60, notes=[*others, note]))
    assert "Sandbox: the answers are invented." in out.getvalue()
    assert "more notes: add --details" in out.getvalue()


@pytest.mark.parametrize(("text", "noted"), [("Give `relevance` from 0 to 1.", True), ("Be brief.", False)])
def test_full_answers_of_a_template(tmp_path: Path, text: str, noted: bool) -> None:
    """The estimate names the components that are requested whole, since their own templates describe more fields."""
    (tmp_path / "definitions.md").write_text("{{ word }}", encoding="utf-8")
    (tmp_path / "synonyms.md").write_text(f"{text} {{{{ word }}}} {{{{ language }}}}", encoding="utf-8")
    settings = run_settings(
        components=(SynthesisComponent.SYNONYMS,), answers=AnswerShape.STORED, templates=str(tmp_path)
    )
    note = full_answers_note(settings, brief_of(settings, "run"))
    assert (note.startswith("Full answers are requested for synonyms: "), bool(note)) == (noted, noted)
