"""Refusal of a request's form: the service refuses every request of a batch alike, and would refuse those of the next.

The cause is a model that was withdrawn or misspelt, or a parameter or a schema that it does not support. No further
batch is submitted. A few equal refusals may be due to their words; these requests fail, and the run continues.
"""

from floridify_batch.components.failure import FailureReason
from floridify_batch.errors import FormRefused
from floridify_batch.formatting import counted
from floridify_batch.pipeline.change_derivation import Tally
from floridify_batch.retry import is_transient
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger

_CLIENT_ERRORS = range(400, 500)

_FORM_CODES = ("model_not_found", "unsupported_", "unknown_parameter")
"""Beginnings of the error codes with which the service rejects a whole batch for the form of its requests."""

_FEWEST_WORDS, _FEWEST_WORDS_IN_DOUBT = 2, 10
"""The words of a chunk that must be refused alike: in doubt where the run has answers already, or reasons differ."""


def refusal_of(ledger: Ledger, record: ChunkRecord, tally: Tally) -> str | None:
    """Return the service's reason if it refused every request of a chunk for its form; else None."""
    if record.state is not ChunkState.ANSWERED or len(tally.failures) != 1 or tally.failures.total() != record.requests:
        return None
    first = tally.samples[0]
    if first.reason is FailureReason.HTTP:
        is_form = first.status in _CLIENT_ERRORS and not is_transient(first.status)
    else:
        is_form = first.reason is FailureReason.REJECTED and first.detail.startswith(_FORM_CODES)
    if not is_form or record.words < _fewest(ledger, record, tally):
        return None
    return f"HTTP {first.status}: {first.detail}" if first.status else first.detail


def _fewest(ledger: Ledger, record: ChunkRecord, tally: Tally) -> int:
    """Return how many words a chunk needs at least for its refusal to be about the form of its requests."""
    if ledger.is_outdated(record):
        return 1
    alike = len({failure.detail for failure in tally.samples}) == 1
    answered = any(each.answered and not ledger.is_outdated(each) for each in ledger.chunks)
    return _FEWEST_WORDS if alike and not answered else _FEWEST_WORDS_IN_DOUBT


def form_refused(ledger: Ledger, record: ChunkRecord, reason: str) -> FormRefused:
    """Return the error with which a run stops after a batch whose requests were all refused."""
    return FormRefused(
        f"The service refused all {counted(record.requests, 'request')} of batch {record.number} ({record.batch_id}): "
        f"{reason.rstrip('.')}. Nothing was retried, and no further batch was sent. Resume once the cause is removed, "
        f"with another model ({model_option(ledger, record)}), or with other request fields "
        "(--request-option KEY=JSON)."
    )


def model_option(ledger: Ledger, record: ChunkRecord) -> str:
    """Return the option that replaces the model of a chunk's requests: the run's, or that of some components."""
    settings, model = ledger.run.settings, ledger.model_of(record)
    names = [component for component, own in settings.models.items() if own == model]
    return f"--model-for {','.join(names)}=NAME" if names and model != settings.model else "--model NAME"
