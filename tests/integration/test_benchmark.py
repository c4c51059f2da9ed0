"""The benchmark measures a whole run: a real server of each kind, the real SDK, a process of its own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from scripts.benchmarks.report import profile_report, report
from scripts.benchmarks.stage import Stage
from scripts.benchmarks.suite import main, size_table, sizes_of

ROOT = Path(__file__).parents[2]
REQUESTS = 600
REQUESTS_PER_WORD = 30
WORDS = REQUESTS // REQUESTS_PER_WORD
STAGES = {"starting", "estimating", "planning + building", "submitting", "downloading", "settling + storing"}
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the benchmark keeps its files."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def result(mongo_url: str, kept: Path) -> dict[str, Any]:
    """The result of a small benchmark in two batches, with a profile of each stage."""
    options = ("--json", "--profile", f"--keep={kept}", f"--batch-size={WORDS // 2}", f"--mongo-url={mongo_url}")
    command = [sys.executable, "-m", "scripts.benchmarks.run", f"--requests={REQUESTS}", *options]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300).stdout
    found: dict[str, Any] = orjson.loads(printed)
    return found


def test_every_request_is_answered_and_stored(result: dict[str, Any]) -> None:
    """The numbers of requests, answers and stored values are equal."""
    assert result["words"] == result["processed_words"] == WORDS
    assert result["requests"] == result["answered"] == REQUESTS
    assert result["failed"] == result["failed_words"] == 0
    assert result["service"]["lines_answered"] == result["documents"]["stamped"] == REQUESTS


def test_the_documents_are_those_of_the_words(result: dict[str, Any]) -> None:
    """Each definition has one copy in an entry of ours, and each copy gets examples."""
    documents = result["documents"]
    assert (documents["words"], documents["definitions"]) == (WORDS, 2 * 3 * WORDS)
    assert documents["examples"] >= 3 * WORDS
    assert documents["synthesis_stamps"] == 2 * 10, "a stamp for each batch and component"


def test_each_chunk_is_one_batch(result: dict[str, Any]) -> None:
    """Each file is uploaded once, each batch created once and each request sent once."""
    service = result["service"]
    assert result["chunks"] == service["batches_created"] == service["files_uploaded"] == 2
    assert service["bodies_answered_more_than_once"] == 0


def test_every_stage_is_measured(result: dict[str, Any]) -> None:
    """All CPU time is attributed to a stage, and the peak is the sum of their memory increases."""
    rows = result["rows"]
    assert {row["stage"] for row in rows} >= STAGES
    assert all(row["cpu"] >= 0 for row in rows)
    assert sum(row["rise"] for row in rows) == pytest.approx(result["peak"], rel=0.05)


def test_memory_is_that_of_one_run(result: dict[str, Any]) -> None:
    """The peak memory is that of the measured process, and in the range that the tokenizer's ranks explain."""
    assert 20 * MEGABYTE < result["imported"] < result["ready"] <= 1.05 * result["peak"]
    assert result["peak"] < 300 * MEGABYTE


def test_the_estimate_is_what_is_billed(result: dict[str, Any]) -> None:
    """Input tokens are counted, not estimated; the estimate of output tokens is conservative."""
    assert result["estimated"]["requests"] == REQUESTS
    assert result["estimated"]["input"] == pytest.approx(result["billed"]["input"], rel=0.02)
    assert 0 < result["billed_cost"] <= 1.2 * result["estimated_cost"]


def test_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """One command prints a run, one with other requests, the floors, the workers and the ledger; planning and settling
    write identical files with two worker processes and with none.
    """
    assert main(["--requests=1350", "--small"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines() if line.endswith("requests …")] == ["1,350"]
    for title in (
        "Three sizes",
        "Other requests",
        "Beside the floor",
        "The pure stages alone",
        "Immediate mode",
        "The ledger",
    ):
        assert f"── {title}" in printed
    assert "The same files, byte for byte: yes" in printed


def test_sizes(result: dict[str, Any]) -> None:
    """A hundredth, a tenth and all of the requests are run; the table shows the memory that each size added."""
    assert [sizes_of(each) for each in (20_000, 60, 30)] == [[200, 2_000, 20_000], [30, 60], [30]]
    larger = result | {"peak": result["peak"] + 3 * MEGABYTE}
    rows = size_table([result, larger]).splitlines()
    assert [row.split()[0] for row in rows] == ["requests", f"{REQUESTS}", f"{REQUESTS}"]
    assert rows[-1].endswith("+3.0")


def test_the_tables_name_what_was_measured(result: dict[str, Any], kept: Path) -> None:
    """Without --json the output is tables, and with --profile the functions that took the time."""
    printed = report(result)
    assert "CPU µs/request" in printed
    assert "memory at its peak" in printed
    (profile,) = kept.glob(f"*/{Stage.STORING.replace(' ', '')}.pstats")
    printed = profile_report({Stage.STORING: profile}, REQUESTS)
    assert "── settling + storing: own time by module ──" in printed
    assert re.search(r"(floridify_batch|run|pipeline|components|database)/\w+:\d+ ", printed)
