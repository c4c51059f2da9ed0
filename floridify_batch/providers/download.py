"""Answer files brought to the disk, and held against what the service counts: they decide what is bought again.

A download may be a gateway's page, or end half way, without any error. So a file is foreign if none of its lines could
ever have been one of answers; the files are short if they hold fewer lines than the service counts as done, or end
within a line. A foreign file is never taken. Short ones are taken if they come the same twice in a row: then it is the
service itself that has no more, and waiting for ever would help nobody.
"""

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from pathlib import Path

import orjson

from floridify_batch.errors import ServiceError
from floridify_batch.providers.creation import MAX_TRIES, pause_after
from floridify_batch.providers.openai_batches import Batches, BatchJob
from floridify_batch.timing import Notify, Sleep, ignore


class Look(Enum):
    """What a look at answer files says of them."""

    WHOLE = auto()
    SHORT = auto()
    FOREIGN = auto()


async def bring_answers(
    batches: Batches, job: BatchJob, output: Path, errors: Path, sleep: Sleep, notify: Notify = ignore
) -> None:
    """Bring a batch's answer files to these places, again where they cannot be all of it.

    Raises `UnknownBatch`, and `ServiceError` where something else comes in place of answers time after time.
    """
    sizes: list[int] = []
    for tries in range(1, MAX_TRIES + 1):
        await batches.answers(job, output, errors)
        paths = [path for path in (output, errors) if path.exists()]
        look, before, sizes = look_at(paths, job.done + job.failed), sizes, [path.stat().st_size for path in paths]
        if look is Look.WHOLE or (look is Look.SHORT and tries > 1 and sizes == before):
            return
        if tries < MAX_TRIES:
            notify(f"What the service gives as answers of {job.id} is not all that it counts. Downloading again.")
            await sleep(pause_after(tries))
            job = await batches.retrieve(job.id)
    raise ServiceError(
        f"What the service gives as answers of batch {job.id} is no file of answers, {MAX_TRIES} times in a row; "
        "nothing was taken from it and nothing is asked again. Resume later."
    )


def look_at(paths: Sequence[Path], counted: int) -> Look:
    """What there is to say of answer files, of a batch of which the service counts so many requests as done."""
    if any(map(_is_foreign, paths)):
        return Look.FOREIGN
    ends = [_end(path) for path in paths]
    if any(_is_within_a_line(last) for _, last in ends) or sum(lines for lines, _ in ends) < counted:
        return Look.SHORT
    return Look.WHOLE


def _is_foreign(path: Path) -> bool:
    """Whether a file has lines, and none of them is one of answers, whole or damaged."""
    first = next(_lines(path), None)
    return first is not None and not any(map(_may_be_an_answer, _lines(path)))


def _may_be_an_answer(line: bytes) -> bool:
    """Whether a line names a request, or is a damaged object, which may have named one."""
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.lstrip().startswith(b"{")
    return isinstance(parsed, dict) and "custom_id" in parsed


def _end(path: Path) -> tuple[int, bytes]:
    """How many lines a file has, and the last of them."""
    number, last = 0, b"\n"
    for line in _lines(path):
        number, last = number + 1, line
    return number, last


def _is_within_a_line(last: bytes) -> bool:
    """Whether a file whose last line this is ends before that line does."""
    if last.endswith(b"\n"):
        return False
    try:
        orjson.loads(last)
    except orjson.JSONDecodeError:
        return True
    return False


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line for line in file if line.strip())
