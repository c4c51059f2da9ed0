"""Two lists with words in common, in two processes at once on one database: each pays for its own words, once.

The two runs ask different models, so that their answers differ.
"""

import signal
from collections import Counter
from pathlib import Path

from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from tests.acceptance.command import Process, Shell, result_of, until
from tests.documents import add_definition, add_entry, add_word
from tests.twins import twins

OWN, COMMON, OTHER = ("overa", "overb"), ("overc", "overd", "overe"), ("overf", "overg")
SOURCED = ("overx", "overy")
"""Words that are in both lists, too, with definitions of a dictionary."""
MODELS = {"one": "gpt-4o-mini", "two": "gpt-5.4-nano"}


def test_overlapping_lists(paused: Shell) -> None:
    """Both runs process all their words and fill every place once, and neither sends a request twice."""
    _prepare(paused)
    with paused.start(*_run("one")) as one, paused.start(*_run("two")) as two:
        until(lambda: _submitted(paused, "one") and _submitted(paused, "two"))

        _end(paused, one, two)
    _check(paused)


def test_a_run_is_overtaken(paused: Shell) -> None:
    """A process that is suspended between two writes for longer than the write lock lasts is overtaken, and stores
    nothing beside what the other run has stored meanwhile.
    """
    _prepare(paused)
    with (
        paused.start(*_run("one"), BATCH_SYNTH_DIE_AT="pause:before-write@9") as one,
        paused.start(*_run("two")) as two,
    ):
        _end(paused, two)
        assert _is_suspended(one)
        one.send_signal(signal.SIGCONT)
        _end(paused, one)
    _check(paused)


def _prepare(shell: Shell) -> None:
    """Write the lists, and add definitions of a dictionary for some of their words."""
    shell.write(*OWN, *COMMON, *SOURCED, name="one.txt")
    shell.write(*SOURCED, *COMMON, *OTHER, name="two.txt")
    for text in SOURCED:
        word = add_word(shell.database, text)
        senses = [add_definition(shell.database, word, f"thing number {place} called {text}") for place in range(3)]
        add_entry(shell.database, word, senses, "wiktionary")


def _run(name: str) -> tuple[str, ...]:
    return ("run", f"{name}.txt", "--yes", "--components", "all", "--batch-size", "3", "--model", MODELS[name])


def _end(shell: Shell, *processes: Process) -> None:
    """Finish batches until processes have ended."""

    def ended() -> bool:
        shell.sandbox.control(finish=True)
        return all(each.poll() is not None for each in processes)

    until(ended, 90)
    assert [result_of(each).code for each in processes] == [0] * len(processes)


def _is_suspended(process: Process) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _check(shell: Shell) -> None:
    """Both runs have processed their words, paid once, and left no twins."""
    ledgers = {name: _ledger(shell, name) for name in MODELS}
    assert set(ledgers["one"].processed_words) == {*OWN, *COMMON, *SOURCED}
    assert set(ledgers["two"].processed_words) == {*COMMON, *OTHER, *SOURCED}
    for ledger in ledgers.values():
        _check_payment(shell, ledger)
    assert twins(shell.database) == []


def _submitted(shell: Shell, name: str) -> bool:
    ledger = Checkpoint(shell.folder / f"{name}.checkpoint.json").load()
    return ledger is not None and any(each.state is ChunkState.SUBMITTED for each in ledger.chunks)


def _ledger(shell: Shell, name: str) -> Ledger:
    ledger = Checkpoint(shell.folder / f"{name}.checkpoint.json").load()
    assert ledger is not None
    return ledger


def _check_payment(shell: Shell, ledger: Ledger) -> None:
    """One batch per chunk, and no retry except for answers about documents that the other run has changed."""
    batches = shell.sandbox.batches_of(ledger.run.id)
    assert len(batches) == len({batch["label"] for batch in batches}) == len(ledger.chunks)
    failures = sum((Counter(chunk.failures) for chunk in ledger.chunks), Counter[str]())
    assert set(failures) <= {"outdated", "kept"}
    assert sum(chunk.retried for chunk in ledger.chunks) <= failures["outdated"]
