"""The ledger of a large list: the time to save its checkpoint, to resume from it and to read it.

The run is one of 600,000 words in 400 chunks, some of them in flight, as the files of a run have it; the service is
left out, so that only batch-synth is measured. Memory is that of a fresh process, beside one with a list of ten words.
"""

import asyncio
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import orjson

from floridify_batch.cli.checkpoint_policy import kept_words
from floridify_batch.components.entry_store import NoDatabase
from floridify_batch.costs.tokenizer import count_tokens
from floridify_batch.files import ChunkFolder
from floridify_batch.providers.interface import Capabilities
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.driver import Driver
from floridify_batch.run.ledger import ChunkRecord, ChunkState, Ledger
from floridify_batch.run.run_settings import RunInfo, brief_of
from floridify_batch.run.state import Run
from floridify_batch.words.word_list import Words, digest_of, write_normalised
from scripts.benchmarks.data import word
from scripts.benchmarks.stage import peak_memory
from scripts.benchmarks.workers import settings_of_benchmark

_IN_FLIGHT = 20
_SAVES = 9
_TEN_WORDS = 10


@dataclass(frozen=True, slots=True)
class Found:
    """Measured seconds, and peak memory in bytes."""

    save: float
    resume: float
    status: float
    file_bytes: int
    memory: int
    memory_of_ten_words: int


def measure(folder: Path, words: int, chunks: int) -> Found:
    """Measure a ledger of a number of words and chunks."""
    small = _asked(folder / "small", _TEN_WORDS, 2)
    large = _asked(folder / "large", words, chunks)
    checkpoint = folder / "large" / "words.checkpoint.json"
    command = [str(Path(sys.executable).with_name("batch-synth")), "status", "--checkpoint", str(checkpoint)]
    began = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = perf_counter() - began
    size = checkpoint.stat().st_size
    return Found(large["save"], large["resume"], status, size, int(large["peak"]), int(small["peak"]))


def ledger_report(found: Found, words: int, chunks: int) -> str:
    """The figures as a table."""
    added = (found.memory - found.memory_of_ten_words) / 1e6
    rows = (
        (
            "save",
            f"{found.save * 1e3:,.0f} ms",
            "50 ms",
            f"{found.file_bytes / 1e6:.1f} MB, synced, median of {_SAVES}",
        ),
        ("resume to first poll", f"{found.resume:.2f} s", "3 s", "beyond the import"),
        ("status", f"{found.status:.2f} s", "1.5 s", "the whole command; nothing in flight"),
        ("memory for the list", f"{added:.0f} MB", "60 MB", "peak, beside a list of ten words"),
    )
    head = f"{f'{words:,} words, {chunks} chunks':<30}{'measured':>10}{'goal':>9}"
    return "\n".join([head, *(f"{name:<30}{value:>10}{goal:>9}  {note}" for name, value, goal, note in rows)])


def _asked(folder: Path, words: int, chunks: int) -> dict[str, float]:
    """Return the measurements of a fresh process."""
    folder.mkdir()
    place = _prepare(folder, words, chunks)
    command = [sys.executable, "-m", "scripts.benchmarks.ledger", str(place.path)]
    answer = subprocess.run(command, check=True, capture_output=True)
    found: dict[str, float] = orjson.loads(answer.stdout)
    return found


# ── the files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _prepare(folder: Path, count: int, chunks: int) -> Checkpoint:
    """Write a run in progress: most chunks are done, some are in flight."""
    words = Words(map(word, range(count)))
    place = Checkpoint(folder / "words.checkpoint.json")
    place.create_folder()
    write_normalised(words, place.words_path)
    ledger = Ledger(start_time=0, run=_info(count, digest_of(words)))
    per_chunk = max(1, count // chunks)
    for number in range(1, chunks + 1):
        flying = number > chunks - _IN_FLIGHT
        state = ChunkState.SUBMITTED if flying else ChunkState.DONE
        ledger.add(_record(number, state, per_chunk))
        span = range((number - 1) * per_chunk, number * per_chunk)
        if flying:
            home = ChunkFolder.of(place.folder, number).path
            home.mkdir()
            (home / "ordinals.json").write_bytes(orjson.dumps(list(span)))
        else:
            for each in words[span.start : span.stop]:
                ledger.process(each)
    ledger.list_cursor = min(count, chunks * per_chunk)
    place.save(ledger)
    return place


def _record(number: int, state: ChunkState, words: int) -> ChunkRecord:
    return ChunkRecord(
        number=number,
        state=state,
        words=words,
        requests=30 * words,
        bytes=45_000 * words,
        input_tokens=8_000 * words,
        output_tokens=1_500 * words,
        submission=1,
        file_id=f"file-{number:024d}",
        batch_id=f"batch_{number:032d}",
        created_at=1e9,
        completed_at=1e9,
        answered=30 * words - 3,
        failures={"refused": 3},
        cost=Decimal("0.1234"),
    )


def _info(count: int, digest: str) -> RunInfo:
    settings = settings_of_benchmark()
    templates = brief_of(settings, "benchmark").template_digest
    return RunInfo(id="benchmark", settings=settings, words=count, list_digest=digest, template_digest=templates)


# ── in the measured process ────────────────────────────────────────────────────────────────────────────────────────


def _saving(place: Any) -> float:
    """Return the median time of several saves."""
    ledger, spent = place.load(), []
    for _ in range(_SAVES):
        began = perf_counter()
        place.save(ledger)
        spent.append(perf_counter() - began)
    return sorted(spent)[_SAVES // 2]


class _FirstPoll(Exception):
    """Raised at the first request to the service."""


class _AbsentService:
    """A service that raises at the first request."""

    capabilities = Capabilities(Decimal("0.5"))

    async def retrieve(self, batch_id: str) -> Any:
        """Raise, which stops the clock."""
        raise _FirstPoll(batch_id)


async def _resuming(place: Any) -> float:
    """Return the seconds from the start of the command to its first poll, without imports."""
    began = perf_counter()
    with place.locked():
        ledger = place.load()
        words = kept_words(ledger, place)
        place.tidy(ledger)
        asked = brief_of(ledger.run.settings, ledger.run.id)
        run = Run(words, ledger, place, asked, cast("Any", _AbsentService()), cast("Any", NoDatabase()))
        try:
            await Driver(run).process()
        except _FirstPoll:
            return perf_counter() - began
    raise RuntimeError("nobody asked the service")


def main(path: Path) -> None:
    """Measure the ledger of a checkpoint and print the result."""
    import floridify_batch.cli.session  # noqa: F401  so that memory and clock begin where those of a command do

    count_tokens("ranks")
    place = Checkpoint(path)
    resume = asyncio.run(_resuming(place))
    peak = peak_memory()
    print(orjson.dumps({"save": _saving(place), "resume": resume, "peak": peak}).decode())


if __name__ == "__main__":
    if len(sys.argv) > 1:  # a checkpoint is named where another process measures
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            print(ledger_report(measure(Path(name), 600_000, 400), 600_000, 400))
