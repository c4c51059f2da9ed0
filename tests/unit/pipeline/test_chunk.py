"""Packing: what goes into one batch file together, and the files of a chunk."""

import resource
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.errors import CheckpointError
from floridify_batch.files import ChunkFolder, private_file
from floridify_batch.pipeline.brief import brief
from floridify_batch.pipeline.chunk import (
    API_MAX_BYTES,
    API_MAX_REQUESTS,
    ChunkSize,
    ChunkWriter,
    Group,
    Limits,
    failure_line,
    failures_by_word,
    forget_lines,
    lines_of,
    planned,
    read_expected,
    read_failures,
    read_ordinals,
    write_failures,
)
from floridify_batch.words.entry import unknown_entry
from tests.plans import group, plan

patient = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
FAILED = Failure("bank-1", FailureReason.HTTP, "busy ünd “so on”\n", attempt=2, cap_doublings=1, status=429)


def word(ordinal: int, requests: int = 2, carried: tuple[Failure, ...] = ()) -> Group:
    lines = [b'{"custom_id":"%d-%d"}\n' % (ordinal, number) for number in range(requests)]
    expected = [orjson.dumps([ordinal, f"{ordinal}-{number}", 1, 0]) + b"\n" for number in range(requests)]
    failures = [failure_line(ordinal, each) for each in carried]
    size = ChunkSize(1, requests, sum(map(len, lines)), 10 * requests, 5 * requests)
    return Group([ordinal], lines, [[("synonyms", 10)] * requests], b"".join(expected), b"".join(failures), size)


def pack(writer: ChunkWriter, folder: Path, packed: Group) -> None:
    """Pack a word through a page file, as a run does."""
    path = folder / "piece"
    with path.open("wb") as out:
        out.write(b"a word before it\n")
        word = planned(packed, out)
    writer.add(word, lines_of(word, path))
    path.unlink()


def test_a_piece_that_was_cut(tmp_path: Path) -> None:
    """If lines of a page file are missing, nothing is packed: the run stops with an error."""
    path = tmp_path / "piece"
    with path.open("wb") as out:
        packed = planned(word(0), out)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="truncated"):
        lines_of(packed, path)


def test_the_services_limits() -> None:
    """A file of 50,000 requests and of 200 MB is accepted; one more request or byte is not."""
    limits = Limits()
    assert limits.hold(ChunkSize(requests=50_000, bytes=200_000_000))
    assert not limits.hold(ChunkSize(requests=50_001))
    assert not limits.hold(ChunkSize(bytes=200_000_001))
    assert (API_MAX_REQUESTS, API_MAX_BYTES) == (50_000, 200_000_000)


@pytest.mark.parametrize(
    ("limits", "size", "held"),
    [
        (Limits(words=3), ChunkSize(words=3), True),
        (Limits(words=3), ChunkSize(words=4), False),
        (Limits(words=None), ChunkSize(words=10**6), True),
        (Limits(input_tokens=100), ChunkSize(input_tokens=100), True),
        (Limits(input_tokens=100), ChunkSize(input_tokens=101), False),
        (Limits(input_tokens=None), ChunkSize(input_tokens=10**9), True),
        (Limits(requests=5), ChunkSize(requests=6), False),
        (Limits(words=9, requests=9, bytes=9, input_tokens=9), ChunkSize(9, 9, 9, 9, 10**9), True),
    ],
)
def test_limits(limits: Limits, size: ChunkSize, held: bool) -> None:
    """Each limit is inclusive; expected output has no limit in a file."""
    assert limits.hold(size) is held


def test_a_chunk_on_disk(tmp_path: Path) -> None:
    """A chunk's folder holds exactly the packed requests, word by word in the order of packing."""
    writer = ChunkWriter(tmp_path, 7)
    pack(writer, tmp_path, word(5))
    pack(writer, tmp_path, word(2, 1, (FAILED,)))
    size = writer.finish()
    folder = ChunkFolder.of(tmp_path, 7)
    assert folder.path.name == "0007"
    assert size == ChunkSize(2, 3, 3 * 20, 30, 15) == writer.size
    assert folder.requests.read_bytes().splitlines() == [
        b'{"custom_id":"5-0"}',
        b'{"custom_id":"5-1"}',
        b'{"custom_id":"2-0"}',
    ]
    assert [each.custom_id for each in read_expected(folder)] == ["5-0", "5-1", "2-0"]
    assert read_ordinals(folder) == [5, 2]
    assert list(read_failures(folder.carried)) == [(2, FAILED)]


def test_an_unfinished_chunk_has_no_name(tmp_path: Path) -> None:
    """A chunk that a crash interrupted during packing is not taken for a complete one."""
    writer = ChunkWriter(tmp_path, 1)
    pack(writer, tmp_path, word(0))
    assert [path.name for path in tmp_path.iterdir()] == ["0001.partial"]
    writer.discard()


def test_a_new_chunk_takes_the_place_of_an_unknown_one(tmp_path: Path) -> None:
    """A chunk that was finished and not entered in the ledger is removed."""
    for ordinal in (1, 2):
        writer = ChunkWriter(tmp_path, 1)
        pack(writer, tmp_path, word(ordinal))
        writer.finish()
        (ChunkFolder.of(tmp_path, 1).path / f"extra{ordinal}").touch()
    assert read_ordinals(ChunkFolder.of(tmp_path, 1)) == [2]
    assert not (ChunkFolder.of(tmp_path, 1).path / "extra1").exists()


def test_discard(tmp_path: Path) -> None:
    """A discarded chunk leaves no files."""
    writer = ChunkWriter(tmp_path, 1)
    pack(writer, tmp_path, word(0))
    writer.discard()
    assert not list(tmp_path.iterdir())


def test_discard_on_a_full_disk(tmp_path: Path) -> None:
    """A chunk that does not fit on the disk is removed, which frees its space."""
    writer = ChunkWriter(tmp_path, 1)
    pack(writer, tmp_path, word(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            writer.finish()
        writer.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_private(tmp_path: Path) -> None:
    """Chunk files are private: folders have mode 0700, files 0600."""
    writer = ChunkWriter(tmp_path, 1)
    pack(writer, tmp_path, word(0))
    writer.finish()
    folder = ChunkFolder.of(tmp_path, 1)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}


def test_forget_lines(tmp_path: Path) -> None:
    """Of a done chunk only the failures are kept."""
    writer = ChunkWriter(tmp_path, 1)
    pack(writer, tmp_path, word(0))
    writer.finish()
    folder = ChunkFolder.of(tmp_path, 1)
    folder.failures.touch()
    forget_lines(folder)
    assert [path.name for path in folder.path.iterdir()] == ["failures.jsonl"]


texts = st.text(max_size=20)
written = st.builds(
    Failure, texts, st.sampled_from(FailureReason), texts, st.integers(1, 9), st.integers(0, 9), st.none() | st.just(0)
)


@patient
@given(st.lists(st.tuples(st.integers(0, 3), written), max_size=6))
def test_failures_on_disk(tmp_path: Path, failed: list[tuple[int, Failure]]) -> None:
    """Failures are read back unchanged, with their words; the last one of an ID counts."""
    path = tmp_path / "failures.jsonl"
    with private_file(path) as out:
        for ordinal, failure in failed:
            write_failures(out, ordinal, [failure])
    assert list(read_failures(path)) == failed
    last: dict[int, dict[str, Failure]] = {}
    for ordinal, failure in failed:
        last.setdefault(ordinal, {})[failure.custom_id] = failure
    assert failures_by_word(path) == last


def test_no_failures_file(tmp_path: Path) -> None:
    """A chunk without failures needs no failures file."""
    assert failures_by_word(tmp_path / "failures.jsonl") == {}


def made(**more: Any) -> Group:
    asked = brief((), model="gpt-6-luna", language_name="English")
    (request,) = plan(unknown_entry("bank", "en"), asked, {})
    failures = {request.custom_id: Failure(request.custom_id, FailureReason.EXPIRED, ""), FAILED.custom_id: FAILED}
    return group(4, [request], more.get("failures", failures))


def test_failures_of_older_files_are_read(tmp_path: Path) -> None:
    """Failures of an older version, which name the doublings of the output cap differently, can be read."""
    path = tmp_path / "failures.jsonl"
    path.write_bytes(failure_line(2, FAILED).replace(b"cap_doublings", b"boost"))
    assert list(read_failures(path)) == [(2, FAILED)]


def test_a_word_made_ready() -> None:
    """A word's size is that of its lines as uploaded; failures that are not retried are kept with it."""
    packed = made()
    assert packed.size.bytes == len(packed.lines[0])
    assert (packed.size.words, packed.size.requests, packed.size.output_tokens) == (1, 1, 160)
    assert packed.size.input_tokens > 100
    assert packed.carried == failure_line(4, FAILED)
    assert orjson.loads(packed.expected)[0] == 4


@patient
@given(st.lists(st.builds(ChunkSize, *[st.integers(0, 9)] * 5), max_size=6))
def test_sizes_add(sizes: list[ChunkSize]) -> None:
    """A chunk's size is the sum over its words, in every figure."""
    total = sum(sizes, ChunkSize())
    assert total.words == sum(size.words for size in sizes)
    assert total.requests == sum(size.requests for size in sizes)
    assert total.bytes == sum(size.bytes for size in sizes)
    assert total.input_tokens == sum(size.input_tokens for size in sizes)
    assert total.output_tokens == sum(size.output_tokens for size in sizes)
