"""The ledger: the state of every chunk of a run, and the words that are finished.

A chunk's state is saved before the call that it names (write-ahead), so that the next session knows what may have
happened before a crash:

    PLANNED     the chunk's files are on disk; nothing was sent
    SUBMITTING  submission n may or may not exist at the service: look for its label before creating anything
    SUBMITTED   the batch exists, its id is known, and it is billed
    ANSWERED    both answer files are on this machine's disk
    STORED      every answer is in the database, every failure in `failures.jsonl`
    DONE        each of its words is in a later chunk, processed, incomplete or failed
    SPLIT       nothing was answered, and its words are planned again: the chunk exceeded the account's token limit or,
                unsent, the present `--max-cost`, or had another form than the run's
    LOST        the service no longer has the batch or its files: its requests fail and are not retried automatically

A word of the list is at every moment in exactly one place: beyond `list_cursor`, in the highest-numbered chunk that
holds it and is not DONE, or in `processed_words`, `incomplete_words` or `failed_words`. So a chunk's words that are in
none of the others are those to be planned again. Failed and incomplete words that are retried leave every chunk:
they are beyond `list_cursor` again, and those that no new chunk holds yet are in `retrying`, by their ordinals.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from floridify_batch.components.failure import too_late
from floridify_batch.costs.price import Price, Rates
from floridify_batch.costs.usage import Dollars, Forecast, Spent, Usage, together
from floridify_batch.database.error import WORD_REFUSED
from floridify_batch.run.event import Totals
from floridify_batch.run.run_settings import RequestForm, RunInfo
from floridify_batch.words.word_log import WordLog

VERSION = 2
"""The version of the checkpoint's JSON; older ones are upgraded by `migrated`."""


class ChunkState(StrEnum):
    """The state of a chunk; `TRANSITIONS` holds the allowed moves."""

    PLANNED = "PLANNED"
    SUBMITTING = "SUBMITTING"
    SUBMITTED = "SUBMITTED"
    ANSWERED = "ANSWERED"
    STORED = "STORED"
    DONE = "DONE"
    SPLIT = "SPLIT"
    LOST = "LOST"


_S = ChunkState
TRANSITIONS: Mapping[ChunkState, frozenset[ChunkState]] = {
    _S.PLANNED: frozenset({_S.SUBMITTING, _S.SPLIT}),
    _S.SUBMITTING: frozenset({_S.SUBMITTED, _S.PLANNED, _S.SPLIT}),
    _S.SUBMITTED: frozenset({_S.ANSWERED, _S.PLANNED, _S.SPLIT, _S.LOST}),
    _S.ANSWERED: frozenset({_S.STORED, _S.SPLIT}),
    _S.STORED: frozenset({_S.DONE}),
    _S.SPLIT: frozenset({_S.DONE}),
    _S.LOST: frozenset({_S.STORED}),
    _S.DONE: frozenset(),
}

COMMITTED = (ChunkState.SUBMITTING, ChunkState.SUBMITTED, ChunkState.ANSWERED)
"""The states in which a chunk costs money that is not in the ledger yet."""

SETTLED = (ChunkState.STORED, ChunkState.DONE)
"""The states in which a chunk's usage and cost are in the ledger."""

_UNSENT = (ChunkState.PLANNED, ChunkState.SPLIT, ChunkState.DONE)


class IllegalMove(RuntimeError):
    """A transition that the state machine does not allow; nothing was changed."""


class Duplicate(BaseModel):
    """A batch with the same requests as a chunk's batch, created after an ambiguous reply; its answers are not used.

    `usage` is what the service states for it, None where it states none; then its cost is unknown, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch_id: str
    status: str
    ended: bool
    usage: Usage | None = None
    cost: Dollars | None = None


class ChunkRecord(BaseModel):
    """A chunk's record in the ledger. Times are epoch seconds, `cost` US dollars, None where it is unknown.

    `form`: that of its requests, if not the run's. `refused`: the service's message, if it refused every request of the
    chunk for its form. `shared`: the requests in packs without a line. `queue_was_empty`: none of our batches was in
    flight at its submission, so that it alone fills the queue. `creation_in_doubt`: it was created again after an
    ambiguous reply, so another batch of its label may appear. `usage` is the sum over its answers, of which `billed`
    came with usage, usable or not (None in older checkpoints) and `unmetered` without, so that its cost is unknown;
    `service_usage`: the service's own figure, if stated. `unanswered_reason` and `unanswered_detail`: the failure of
    requests without a line in the answer files. `former_batches`: those that found the queue full and had the same
    input file. `finished`: requests with denied answers. `preflight`: answered at once, at the standard price.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    number: int
    state: ChunkState = ChunkState.PLANNED
    words: int
    requests: int
    bytes: int
    input_tokens: int
    output_tokens: int
    retried: int = 0
    shared: int = 0
    wave: int = 1
    form: RequestForm | None = None
    refused: str | None = None
    preflight: bool = False
    submission: int = 0
    queue_was_empty: bool = False
    creation_in_doubt: bool = False
    file_id: str | None = None
    batch_id: str | None = None
    created_at: float | None = None
    completed_at: float | None = None
    stored_at: float | None = None
    unanswered_reason: str | None = None
    unanswered_detail: str | None = None
    answered: int = 0
    billed: int | None = None
    unmetered: int = 0
    failures: dict[str, int] = Field(default_factory=dict)
    usage: Usage = Usage()
    service_usage: Usage | None = None
    cost: Dollars | None = Decimal(0)
    former_batches: tuple[str, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    finished: int = 0

    @property
    def lines(self) -> int:
        """The lines of its batch file: the requests by the service's count."""
        return self.requests - self.shared

    @property
    def failed(self) -> int:
        """The number of requests without a usable answer."""
        return sum(self.failures.values())

    def label(self, run: str) -> str:
        """The label of this submission in the batch's metadata."""
        return f"{run}/{self.number:04d}/{self.submission}"


type ProcessedWords = Annotated[Sequence[str], PlainValidator(WordLog.of), PlainSerializer(list, return_type=list[str])]


@dataclass(frozen=True, slots=True)
class Adopted:
    """Progress from a checkpoint that has only the six documented keys: processed words, US dollars and tokens."""

    words: frozenset[str] = frozenset()
    cost: Decimal = Decimal(0)
    tokens: int = 0
    notes: tuple[str, ...] = ()


class Ledger(BaseModel):
    """A run's progress, in the form of the checkpoint.

    Its methods change memory alone. A change that must survive a crash is made by `Run.move` or `Run.record`, which
    save it at once. `database_noted`: the run's database holds a document of it; older runs have none. `undone`: by
    `undo`. `preflight_model`: the model whose preflight is over. `requested`: words of `retrying` that had documents.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    version: int = VERSION
    processed_words: ProcessedWords = Field(default_factory=WordLog)
    failed_words: dict[str, str] = Field(default_factory=dict)
    incomplete_words: dict[str, str] = Field(default_factory=dict)
    start_time: float
    total_cost: float | None = 0.0
    total_tokens: int = 0
    timestamp: str = ""
    run: RunInfo
    database_noted: bool = False
    preflight_model: str | None = None
    undone: bool = False
    list_cursor: int = 0
    retrying: list[int] = Field(default_factory=list)
    requested: list[int] = Field(default_factory=list)
    reopened_failures: int = 0
    token_limit: int | None = None
    form_revision: int = 0
    former_prices: dict[str, Price] = Field(default_factory=dict)
    carried_cost: Dollars = Decimal(0)
    carried_tokens: int = 0
    carried_words: int = 0
    estimate: Forecast | None = None
    spent: dict[str, Spent] = Field(default_factory=dict)
    chunks: list[ChunkRecord] = Field(default_factory=list)

    def chunk(self, number: int) -> ChunkRecord:
        """Return a chunk by its number; numbers begin at 1 and have no gaps."""
        return self.chunks[number - 1]

    def add(self, record: ChunkRecord) -> None:
        """Add a new chunk. Raises `IllegalMove` unless it is the next one."""
        if record.number != len(self.chunks) + 1:
            raise IllegalMove(f"chunk {record.number} cannot follow chunk {len(self.chunks)}")
        self.chunks.append(record)

    def move(self, number: int, to: ChunkState, **facts: Any) -> ChunkRecord:
        """Move a chunk to another state and update its record. Raises `IllegalMove`, changing nothing."""
        record = self.chunk(number)
        if to not in TRANSITIONS[record.state]:
            raise IllegalMove(f"chunk {number} cannot go from {record.state} to {to}")
        return self._replace(record, state=to, **facts)

    def note(self, number: int, **facts: Any) -> ChunkRecord:
        """Update a chunk's record without moving it."""
        return self._replace(self.chunk(number), **facts)

    def _replace(self, record: ChunkRecord, **facts: Any) -> ChunkRecord:
        replaced = record.model_copy(update=facts)
        self.chunks[record.number - 1] = replaced
        return replaced

    def change_execution_settings(self, pace: Mapping[str, Any]) -> None:
        """Change settings that do not identify the run: its limits, its price, its cost limit, its request options."""
        settings = (before := self.run.settings).model_copy(update=dict(pace))
        if settings.request_options != before.request_options or settings.models != before.models:
            self._keep_forms()
        self.run = self.run.model_copy(update={"settings": settings})

    # ── the form of requests ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def form(self) -> RequestForm:
        """The present form of the run's requests."""
        settings = self.run.settings
        return RequestForm(
            model=settings.model,
            template_digest=self.run.template_digest,
            fingerprints=self.run.fingerprints,
            request_options=settings.request_options,
            revision=self.form_revision,
            models=settings.models,
        )

    def form_of(self, model: str) -> RequestForm | None:
        """Return the form of requests to a model; None for that of the run."""
        return None if model == self.run.settings.model else self.form.model_copy(update={"model": model})

    def _keep_forms(self) -> None:
        """Note the present form at the chunks that have it, before the run's form changes."""
        present = self.form
        brief = present.model_copy(update={"fingerprints": {}})  # a finished chunk needs its model alone
        for each in (record for record in self.chunks if record.form is None):
            self._replace(each, form=brief if each.state is ChunkState.DONE else present)

    def change_model(self, model: str) -> None:
        """Change the model. Existing chunks keep theirs, with the user's price for it."""
        self._keep_forms()
        settings = self.run.settings
        if settings.price is not None:
            self.former_prices[settings.model] = settings.price
        self.change_execution_settings({"model": model, "price": self.former_prices.get(model)})

    def change_templates(self, digest: str, fingerprints: Mapping[str, str]) -> None:
        """Change the templates. Existing chunks keep the fingerprints of theirs."""
        self._keep_forms()
        self.run = self.run.model_copy(update={"template_digest": digest, "fingerprints": dict(fingerprints)})

    def reopen_refused(self) -> None:
        """Retry requests refused for their form: their chunks, and those in flight, count as having an older form."""
        if any(record.refused is not None for record in self.in_state(ChunkState.ANSWERED)):
            self._keep_forms()
            self.form_revision += 1

    def model_of(self, record: ChunkRecord) -> str:
        """Return the model of a chunk's requests."""
        return record.form.model if record.form else self.run.settings.model

    def price_of(self, record: ChunkRecord) -> Price | None:
        """Return the user's price for the model of a chunk, if there is one: the standard one for a preflight."""
        settings, model = self.run.settings, self.model_of(record)
        price = settings.price if model == settings.model else self.former_prices.get(model)
        return price.standard if price and record.preflight else price

    def is_outdated(self, record: ChunkRecord) -> bool:
        """Whether a chunk's requests have another form than the run's present one."""
        current = (self.form_of(model) or self.form for model in self.run.settings.all_models)
        return record.form is not None and record.form not in current

    @property
    def nothing_sent(self) -> bool:
        """Whether no request of this run was ever sent, and it has taken nothing over from another."""
        unsent = all(
            record.state in _UNSENT
            and record.batch_id is None
            and not record.former_batches
            and not (record.creation_in_doubt or record.answered or record.failed)
            for record in self.chunks
        )
        return unsent and not (self.spent or self.carried_words or self.carried_tokens or self.carried_cost)

    # ── words and costs ────────────────────────────────────────────────────────────────────────────────────────────

    def process(self, word: str) -> None:
        """Mark a word as processed: all its answers are stored."""
        if not isinstance(self.processed_words, WordLog):
            self.processed_words = WordLog(self.processed_words)
        self.processed_words.append(word)

    def retry(self, ordinals: Mapping[str, int]) -> None:
        """Retry every failed or incomplete word, with all its attempts; `ordinals` are places in the list."""
        self.reopened_failures = self._final_failures() + self.reopened_failures
        again = {ordinals[word] for word in self.missing}
        self.requested += [ordinals[word] for word, why in self.missing.items() if not why.startswith(WORD_REFUSED)]
        self.list_cursor = min(again | {self.list_cursor})
        self.retrying = sorted(again.union(self.retrying))
        self.failed_words, self.incomplete_words = {}, {}
        batches = tuple(record.batch_id for record in self.chunks if record.batch_id is not None)
        self.run = self.run.model_copy(update={"settings": self.run.settings.model_copy(update={"reopened": batches})})

    def reopen(self, held: Set[int]) -> None:
        """Plan every word again, with all its attempts, except those that chunks hold by their ordinals."""
        self.reopened_failures = self._final_failures() + self.reopened_failures
        self.retrying = [ordinal for ordinal in range(self.run.words) if ordinal not in held]
        self.list_cursor, self.requested = 0, []
        self.processed_words = WordLog()
        self.failed_words = {}
        self.incomplete_words = {}

    def spend(self, spent: Mapping[str, Spent]) -> None:
        """Add the usage and cost of a chunk's answers, by component."""
        for component, more in spent.items():
            self.spent[component] = self.spent.get(component, Spent()) + more

    def adopt(self, adopted: Adopted, words: Iterable[str]) -> None:
        """Take over the processed words and the cost of a checkpoint that has only the six documented keys."""
        self.processed_words = WordLog(word for word in words if word in adopted.words)
        self.carried_cost, self.carried_tokens = adopted.cost, adopted.tokens
        self.carried_words = len(self.processed_words)

    def price_with(self, rate: Rates) -> None:
        """Price usage that was recorded before the price was known; the cost of unmetered answers stays unknown."""
        others = [record for record in self.chunks if self.model_of(record) != self.run.settings.model]
        for record in self.chunks:
            if record.cost is None and not record.unmetered and record not in others:
                self.note(record.number, cost=rate.cost(record.usage))
        for component, spent in self.spent.items():
            if spent.cost is None and not spent.unmetered and all(record.cost is not None for record in others):
                self.spent[component] = spent.model_copy(update={"cost": rate.cost(spent.usage)})

    def in_state(self, *states: ChunkState) -> Iterator[ChunkRecord]:
        """Return the chunks in any of these states, in the order of their numbers."""
        return (record for record in self.chunks if record.state in states)

    @property
    def finished(self) -> bool:
        """Whether every word of the list is processed, incomplete or failed."""
        words = len(self.processed_words) + len(self.missing)
        return words == self.run.words and all(record.state is ChunkState.DONE for record in self.chunks)

    @property
    def missing(self) -> dict[str, str]:
        """The failed and the incomplete words with their reasons."""
        return {**self.failed_words, **self.incomplete_words}

    def failures(self) -> dict[str, int]:
        """Count the failed requests of the whole run by kind."""
        return dict(sum((Counter(record.failures) for record in self.chunks), Counter[str]()))

    @property
    def stored_answers(self) -> int:
        """The number of answers that are in the database."""
        return sum(record.answered for record in self.in_state(*SETTLED))

    def duplicates(self) -> Iterator[tuple[ChunkRecord, Duplicate]]:
        """Iterate over the duplicates of all chunks' batches."""
        return ((record, each) for record in self.chunks for each in record.duplicates)

    def known_cost_of_duplicates(self) -> Decimal:
        """Return the cost of duplicates whose usage the service states; the others are listed as unknown."""
        return sum((each.cost for _, each in self.duplicates() if each.cost is not None), Decimal(0))

    def totals(self) -> Totals:
        """The figures of the whole run, an adopted checkpoint's cost included; of a split chunk, those of its parts."""
        counted, final = self._counted(), self._final_failures()
        totals = Totals(
            words=self.run.words,
            processed=len(self.processed_words),
            failed=len(self.failed_words),
            requests=sum(record.requests for record in counted),
            answered=sum(record.answered for record in counted),
            failed_requests=sum(record.failed for record in counted),
            usage=sum((record.usage for record in counted), Usage()),
            cost=together([self.carried_cost, self.known_cost_of_duplicates(), *(record.cost for record in counted)]),
            retried=self._retried(),
            incomplete=len(self.incomplete_words),
            failed_for_good=final,
            outdated=min(too_late(self.failures(), self._retried()), final),
            wave=self._wave(),
            waves=self.estimate.waves if self.estimate else (),
        )
        return replace(totals, expected=self._expected(totals))

    def _counted(self) -> list[ChunkRecord]:
        return [record for record in self.chunks if not _given_up(record)]

    def _retried(self) -> int:
        """The failed requests that have been retried, those of `--retry-failed` included."""
        return sum(record.retried for record in self._counted()) + self.reopened_failures

    def _final_failures(self) -> int:
        """The failed requests that will not be retried: those of finished chunks, without the retried ones."""
        failed = sum(record.failed for record in self.chunks if record.state is ChunkState.DONE)
        return max(0, failed - self._retried())

    def _wave(self) -> int:
        """The earliest wave with work left; the list is planned in the first."""
        if self.list_cursor < self.run.words and not self.finished:
            return 1
        unfinished = [record.wave for record in self.chunks if record.state not in SETTLED]
        return min(unfinished, default=max((record.wave for record in self.chunks), default=1))

    def _expected(self, totals: Totals) -> int | None:
        """The requests of the whole run, retries not counted: planned ones, once all words are in their last wave."""
        if self.finished or self._all_planned(totals):
            return totals.unique_requests
        return max(totals.unique_requests, self.estimate.requests) if self.estimate else None

    def _all_planned(self, totals: Totals) -> bool:
        """Whether no requests except retries remain to be planned."""
        planned = self.list_cursor >= self.run.words and not self.retrying
        returned = any(record.state in (ChunkState.STORED, ChunkState.SPLIT) for record in self.chunks)
        return planned and not returned and bool(totals.waves) and totals.wave >= len(totals.waves)


def _given_up(record: ChunkRecord) -> bool:
    """Whether none of the chunk's requests was processed: it was split, and its words were planned again."""
    return record.state is ChunkState.SPLIT or (record.state is ChunkState.DONE and not record.answered + record.failed)
