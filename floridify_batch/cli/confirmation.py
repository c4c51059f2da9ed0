"""The confirmation before a run: estimate its cost, show it, ask."""

import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import Progress

from floridify_batch.cli.context import in_terminal
from floridify_batch.components.entry_store import EntryReader
from floridify_batch.components.model_profile import misspelling_note, model_notes, profile_of
from floridify_batch.costs.price import listed_models
from floridify_batch.costs.usage import FLEX, Spent
from floridify_batch.display.estimate_panel import Caution, estimate_panel
from floridify_batch.errors import UsageError
from floridify_batch.formatting import count
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.pipeline.estimate import Estimate
from floridify_batch.pipeline.workload import Workload
from floridify_batch.run.budget import price_note
from floridify_batch.run.run_settings import RunSettings, RunSpec
from floridify_batch.timing import utc_now
from floridify_batch.words.language import FLORIDIFY_LANGUAGES, database_language, language_name
from floridify_batch.words.word_list import WordList

if TYPE_CHECKING:
    from floridify_batch.database.connection import Place
    from floridify_batch.database.store import MongoStore


def print_estimate(
    console: Console,
    estimate: Estimate,
    settings: RunSettings,
    notes: Sequence[str],
    *,
    details: bool,
    spent: Decimal | None = None,
) -> None:
    """Print the panel of an estimate; `spent` is the run's cost so far."""
    limit, width = settings.max_cost, console.width
    console.print(estimate_panel(estimate, width=width, max_cost=limit, spent=spent, notes=notes, details=details))


async def estimate_cost(
    settings: RunSettings,
    brief: Brief,
    words: Sequence[str],
    store: EntryReader,
    console: Console,
    spent: Mapping[str, Spent] = MappingProxyType({}),
) -> Estimate:
    """Estimate requests and costs of these words, with a progress bar in a terminal.

    `spent` has the measured answer lengths of the run so far.
    """
    survey = Workload(
        brief,
        settings.language,
        settings.model,
        Limits(words=settings.batch_size, input_tokens=settings.max_queued_tokens),
        immediate=settings.immediate,
        price=settings.price,
        spent=spent,
    )
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Planning", total=len(words))
        estimate = await survey.of(words, store, lambda done, total: progress.update(task, completed=done, total=total))
    estimate.queue_limit = settings.max_queued_tokens
    estimate.flex = settings.service_tier == FLEX
    estimate.preflight = settings.preflight and not spent
    return estimate


async def capitals_note(words: Sequence[str], language: str, store: "MongoStore") -> str:
    """The note on words that the database has in lower case only: they would be bought again."""
    from floridify_batch.database.lookup import stored_words

    capitals = [word for word in words if word != word.lower()]
    lower = await stored_words(store, [word.lower() for word in capitals], language) if capitals else set()
    both = await stored_words(store, [word for word in capitals if word.lower() in lower], language) if lower else set()
    found = sum(word.lower() in lower and word not in both for word in capitals)
    if not found:
        return ""
    return (
        f"{count(found)} of {count(len(words))} words are in the database in lower case; add --lower-case to use them."
    )


def place_note(settings: RunSettings, place: "Place") -> str:
    """The note on the database of a run, and on answers that are invented: it is always shown."""
    sandbox = "Sandbox: the answers are invented. " if settings.in_sandbox else ""
    new = "" if place.exists else ", not created yet: every word counts as new"
    return Caution(f"{sandbox}Database: {place}{new}.")


def notes_on(listed: WordList, spec: RunSpec) -> list[str]:
    """Notes on a new run: the price and the model it assumes, how its list was read, and answers requested whole."""
    settings = spec.info.settings
    doubts = [
        price_note(settings),
        letters_note(settings.language, listed.words),
        language_note(settings.language),
        *listed.readings,
        case_note(listed.words),
    ]
    answers = full_answers_note(settings, spec.brief)
    return [*cautions(doubts), *notes_on_models(settings), *filter(None, [answers])]


def cautions(notes: Iterable[str | None]) -> list[str]:
    """The notes that there are, as warnings."""
    return [Caution(note) for note in notes if note]


def notes_on_models(settings: RunSettings) -> list[str]:
    """Notes on the models of a run: the components of each, and near retirements."""
    today, known = utc_now().date(), listed_models()
    by_model: dict[str, list[str]] = {}
    for component, model in settings.models.items():
        by_model.setdefault(model, []).append(component)
    return [
        *(f"{model}: {', '.join(components)}." for model, components in by_model.items()),
        *(_REASONS.format(model) for model in settings.all_models if profile_of(model).reasons),
        *cautions(chain.from_iterable(model_notes(model, today, known) for model in settings.all_models)),
    ]


def check_model_names(settings: RunSettings) -> None:
    """Refuse a model whose name seems misspelt, for a run that starts without a question. Raises `UsageError`.

    A price shows that the name is meant: a new model has none yet. The names of other services are their own.
    """
    if settings.price or settings.base_url or settings.sandbox:
        return
    known = listed_models()
    for note in filter(None, (misspelling_note(model, known) for model in settings.all_models)):
        raise UsageError(f"{note} If the name is right, pass the model's price: --price in=USD,out=USD")


_REASONS = "{} always reasons, and its reasoning is billed as output; the upper end of the cost allows for it."


def full_answers_note(settings: RunSettings, brief: Brief) -> str:
    """The note on components whose templates describe fields that --answers leaves out."""
    names = ", ".join(brief.asked_in_full(settings.answers))
    if not names:
        return ""
    return f"Full answers are requested for {names}: their templates describe fields that are not stored."


def letters_note(language: str, words: Sequence[str]) -> str:
    """The note on an English list of which many words have letters that English rarely uses: it may be another's."""
    if database_language(language) != "en":
        return ""
    unusual = [word for word in words if not word.isascii() and any(map(_is_foreign, word))]
    if len(unusual) < _FEW or len(unusual) < _MANY_OF * len(words):
        return ""
    letters = list(dict.fromkeys(each.lower() for word in unusual for each in word if _is_foreign(each)))
    shown = ", ".join(letters[:_LETTERS]) + (" …" if len(letters) > _LETTERS else "")
    return (
        f"{count(len(unusual))} of {count(len(words))} words have letters that are rare in English ({shown}); "
        "add --language if they are in another language."
    )


def _is_foreign(character: str) -> bool:
    return not character.isascii() and character.isalpha()


_FEW, _MANY_OF = 3, 0.1
"""Words with rare letters, and their share of the list, from which they are worth a note."""

_LETTERS = 6
"""The most letters that a note lists."""


def case_note(words: Sequence[str]) -> str:
    """The note on words that differ from others of the list in capitals only: each is paid for."""
    lower = {word.lower() for word in words}
    repeated = len(words) - len(lower)
    if not repeated:
        return ""
    spellings = dict[str, str]()
    example = next(word for word in words if spellings.setdefault(word.lower(), word) != word)
    differs, are = (
        ("word differs from another", "both are") if repeated == 1 else ("words differ from others", "all are")
    )
    return f"{count(repeated)} {differs} in capitals only (“{example}”); {are} kept. --lower-case merges them."


def language_note(language: str) -> str:
    """The note on a language that Floridify's models do not know."""
    if database_language(language) in FLORIDIFY_LANGUAGES:
        return ""
    return f"Floridify cannot load {language_name(language)} entries: its models know {_KNOWN} only."


_KNOWN = ", ".join(sorted(FLORIDIFY_LANGUAGES))


def confirmed(estimate: Estimate, *, yes: bool) -> bool:
    """Whether the user confirms the estimate; there is no prompt if nothing will be sent."""
    if not estimate.total_now.requests:
        return True
    return agreed("Proceed?", yes=yes, alternative=", or --dry-run for the estimate only")


def agreed(question: str, *, yes: bool, alternative: str = "") -> bool:
    """Whether the user confirms, on the terminal or by `--yes`. Raises `UsageError` outside a terminal."""
    if yes:
        return True
    if not in_terminal():
        raise UsageError(f"Not running in a terminal; pass --yes to confirm{alternative}.")
    try:
        with _default_interrupt():
            return typer.confirm(question, default=False)
    except typer.Abort:  # Ctrl-C at the question means no
        typer.echo()
        return False


@contextmanager
def _default_interrupt() -> Iterator[None]:
    """Let Ctrl-C interrupt the prompt: the event loop's handler would only note it, and the prompt would stay."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
