"""Creates the README's picture and the example checkpoint from a real run in progress.

The run is a real one: the demonstration's words, a database, the sandbox over HTTP, with some faults, so that the
picture shows failures, too.
"""

import asyncio
import json
import re
import shutil
import tempfile
from contextlib import ExitStack
from datetime import datetime
from io import StringIO
from pathlib import Path

from rich.console import Console

from floridify_batch.cli.import_ import import_file
from floridify_batch.components.registry import DEFAULT_COMPONENTS
from floridify_batch.database.connection import Place
from floridify_batch.database.server import local_mongod
from floridify_batch.display.live_screen import render
from floridify_batch.display.view import RunView
from floridify_batch.pipeline.chunk import Limits
from floridify_batch.pipeline.workload import Workload
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.driver import Driver
from floridify_batch.run.event import Event
from floridify_batch.run.resources import Resources, Secrets
from floridify_batch.run.run_settings import RunSettings, RunSpec
from floridify_batch.run.state import begin_run
from floridify_batch.sandbox.process import running_sandbox
from floridify_batch.timing import utc_now
from floridify_batch.words.word_list import read_word_list

ROOT = Path(__file__).resolve().parents[2]
WORDS = ROOT / "scripts" / "demos" / "data" / "words.txt"
DEFINITIONS = WORDS.with_name("definitions.jsonl")
PICTURE = ROOT / "docs" / "live.svg"
EXAMPLE = ROOT / "checkpoints.example.json"
COLUMNS = 112
FAULTS = ("http_500=0.04", "expire=0.03", "refuse=0.01", "truncate=0.01")


class Photographer:
    """Observes a run and keeps its most illustrative state."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.view = RunView()
        self.best: tuple[RunView, datetime, bytes] | None = None
        self._score = 0
        self._checkpoint = checkpoint

    def notify(self, event: Event) -> None:
        """Record an event, and keep the state if it is the best so far."""
        now = utc_now()
        self.view = self.view.apply(event, now)
        totals = self.view.totals
        under_way = sum(1 for batch in self.view.in_flight if 0 < batch.done < batch.total)
        score = under_way * min(totals.processed, 4) * min(totals.failed_requests, 4)
        if score > self._score:
            self._score = score
            self.best = (self.view, now, self._checkpoint.path.read_bytes())


async def _run(folder: Path, mongo_url: str, base_url: str) -> Photographer:
    listed = read_word_list(WORDS)
    settings = RunSettings(
        words_file="words.txt",
        components=DEFAULT_COMPONENTS,
        model="gpt-6-luna",
        language="en",
        force=False,
        immediate=False,
        batch_size=3,
        max_attempts=3,
        poll_interval=0.5,
        database="floridify_sandbox",
        mongo_url=None,
        base_url=None,
        sandbox=True,
        max_batches=6,
    )
    checkpoint = Checkpoint(folder / "words.checkpoint.json")
    checkpoint.create_folder()
    spec = RunSpec.of(settings, listed.words, run_id="b1e0a7c25d94")
    resources = Resources(settings, Secrets("sandbox", mongo_url), checkpoint, notify=print, on_wait=print)
    photographer = Photographer(checkpoint)
    async with (
        resources.opened_batches("sandbox", base_url) as batches,
        resources.opened_store() as store,
    ):
        survey = Workload(spec.brief, settings.language, settings.model, Limits(words=settings.batch_size))
        estimate = await survey.of(listed.words, store, lambda _, __: None)
        run = await begin_run(spec, checkpoint, batches, store, estimate=estimate.forecast())
        run.observer = photographer
        await Driver(run).process()
    return photographer


def _develop(view: RunView, moment: datetime) -> None:
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(render(view, COLUMNS, moment))
    drawn = console.export_svg(title="batch-synth run words.txt")
    # Without the fonts that it would fetch from elsewhere: a picture in a README asks nobody for anything.
    PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")


def main() -> None:
    """Run, and write both files."""
    folder = Path(tempfile.mkdtemp(prefix="batch-synth-picture-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        mongo = stack.enter_context(local_mongod(folder / "mongodb"))
        asyncio.run(import_file(DEFINITIONS, Place(mongo.url, "floridify_sandbox"), provider="wiktionary"))
        base_url = stack.enter_context(running_sandbox(folder / "sandbox", seconds=5, faults=FAULTS, seed=3))
        photographer = asyncio.run(_run(folder, mongo.url, base_url))
    if photographer.best is None:
        raise SystemExit("no moment of this run was worth a picture; try again")
    view, moment, checkpoint = photographer.best
    _develop(view, moment)
    EXAMPLE.write_bytes(json.dumps(json.loads(checkpoint), indent=2, ensure_ascii=False).encode() + b"\n")
    print(f"Wrote {PICTURE.relative_to(ROOT)} and {EXAMPLE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
