"""Throughput of immediate mode, compared with a plain asyncio script on the same SDK, requests and server.

The plain script is what a first draft would be: one task per request, a semaphore that limits those in flight, and a
line written for each answer. It keeps no counts, knows no rate limits and loses everything when it stops.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import orjson

from floridify_batch.providers.immediate import ImmediateBatches
from floridify_batch.providers.interface import Submission
from floridify_batch.providers.openai_connector import OpenAIConnector

_PAUSE, _LOOKS = 0.02, 30_000


@dataclass(frozen=True, slots=True)
class Race:
    """Wall-clock time and CPU time of the client, for the same requests."""

    requests: int
    plain: float
    plain_cpu: float
    ours: float
    ours_cpu: float


def race(folder: Path, service_url: str, requests: int, concurrency: int, rounds: int) -> Race:
    """Return the best of several alternating rounds of each, so that both run under the same load."""
    lines = (folder / "requests.jsonl").read_bytes().splitlines(keepends=True)[:requests]
    plain, ours = [], []
    for number in range(rounds):
        plain.append(_timed(_plain(lines, folder / "plain.jsonl", service_url, concurrency)))
        chunk = folder / "immediate" / f"{number:04d}"
        chunk.mkdir(parents=True)
        (chunk / "requests.jsonl").write_bytes(b"".join(lines))
        ours.append(_timed(_ours(chunk, service_url, concurrency)))
    shutil.rmtree(folder / "immediate")
    return Race(len(lines), *min(plain), *min(ours))


def race_report(found: Race) -> str:
    """Return the comparison as a table."""
    rows = (("plain script", found.plain, found.plain_cpu), ("batch-synth", found.ours, found.ours_cpu))
    head = f"{'immediate mode':<16}{'requests/s':>12}{'times':>8}{'CPU µs/request':>16}"
    lines = [
        f"{name:<16}{found.requests / wall:>12,.0f}{found.plain / wall:>8.2f}{cpu / found.requests * 1e6:>16.0f}"
        for name, wall, cpu in rows
    ]
    return "\n".join([head, *lines])


def _timed(work: Any) -> tuple[float, float]:
    wall, cpu = perf_counter(), process_time()
    asyncio.run(work)
    return perf_counter() - wall, process_time() - cpu


async def _plain(lines: list[bytes], output: Path, service_url: str, concurrency: int) -> None:
    from openai import AsyncOpenAI

    room = asyncio.Semaphore(concurrency)
    with output.open("wb") as out:
        async with AsyncOpenAI(api_key="any", base_url=service_url) as client:

            async def ask(line: bytes) -> None:
                request = orjson.loads(line)
                async with room:
                    answer = await client.chat.completions.create(**request["body"])
                out.write(orjson.dumps([request["custom_id"], answer.choices[0].message.content]) + b"\n")

            await asyncio.gather(*map(ask, lines))


async def _ours(chunk: Path, service_url: str, concurrency: int) -> None:
    batches = ImmediateBatches(OpenAIConnector("any", base_url=service_url, concurrency=concurrency), chunk.parent)
    job = await batches.create(Submission("race", chunk.name))
    for _ in range(_LOOKS):
        if (job := await batches.retrieve(job.id)).terminal:
            break
        await asyncio.sleep(_PAUSE)
    if job.failed or not job.terminal:
        raise RuntimeError(f"{job.failed} requests failed, and the file is {job.status}")
    await batches.close()
