"""Two lists with words in common, in two processes at once on one database: each pays for its own words, once.

The two runs ask different models, so that their answers differ.
"""

from collections import Counter
from typing import Any

from pymongo.database import Database

from floridify_batch.components.change import Collection
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import ChunkState, Ledger
from floridify_batch.words.entry import SYNTHESIS
from tests.acceptance.command import Shell, said, until

OWN, COMMON, OTHER = ("overa", "overb"), ("overc", "overd", "overe"), ("overf", "overg")
COMPONENTS = "definitions,synonyms,examples,cefr_level,pronunciation,facts"
MODELS = {"one": "gpt-4o-mini", "two": "gpt-5.4-nano"}

type Document = dict[str, Any]


def test_overlapping_lists(paused: Shell) -> None:
    """Both runs process all their words: one document and one entry per word, and no request sent twice by one run."""
    paused.write(*OWN, *COMMON, name="one.txt")
    paused.write(*COMMON, *OTHER, name="two.txt")
    with paused.start(*_run("one")) as one, paused.start(*_run("two")) as two:
        until(lambda: _submitted(paused, "one") and _submitted(paused, "two"))

        def ended() -> bool:
            paused.sandbox.control(finish=True)
            return None not in (one.poll(), two.poll())

        until(ended, 60)
        assert (said(one).code, said(two).code) == (0, 0)
    ledgers = {name: _ledger(paused, name) for name in MODELS}
    assert set(ledgers["one"].processed_words) == {*OWN, *COMMON}
    assert set(ledgers["two"].processed_words) == {*COMMON, *OTHER}
    for ledger in ledgers.values():
        _check_payment(paused, ledger)
    _check_no_twins(paused.database)


def _run(name: str) -> tuple[str, ...]:
    options = ("--yes", "--components", COMPONENTS, "--batch-size", "3", "--model", MODELS[name])
    return ("run", f"{name}.txt", *options)


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


def _check_no_twins(database: Database[Document]) -> None:
    """One word document and one entry of ours per word; every definition is in one entry, and no example in two."""
    words = {each["_id"]: each["text"] for each in database[Collection.WORDS].find()}
    assert Counter(words.values()) == Counter((*OWN, *COMMON, *OTHER))
    entries = list(database[Collection.ENTRIES].find({"provider": SYNTHESIS}))
    assert Counter(words[each["word_id"]] for each in entries) == Counter(words.values())
    held = Counter(identity for entry in entries for identity in entry["definition_ids"])
    assert held == Counter(each["_id"] for each in database[Collection.DEFINITIONS].find())
    referred = Counter(identity for each in database[Collection.DEFINITIONS].find() for identity in each["example_ids"])
    stored = {each["_id"] for each in database[Collection.EXAMPLES].find()}
    assert set(referred.values()) == {1}
    assert referred.keys() <= stored
