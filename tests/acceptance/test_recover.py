"""A lost checkpoint is not lost money: what the service has is stored, once, and nothing newer is touched."""

import shutil
import time
from decimal import Decimal
from typing import Any

import pytest
from openai import OpenAI

from floridify_batch.formatting import dollars
from floridify_batch.run.checkpoint import Checkpoint
from tests.acceptance.command import CommandResult, Shell, result_of, until
from tests.acceptance.conftest import ShellFactory
from tests.documents import add_definition, add_known, add_word, contents, everything
from tests.sandbox import Sandbox

RUN = ("run", "words.txt", "--yes", "--components", "synonyms,examples,etymology")
ENDED = ("completed", "expired", "cancelled", "failed")


def lose_checkpoint(shell: Shell) -> str:
    """Remove everything that the run wrote as soon as its batches have ended; return the run's ID."""
    run = shell.ledger.run.id
    until(lambda: all(batch["status"] in ENDED for batch in shell.sandbox.batches_of(run)))
    forget(shell)
    return run


def forget(shell: Shell) -> None:
    """Remove everything that a run wrote beside its list."""
    for path in shell.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "words.txt":
            path.unlink()


def recover(shell: Shell, run: str, *options: str) -> CommandResult:
    """Recover one run only: the sandbox has those of other tests, too."""
    return shell.run("recover", "--yes", "--run", run, *options)


def etymologies(shell: Shell) -> list[str]:
    """Return the etymologies of all entries."""
    found = (entry["etymology"] | {"model_info": None} for entry in shell.database.dictionary_entries.find())
    return sorted(map(str, found))


def asked(shell: Shell) -> int:
    """Return the number of requests in the batches of the present run."""
    return sum(batch["counts"]["total"] for batch in shell.batches())


def test_a_lost_checkpoint(make_shell: ShellFactory, quick: Sandbox) -> None:
    """Recovery stores the same documents as a run without faults; a new run requests only the rest; recovery is
    idempotent.
    """
    lost, sound = make_shell(quick, "lost"), make_shell(quick, "sound")
    for shell in (lost, sound):
        shell.write("lostaword", "lostbword", "lostcword")
        add_known(shell.database, "lostaword", "lostbword")
    assert sound.run(*RUN).code == 0
    assert lost.run(*RUN, "--no-wait").code == 0
    sent = asked(lost)
    run = lose_checkpoint(lost)
    first = recover(lost, run)
    assert (first.code, first.err) == (0, "")
    assert f"{sent} stored now" in first.out
    stored = everything(lost.database)
    again = recover(lost, run)
    assert (again.code, f"{sent} already stored" in again.out, "stored now 0" in " ".join(again.out.split())) == (
        0,
        True,
        True,
    )
    assert everything(lost.database) == stored
    assert lost.run(*RUN).code == 0
    assert sent + asked(lost) == asked(sound)
    assert contents(lost.database) == contents(sound.database)
    assert etymologies(lost) == etymologies(sound)
    assert lost.listing() >= {"words.checkpoint.json"}


def test_what_came_later_stays(shell: Shell) -> None:
    """Recovery overwrites neither answers of a later run nor values that a person wrote."""
    shell.write("lateraword", "laterbword")
    add_known(shell.database, "lateraword", "laterbword")
    command = ("run", "words.txt", "--yes", "--components", "synonyms,cefr_level")
    assert shell.run(*command, "--no-wait").code == 0
    first = lose_checkpoint(shell)
    shell.database.definitions.update_one({"text": {"$regex": "lateraword"}}, {"$set": {"cefr_level": "C2"}})
    by_hand = recover(shell, first)
    assert (by_hand.code, "3 stored now, 1 newer value kept" in by_hand.out) == (0, True)
    assert {"C2"} < set(shell.database.definitions.distinct("cefr_level"))
    second = int(time.time())
    until(lambda: int(time.time()) > second)  # the service's times are whole seconds
    assert shell.run(*command, "--force").code == 0
    later = everything(shell.database)
    again = recover(shell, first)
    assert (again.code, "4 newer value kept" in again.out) == (0, True)
    assert everything(shell.database) == later


@pytest.mark.parametrize("fault", ["expire=late", "partial_output=0.5"])
def test_the_finished_part(paused: Shell, fault: str) -> None:
    """The finished answers of an expired or cancelled batch are stored, and only the rest is requested again."""
    words = [f"{part}{letter}{fault[0]}word" for part in ("soon", "late") for letter in "abcd"]
    paused.write(*words)
    add_known(paused.database, *words)
    command = ("run", "words.txt", "--yes", "--components", "frequency_band")
    paused.sandbox.control(faults=[fault])
    assert paused.run(*command, "--no-wait").code == 0
    (batch,) = paused.batches()
    if fault.startswith("partial"):
        assert paused.run("cancel", "--yes", batch["id"]).code == 0
    paused.sandbox.control(finish=True)
    run = lose_checkpoint(paused)
    paused.sandbox.control(faults=[])
    done = recover(paused, run)
    (ended,) = paused.sandbox.batches_of(run)
    answered = ended["counts"]["completed"]
    assert 0 < answered < len(words)
    assert (done.code, f"{answered} stored now" in done.out) == (1, True)
    assert paused.database.definitions.count_documents({"frequency_band": {"$ne": None}}) == answered
    assert paused.run(*command, "--no-wait").code == 0
    assert asked(paused) == len(words) - answered


def test_answers_that_go_by_places(make_shell: ShellFactory, quick: Sandbox) -> None:
    """Clusters are stored if the prompt would be identical today; after a source was added, they are not."""
    same, moved = make_shell(quick, "same"), make_shell(quick, "moved")
    runs = {}
    for shell in (same, moved):
        shell.write("placeword")
        word = add_word(shell.database, "placeword")
        for number, provider in enumerate(("wiktionary", "wordnet")):
            add_definition(shell.database, word, f"sense {number} of it", providers=[provider])
        assert shell.run("run", "words.txt", "--yes", "--no-wait", "--components", "cluster_definitions").code == 0
        runs[shell.database.name] = lose_checkpoint(shell)
    add_definition(moved.database, word, "a sense that came later", providers=["wordnet"])
    fits, misfits = (recover(shell, runs[shell.database.name]) for shell in (same, moved))
    assert (fits.code, "1 stored now" in fits.out) == (0, True)
    assert (
        misfits.code,
        "1 target changed or gone" in misfits.out,
        "has changed since the request" in misfits.out,
    ) == (1, True, True)
    clustered = {"meaning_cluster": {"$ne": None}}
    assert same.database.definitions.count_documents(clustered) > 0
    assert moved.database.definitions.count_documents(clustered) == 0


def test_what_is_still_going(paused: Shell) -> None:
    """Unfinished batches are named and left, or awaited with --wait."""
    paused.write("goingword")
    add_known(paused.database, "goingword")
    assert paused.run(*RUN, "--no-wait").code == 0
    (batch,) = paused.batches()
    run = paused.ledger.run.id
    forget(paused)
    left = recover(paused, run)
    assert (left.code, "1 batch in progress" in left.out, batch["id"] in left.out) == (0, True, True)
    with paused.start("recover", "--yes", "--run", run, "--wait", "--poll-interval", "0.2") as following:
        paused.sandbox.control(finish=True)
        done = result_of(following)
    assert (done.code, "3 stored now" in done.out) == (0, True)
    assert paused.database.examples.count_documents({}) > 0


def test_asking(make_shell: ShellFactory, quick: Sandbox) -> None:
    """Nothing is stored without confirmation; batches of another database are listed separately and are not
    failures.
    """
    here, there = make_shell(quick, "here"), make_shell(quick, "there")
    here.write("askedword")
    add_known(here.database, "askedword")
    assert here.run(*RUN, "--no-wait").code == 0
    run = lose_checkpoint(here)
    before = everything(here.database)
    silent, nobody, elsewhere = here.run("recover", "--run", run), recover(here, "nosuchrun"), recover(there, run)
    assert (silent.code, run in silent.out, "--yes" in silent.err) == (2, True, True)
    assert (nobody.code, "no batch of run nosuchrun" in nobody.out) == (0, True)
    assert (elsewhere.code, "3 of another database" in elsewhere.out) == (0, True)
    assert everything(here.database) == before
    with here.terminal("recover", "--run", run) as terminal:
        terminal.wait_for("Store their results?")
        terminal.type("n\n")
        assert terminal.ended() == 130
    assert everything(here.database) == before


def test_made_twice(shell: Shell) -> None:
    """Of two batches with one label, the first is stored; its duplicate is named, and adds nothing."""
    shell.write("twiceword")
    add_known(shell.database, "twiceword")
    assert shell.run(*RUN, "--no-wait").code == 0
    run = lose_checkpoint(shell)
    with OpenAI(api_key="any", base_url=shell.sandbox.url) as client:
        first = next(each for each in client.batches.list(limit=100) if (each.metadata or {}).get("run") == run)
        order: dict[str, Any] = {"endpoint": first.endpoint, "completion_window": "24h", "metadata": first.metadata}
        twin = client.batches.create(input_file_id=first.input_file_id, **order).id
    until(lambda: all(batch["status"] in ENDED for batch in shell.sandbox.batches_of(run)))
    done = recover(shell, run)
    assert (done.code, "3 stored now" in done.out, "duplicate" in done.out) == (0, True, True)
    assert f"{first.id}: 3 requests" in done.out
    assert f"{twin}: " not in done.out
    assert shell.database.synthesis_stamps.distinct("batch_id") == [first.id]


def test_what_was_paid(shell: Shell) -> None:
    """Recovered answers are billed at the command's price; without one, the cost is unknown."""
    shell.write("paidword")
    add_known(shell.database, "paidword")
    assert shell.run(*RUN, "--model", "gpt-of-nobody", "--price", "in=100,out=200", "--no-wait").code == 0
    run = lose_checkpoint(shell)
    with OpenAI(api_key="any", base_url=shell.sandbox.url) as client:
        (usage,) = (each.usage for each in client.batches.list(limit=100) if (each.metadata or {}).get("run") == run)
    assert usage is not None
    paid = dollars(Decimal(100 * usage.input_tokens + 200 * usage.output_tokens) / 10**6)
    unpriced, priced = recover(shell, run), recover(shell, run, "--price", "in=100,out=200")
    assert ("cost unknown" in unpriced.out, "$" in unpriced.out) == (True, False)
    assert (f"cost {paid}" in priced.out, f"cost {paid}" in " ".join(priced.out.split())) == (True, True)


def test_a_price_that_is_none(shell: Shell) -> None:
    """An invalid price is refused before any search."""
    refused = shell.run("recover", "--yes", "--price", "cheap")
    assert (refused.code, "--price cheap" in refused.err, refused.out) == (2, True, "")


def test_the_sandbox_remembers(shell: Shell) -> None:
    """With --sandbox, `recover` uses the sandbox and the local MongoDB of the folder."""
    shell.write("rememberedword")
    bare, pace = shell.bare(), {"BATCH_SYNTH_SANDBOX_SECONDS": "0.1"}
    assert bare.run(*RUN, "--sandbox", "--no-wait", **pace).code == 0
    checkpoint = Checkpoint(bare.folder / "words.sandbox.checkpoint.json")
    checkpoint.path.unlink()
    shutil.rmtree(checkpoint.folder)
    done = bare.run("recover", "--sandbox", "--yes", "--wait", "--poll-interval", "0.1", **pace)
    assert (done.code, done.err, "1 stored now" in done.out) == (0, "", True)
