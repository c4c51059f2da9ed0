"""The report's files: a checkpoint and its failures are read, a page is written."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from floridify_batch.cli.status import ledger_of
from floridify_batch.components.failure import Failure
from floridify_batch.components.request import parse_custom_id
from floridify_batch.display.console import say
from floridify_batch.display.report import Example, report_of
from floridify_batch.display.report_page import FIRST_LINE, page
from floridify_batch.errors import UsageError
from floridify_batch.files import replace_file
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Ledger
from floridify_batch.words.word_list import read_normalised


def report(place: Checkpoint, target: Path | None) -> int:
    """Write the page about a run: beside its checkpoint, unless told otherwise."""
    target = target or place.path.with_name(
        place.path.name.removesuffix(".json").removesuffix(".checkpoint") + ".report.html"
    )
    write_report(ledger_of(place), place, target)
    say(f"The report is in {target}.")
    return 0


def write_report(ledger: Ledger, checkpoint: Checkpoint, target: Path) -> None:
    """Write the page about a run, for its owner's eyes; a report that is there is replaced.

    Raises `UsageError` where another file is there, or none can be written.
    """
    _only_over_a_report(target)
    report = report_of(ledger, examples(ledger, checkpoint), quote(checkpoint.path.name))
    try:
        replace_file(target, page(report).encode(errors="replace"))
    except OSError as error:
        raise UsageError(f"The report {target} cannot be written: {error.strerror}.") from None


def _only_over_a_report(target: Path) -> None:
    """A slip of the hand must not cost a word list or a checkpoint."""
    try:
        with target.open("rb") as file:
            begins = file.read(len(FIRST_LINE))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"The report {target} cannot be written: {error.strerror}.") from None
    if begins and begins != FIRST_LINE.encode():
        raise UsageError(f"{target} is there and is no report of batch-synth; name another --html.")


def examples(ledger: Ledger, checkpoint: Checkpoint) -> dict[str, Example]:
    """The first failure of each kind that the chunks' files hold, with its word."""
    found = checkpoint.failure_samples(ledger)
    words = _words(checkpoint) if found else ()
    return {kind: _example(words, place, failure) for kind, (place, failure) in found.items()}


def _example(words: Sequence[str], place: int, failure: Failure) -> Example:
    word = words[place] if place < len(words) else ""
    parts = parse_custom_id(failure.custom_id)
    return Example(word, parts.component if parts else "", failure.detail)


def _words(checkpoint: Checkpoint) -> Sequence[str]:
    try:
        return read_normalised(checkpoint.words_path)
    except (OSError, UnicodeDecodeError):  # the checkpoint was taken elsewhere without its folder
        return ()
