"""Policy for an existing checkpoint: resume it, rotate it, refuse it, or report it as finished."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from floridify_batch.cli.context import ExitCode, checkpoint_or_only, checkpoints_here, ledger_of
from floridify_batch.display.console import say
from floridify_batch.display.view import word_counts
from floridify_batch.errors import CheckpointError, UsageError
from floridify_batch.files import ChunkFolder
from floridify_batch.formatting import counted, to_type
from floridify_batch.pipeline.chunk import read_ordinals
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import COMMITTED, ChunkState, Ledger
from floridify_batch.run.run_settings import RunInfo
from floridify_batch.words.word_list import Words, digest_of, read_normalised


def is_replaced(before: Ledger, info: RunInfo, checkpoint: Checkpoint) -> bool:
    """Whether a new run replaces the one of a checkpoint: a finished or undone one, or one of which nothing was sent.

    Raises `CheckpointError` where an unfinished run has other settings.
    """
    differences = before.run.differences(info)
    if not before.finished:
        differences += before.run.settings.unset_options(info.settings)
    if differences and not before.finished:
        if before.nothing_sent:
            return True
        raise CheckpointError(
            f"{checkpoint.path} belongs to an unfinished run with {' and '.join(differences)}. Pass another "
            "--checkpoint for this one, or finish that run first (with --model NAME, if it needs another model): "
            f"{to_type('resume', checkpoint.path)}"
        )
    now, then = info.settings, before.run.settings
    elsewhere = (now.database, now.mongo_url) != (then.database, then.mongo_url)
    return before.finished and (bool(differences) or now.force or now.stale or elsewhere or before.undone)


def refuse_to_pay_twice(checkpoint: Checkpoint) -> None:
    """Raise `CheckpointError` where the checkpoint is missing and its previous copy has batches that are not stored."""
    if checkpoint.path.exists():
        return
    try:
        before = Checkpoint(checkpoint.previous_path).load()
    except CheckpointError:
        return  # an unreadable copy cannot be resumed either
    batches = list(before.in_state(*COMMITTED)) if before else []
    if batches:
        raise CheckpointError(
            f"{checkpoint.path} is missing, but its previous version {checkpoint.previous_path} has "
            f"{counted(len(batches), 'batch', 'batches')} whose results are not stored. Delete it, too, if you "
            f"want to pay for them again; otherwise, copy it to {checkpoint.path} and resume: "
            f"{to_type('resume', checkpoint.path)}"
        )


def kept_words(ledger: Ledger, checkpoint: Checkpoint) -> Words:
    """The run's own copy of its word list. Raises `CheckpointError` where it is missing or has changed."""
    try:
        words = read_normalised(checkpoint.words_path)
    except (OSError, UnicodeDecodeError):
        raise CheckpointError(
            f"The run's copy of its word list, {checkpoint.words_path}, cannot be read; "
            f"restore the folder {checkpoint.folder}, which belongs to the checkpoint."
        ) from None
    if digest_of(words) != ledger.run.list_digest:
        raise CheckpointError(f"{checkpoint.words_path} is not the word list that {checkpoint.path} was started with.")
    return words


def words_of_run(path: Path | None) -> Words:
    """The words of the run of a checkpoint, or of the only one here. Raises `UsageError` where there is none."""
    if path is None and not checkpoints_here():
        raise UsageError("No checkpoint in this folder; pass the words, or --all.")
    checkpoint = checkpoint_or_only(path)
    return kept_words(ledger_of(checkpoint), checkpoint)


def remaining_words(ledger: Ledger, checkpoint: Checkpoint) -> Iterator[str]:
    """The words that are neither finished nor in flight; those that the service refused altogether remain."""
    words = kept_words(ledger, checkpoint)
    finished = ledger.missing.keys() | set(ledger.processed_words)
    in_flight = {
        ordinal
        for record in ledger.in_state(*COMMITTED)
        if record.refused is None or not ledger.is_outdated(record)
        for ordinal in read_ordinals(ChunkFolder.of(checkpoint.folder, record.number), record.words)
    }
    return (word for ordinal, word in enumerate(words) if word not in finished and ordinal not in in_flight)


def report_finished(ledger: Ledger, checkpoint: Checkpoint) -> ExitCode:
    """Say that a finished run has nothing to do, with the ways to go further; the exit code."""
    words = word_counts(ledger.totals())
    if ledger.undone:
        say(f"Nothing to resume. {undone_note(ledger, checkpoint)}")
        return ExitCode.SUCCESS
    say(f"Nothing to do: {checkpoint.path} is finished, {words}.")
    if ledger.missing:
        say(f"- Retry failed and incomplete words: {to_type('resume', checkpoint.path)} --retry-failed")
    say("- Request values that are missing now: run with another --checkpoint.")
    say("- Regenerate everything: run with --force.")
    return ExitCode.SOME_FAILED if ledger.missing else ExitCode.SUCCESS


def undone_note(ledger: Ledger, checkpoint: Checkpoint) -> str:
    """The note that a run was undone, and at its end the command that begins a new one."""
    removed = f"The values that the run {ledger.run.id} stored were removed by undo."
    if not ledger.finished:
        return removed
    listed = ledger.run.settings.words_file
    command = f"run {quote(listed) if Path(listed).is_file() else 'LIST'}"
    if ledger.run.settings.sandbox:
        command += " --sandbox"
    return f"{removed} Begin a new run with: {to_type(command, checkpoint.path)}"


def check_given_up(ledger: Ledger, batch_ids: Sequence[str]) -> None:
    """Check that batches to be given up are in flight. Raises `UsageError`."""
    in_flight = [record.batch_id for record in ledger.in_state(ChunkState.SUBMITTED, ChunkState.ANSWERED)]
    unknown = [each for each in batch_ids if each not in in_flight]
    if unknown:
        known = f"batches in flight: {', '.join(filter(None, in_flight))}" if in_flight else "no batch is in flight"
        raise UsageError(f"--give-up {unknown[0]}: the run has no such batch in flight; {known}.")
