"""A whole run in this process, with every part real: database, service over HTTP, checkpoint and files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from pymongo.database import Database

from floridify_batch.cli import session
from floridify_batch.components.failure import Failure
from floridify_batch.components.registry import components_named
from floridify_batch.costs.price import rates
from floridify_batch.pipeline.chunk import read_failures
from floridify_batch.providers.openai_batches import OpenAIBatches
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Ledger
from floridify_batch.run.resources import Secrets
from floridify_batch.run.run_settings import RunSettings
from floridify_batch.words.word_list import ListSource
from tests.ledgers import run_settings
from tests.sandbox import Sandbox

KEY = "any"


@dataclass(frozen=True)
class RunResult:
    """The result of a run."""

    code: int
    ledger: Ledger
    checkpoint: Checkpoint

    @property
    def run(self) -> str:
        """Return the id of the run."""
        return self.ledger.run.id

    def failures(self, chunk: int) -> dict[str, list[Failure]]:
        """Return the failures file of a chunk, by word."""
        path = self.checkpoint.folder / f"{chunk:04d}" / "failures.jsonl"
        words = self.checkpoint.words_path.read_text().splitlines()
        found: dict[str, list[Failure]] = {}
        for ordinal, failure in read_failures(path):
            found.setdefault(words[ordinal], []).append(failure)
        return found


@dataclass(frozen=True)
class Workspace:
    """A folder, a database and a sandbox for the runs of one test."""

    folder: Path
    sandbox: Sandbox
    mongo_url: str
    database: Database[dict[str, Any]]

    async def run(self, words: Sequence[str], *, name: str = "words", **settings: Any) -> RunResult:
        """Run a list to its end."""
        asked = self.settings(words, name=name, **settings)
        here = self.session_of(name)
        return self._result(await session.run(asked, here, ListSource((Path(asked.words_file),)), dry_run=False), here)

    async def send(self, words: Sequence[str], *, name: str = "words", **settings: Any) -> RunResult:
        """Run a list with --no-wait: its first batches are in flight when this returns."""
        asked = self.settings(words, name=name, **settings)
        here = self.session_of(name, wait=False)
        return self._result(await session.run(asked, here, ListSource((Path(asked.words_file),)), dry_run=False), here)

    async def resume(self, name: str = "words", *, give_up: tuple[str, ...] = ()) -> RunResult:
        """Resume a run to its end."""
        return await self.resume_in(replace(self.session_of(name), give_up=give_up))

    async def resume_in(self, here: session.Session) -> RunResult:
        """Resume a run in a session."""
        return self._result(await session.resume(here), here)

    def session_of(self, name: str, *, wait: bool = True) -> session.Session:
        """A session of the run of a name."""
        checkpoint = Checkpoint(self.folder / f"{name}.checkpoint.json")
        return session.Session(checkpoint, Secrets(KEY, self.mongo_url), 0.0, yes=True, wait=wait)

    def _result(self, code: int, here: session.Session) -> RunResult:
        ledger = here.checkpoint.load()
        assert ledger is not None
        return RunResult(code, ledger, here.checkpoint)

    def settings(
        self, words: Sequence[str], *, name: str = "words", components: str = "default", **changes: Any
    ) -> RunSettings:
        """Write the list and return settings with changes."""
        words_file = self.folder / f"{name}.txt"
        words_file.write_text("\n".join(words))
        usual: dict[str, Any] = {
            "words_file": str(words_file),
            "components": components_named(components),
            "model": "gpt-5.4-nano",
            "poll_interval": 0.03,
            "database": self.database.name,
            "mongo_url": self.mongo_url,
            "base_url": self.sandbox.url,
        }
        return run_settings(**usual | changes)

    def beside(self, name: str) -> "Workspace":
        """Return this workspace with another database."""
        other = self.database.client[f"{self.database.name.removesuffix('_sandbox')}_{name}_sandbox"]
        return Workspace(self.folder, self.sandbox, self.mongo_url, other)

    async def billed(self, batch_ids: Iterable[str]) -> Decimal:
        """Return the cost of batches by the service's usage."""
        batches = OpenAIBatches(KEY, base_url=self.sandbox.url)
        total = Decimal(0)
        for batch_id in batch_ids:
            job = await batches.retrieve(batch_id)
            rate = rates(job.model or "", batch=True)
            assert job.usage is not None
            assert rate is not None
            total += rate.cost(job.usage)
        await batches.close()
        return total
