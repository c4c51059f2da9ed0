"""How a checkpoint stands to what is asked now: gone on with, put aside, refused, or finished with nothing to do."""

from floridify_batch.display.console import say
from floridify_batch.errors import CheckpointError
from floridify_batch.formatting import counted, to_type
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import COMMITTED, Ledger
from floridify_batch.run.settings import RunInfo
from floridify_batch.words.word_list import Words, digest_of, read_normalised

PROCESSED, SOME_FAILED = 0, 1


def begins_anew(before: Ledger, info: RunInfo, checkpoint: Checkpoint) -> bool:
    """Whether a finished run gives way to a new one. Raises `CheckpointError` where an unfinished one is another."""
    differences = before.run.differences(info)
    if not before.finished:
        differences += before.run.settings.begun_without(info.settings)
    if not before.finished and differences:
        raise CheckpointError(
            f"{checkpoint.path} belongs to an unfinished run with {' and '.join(differences)}. Finish that run, or "
            f"name another --checkpoint for this one. To finish it: {to_type('resume', checkpoint.path)}"
        )
    now, then = info.settings, before.run.settings
    elsewhere = (now.database, now.mongo_url) != (then.database, then.mongo_url)
    return before.finished and (bool(differences) or now.force or now.stale or elsewhere)


def refuse_to_pay_again(checkpoint: Checkpoint) -> None:
    """Raises `CheckpointError` where the checkpoint is gone and its previous copy knows of batches not yet stored."""
    if checkpoint.path.exists():
        return
    try:
        before = Checkpoint(checkpoint.previous_path).load()
    except CheckpointError:
        return  # what cannot be read cannot be gone on with, either
    batches = list(before.in_state(*COMMITTED)) if before else []
    if batches:
        raise CheckpointError(
            f"{checkpoint.path} is gone, but its previous state {checkpoint.previous_path} knows of "
            f"{counted(len(batches), 'batch', 'batches')} whose answers are not stored. Delete it, too, to pay for "
            f"them again; or copy it to {checkpoint.path}, then resume: {to_type('resume', checkpoint.path)}"
        )


def kept_words(ledger: Ledger, checkpoint: Checkpoint) -> Words:
    try:
        words = read_normalised(checkpoint.words_path)
    except (OSError, UnicodeDecodeError):
        raise CheckpointError(
            f"The run's copy of its word list, {checkpoint.words_path}, cannot be read; "
            f"restore the folder {checkpoint.folder}, which belongs to the checkpoint."
        ) from None
    if digest_of(words) != ledger.run.list_digest:
        raise CheckpointError(f"{checkpoint.words_path} is not the list that {checkpoint.path} was begun with.")
    return words


def say_finished(ledger: Ledger, checkpoint: Checkpoint) -> int:
    failed = len(ledger.failed_words)
    say(
        f"Nothing to do: {checkpoint.path} is finished, with {len(ledger.processed_words):,} words processed and "
        f"{failed:,} failed. resume --retry-failed gives failed words another chance; another --checkpoint asks for "
        "what is missing, and run --force for everything again."
    )
    return SOME_FAILED if failed else PROCESSED
