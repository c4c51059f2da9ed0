"""Batch processing for programs: definitions of many words filled in place, or a whole list run against a database.

Definitions in memory need no checkpoint, since the same call after a crash finds its batch by its requests. A whole
list has a checkpoint, as for the command.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from floridify_batch.batch_synthesis import BatchSynthesisCollector, InterceptingConnector
from floridify_batch.components.entry_store import EntryStore
from floridify_batch.components.failure import Failure, FailureReason, Unanswered
from floridify_batch.components.registry import DEFAULT_COMPONENTS, SynthesisComponent, components_named, recipe_of
from floridify_batch.components.requests import AnswerError, custom_id, parse_answer
from floridify_batch.database.store import MongoStore
from floridify_batch.definition_conversion import DefinitionLike, WordLike, text_of, views_of
from floridify_batch.enhancement import Enhancement, batches_of, enhance_definitions_parallel
from floridify_batch.errors import CheckpointError, UsageError
from floridify_batch.files import ChunkFolder
from floridify_batch.pipeline.chunk import Expected
from floridify_batch.pipeline.settlement import AnswerIndex, indexed_answers, settle
from floridify_batch.providers.interface import Batches, BatchJob
from floridify_batch.providers.openai_connector import OpenAIConnector
from floridify_batch.providers.transfer import download
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.database_check import check_database
from floridify_batch.run.driver import Driver
from floridify_batch.run.event import Totals
from floridify_batch.run.run_settings import RunSettings, RunSpec
from floridify_batch.run.state import Run, begin_run, resume_run
from floridify_batch.settings import database_settings
from floridify_batch.words.entry import clean_word

_BATCH_WORDS = 50

_PATIENCE = 2.0
"""Seconds for which the files of a batch that a program names are requested again: they may be long deleted."""


@dataclass(frozen=True, slots=True)
class BatchResults:
    """The typed answers of a batch by custom id, and its failed requests.

    A request that is missing from both answer files is in neither.
    """

    answers: Mapping[str, BaseModel]
    failures: tuple[Failure, ...]


class SynthesisBatchProcessor:
    """Runs the requests of a connector as batches.

    `store` is needed for whole lists only (default: the database of the connector or of the environment). `batches`
    defaults to the connector's service, polled every `poll_interval` seconds.
    """

    def __init__(
        self,
        ai: OpenAIConnector,
        *,
        store: EntryStore | None = None,
        batches: Batches | None = None,
        poll_interval: float = 60.0,
    ) -> None:
        self._ai = ai
        self._store = store
        self._batches: Batches = batches or batches_of(ai)
        self._poll_interval = poll_interval

    async def process_definitions(
        self, definitions: Sequence[DefinitionLike], word: str | WordLike, components: set[str] | None = None
    ) -> Enhancement:
        """Enhance a word's definitions in place, as one batch. Raises `ServiceError`."""
        return await enhance_definitions_parallel(
            definitions,
            word,
            self._ai,
            components,
            batch_mode=True,
            batches=self._batches,
            poll_interval=self._poll_interval,
        )

    async def process_words_batch(
        self,
        words_with_data: Sequence[tuple[str | WordLike, Sequence[DefinitionLike]]],
        components: set[str] | None = None,
        batch_size: int = _BATCH_WORDS,
    ) -> list[Enhancement]:
        """Enhance the definitions of many words in place, `batch_size` words per batch.

        Batches run one after the other, which bounds the account's queue. Raises `ServiceError`, and before the first
        request `UsageError` if a word appears twice with the same definition.
        """
        _refuse_repeated(words_with_data)
        done: list[Enhancement] = []
        for part in batched(words_with_data, batch_size):
            collector = BatchSynthesisCollector(self._batches, poll_interval=self._poll_interval)
            asker = InterceptingConnector(collector, self._ai.model_name)
            done += await collector.gather(
                *(enhance_definitions_parallel(definitions, word, asker, components) for word, definitions in part)
            )
        return done

    async def check_batch_status(self, batch_id: str) -> BatchJob:
        """Return the state of a batch. Raises `UnknownBatch`."""
        return await self._batches.retrieve(batch_id)

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._batches.close()

    async def process_batch_results(self, batch_id: str, output_file_id: str | None = None) -> BatchResults:
        """Return the typed answers of a finished batch of ours; an unfinished batch has none.

        `output_file_id` replaces the batch's own output file. Raises `UnknownBatch` if the service has deleted the
        batch or its files, `ServiceError` if a file cannot be read.
        """
        job = await self._batches.retrieve(batch_id)
        with tempfile.TemporaryDirectory(prefix="batch-synth-") as folder:
            files = ChunkFolder(Path(folder)).answers
            await self._download(job, output_file_id, *files)
            with indexed_answers(files, _uncounted) as index:
                return _results(index)

    async def _download(self, job: BatchJob, named: str | None, output: Path, errors: Path) -> None:
        if named not in (None, job.output_file_id):
            # The batch's request counts do not apply to another file, so completeness cannot be checked.
            await self._batches.answers(replace(job, output_file_id=named), output, errors)
        elif job.terminal:
            await download(self._batches, job, (output, errors), asyncio.sleep, patience=_PATIENCE)

    async def run_full_batch_synthesis(
        self,
        word_list: Sequence[str],
        poll_interval: float = 60.0,
        *,
        components: set[str] | None = None,
        language: str = "en",
        checkpoint: Path = Path("batch-synth.checkpoint.json"),
    ) -> Totals:
        """Run a whole list against the database and return the run's totals.

        The same call after a crash resumes from the checkpoint. Raises `UsageError` without a database or without a
        word, and the errors that stop a run, whose checkpoint can be resumed.
        """
        words = list(dict.fromkeys(word for word, _ in map(clean_word, word_list) if word))
        if not words:
            raise UsageError("The list contains no words.")
        place = Checkpoint(checkpoint)
        async with self._opened_store() as store:
            with place.locked():
                settings = _settings(self._ai, components, language, poll_interval)
                run = await self._run(RunSpec.of(settings, words), store, place)
                await Driver(run).process()
        return run.ledger.totals()

    @asynccontextmanager
    async def _opened_store(self) -> AsyncIterator[EntryStore]:
        """Yield the given store, or one for the configured database. Raises `UsageError`."""
        if self._store is not None:
            yield self._store
            return
        database = database_settings(self._ai)
        if database is None:
            raise UsageError(
                "A whole list needs a database: pass store=MongoStore(url, name) to SynthesisBatchProcessor, or set "
                "MONGODB_URL and BATCH_SYNTH_DATABASE."
            )
        store = MongoStore(database.url, database.name)
        try:
            await store.check()
            yield store
        finally:
            await store.close()

    async def _run(self, spec: RunSpec, store: EntryStore, place: Checkpoint) -> Run:
        """Resume the run of a checkpoint, or begin one. Raises `CheckpointError` if it belongs to another run."""
        ledger = place.load()
        if ledger is None:
            return await begin_run(spec, place, self._batches, store)
        if differences := ledger.run.differences(spec.info):
            raise CheckpointError(
                f"{place.path} belongs to a run with {' and '.join(differences)}; choose another checkpoint."
            )
        await check_database(ledger, spec.words, store)
        run = Run(spec.words, ledger, place, spec.brief, self._batches, store)
        await resume_run(run)
        return run


def _refuse_repeated(words_with_data: Sequence[tuple[str | WordLike, Sequence[DefinitionLike]]]) -> None:
    """Raise `UsageError` for a repeated word, half of whose paid answers would be lost."""
    known: set[str] = set()
    for word, definitions in words_with_data:
        text = text_of(word)
        asked = {custom_id(text, view.id, "definition") for view in views_of(definitions, word)}
        if asked & known:
            raise UsageError(f"{text} appears twice with the same definition; pass each word once.")
        known |= asked


def _settings(ai: OpenAIConnector, components: set[str] | None, language: str, poll_interval: float) -> RunSettings:
    return RunSettings(
        words_file="",
        components=components_named(",".join(components)) if components else DEFAULT_COMPONENTS,
        model=ai.model_name,
        language=language,
        force=False,
        immediate=False,
        batch_size=None,
        max_attempts=3,
        poll_interval=poll_interval,
        database="",
        mongo_url=None,
        base_url=ai.base_url,
        sandbox=False,
        frequency_scale=None,
    )


def _results(index: AnswerIndex) -> BatchResults:
    answers: dict[str, BaseModel] = {}
    failures: list[Failure] = []
    expected = (Expected(0, identity, 1, 0) for identity in index.places)
    for outcome in settle(expected, index, _parsed, Unanswered(FailureReason.MISSING, "")):
        answers |= {answered.custom_id: answered.answer for answered in outcome.answers}
        failures += outcome.failures
    return BatchResults(answers, tuple(failures))


def _parsed(component: str, body: Mapping[str, Any]) -> BaseModel:
    if component not in SynthesisComponent:
        raise AnswerError(FailureReason.MALFORMED, f"{component} is not a component")
    parsed: BaseModel = parse_answer(recipe_of(component).answer, body)
    return parsed


def _uncounted(_: str, *__: object) -> None:
    """Ignore the usage of a batch that another call has paid for."""


BatchSynthesisProcessor = SynthesisBatchProcessor
"""An alias, under the name that older callers use."""
