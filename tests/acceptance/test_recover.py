"""A lost checkpoint is not lost money: what the service has is stored, once, and nothing newer is touched."""

import shutil
from decimal import Decimal
from typing import Any

import pytest
from openai import OpenAI

from floridify_batch.formatting import dollars
from tests.acceptance.command import Desk, Said, said, until
from tests.acceptance.conftest import DeskMaker
from tests.acceptance.library import add_definition, add_known, add_word, contents, everything
from tests.acceptance.sandbox import Sandbox

RUN = ("run", "words.txt", "--yes", "--components", "synonyms,examples,etymology")
ENDED = ("completed", "expired", "cancelled", "failed")


def lose_checkpoint(desk: Desk) -> str:
    """Take everything away that the run wrote, as soon as its batches have ended; the run's id."""
    run = desk.ledger.run.id
    until(lambda: all(batch["status"] in ENDED for batch in desk.sandbox.batches_of(run)))
    forget(desk)
    return run


def forget(desk: Desk) -> None:
    """Take everything away that a run wrote beside its list."""
    for path in desk.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "words.txt":
            path.unlink()


def recover(desk: Desk, run: str, *options: str) -> Said:
    """Recover one run: the sandbox has those of other tests, too."""
    return desk.do("recover", "--yes", "--run", run, *options)


def etymologies(desk: Desk) -> list[str]:
    """The etymologies of all entries."""
    return sorted(str(entry["etymology"]) for entry in desk.database.dictionary_entries.find())


def asked(desk: Desk) -> int:
    """How many requests the batches of the desk's present run hold."""
    return sum(batch["counts"]["total"] for batch in desk.batches())


def test_a_lost_checkpoint(desk_at: DeskMaker, quick: Sandbox) -> None:
    """Recovered answers are what a run without faults stores; a new run asks for the rest alone; twice is once."""
    lost, sound = desk_at(quick, "lost"), desk_at(quick, "sound")
    for desk in (lost, sound):
        desk.write("lostaword", "lostbword", "lostcword")
        add_known(desk.database, "lostaword", "lostbword")
    assert sound.do(*RUN).code == 0
    assert lost.do(*RUN, "--no-wait").code == 0
    sent = asked(lost)
    run = lose_checkpoint(lost)
    first = recover(lost, run)
    assert (first.code, first.err) == (0, "")
    assert f"{sent} stored now" in first.out
    stored = everything(lost.database)
    again = recover(lost, run)
    assert (again.code, f"{sent} stored already" in again.out, "stored now 0" in " ".join(again.out.split())) == (
        0,
        True,
        True,
    )
    assert everything(lost.database) == stored
    assert lost.do(*RUN).code == 0
    assert sent + asked(lost) == asked(sound)
    assert contents(lost.database) == contents(sound.database)
    assert etymologies(lost) == etymologies(sound)
    assert lost.listing() >= {"words.checkpoint.json"}


def test_what_came_later_stays(desk: Desk) -> None:
    """Neither a later run's answers nor what somebody wrote in the meantime gives way to an answer found again."""
    desk.write("lateraword", "laterbword")
    add_known(desk.database, "lateraword", "laterbword")
    command = ("run", "words.txt", "--yes", "--components", "synonyms,cefr_level")
    assert desk.do(*command, "--no-wait").code == 0
    first = lose_checkpoint(desk)
    desk.database.definitions.update_one({"text": {"$regex": "lateraword"}}, {"$set": {"cefr_level": "C2"}})
    by_hand = recover(desk, first)
    assert (by_hand.code, "3 stored now, 1 newer there" in by_hand.out) == (0, True)
    assert {"C2"} < set(desk.database.definitions.distinct("cefr_level"))
    assert desk.do(*command, "--force").code == 0
    later = everything(desk.database)
    again = recover(desk, first)
    assert (again.code, "4 newer there" in again.out) == (0, True)
    assert everything(desk.database) == later


@pytest.mark.parametrize("fault", ["expire=late", "partial_output=0.5"])
def test_the_finished_part(still: Desk, fault: str) -> None:
    """Of a batch that expired or was cancelled, what it had finished is stored, and only the rest is asked again."""
    words = [f"{part}{letter}{fault[0]}word" for part in ("soon", "late") for letter in "abcd"]
    still.write(*words)
    add_known(still.database, *words)
    command = ("run", "words.txt", "--yes", "--components", "cefr_level")
    still.sandbox.control(faults=[fault])
    assert still.do(*command, "--no-wait").code == 0
    (batch,) = still.batches()
    if fault.startswith("partial"):
        assert still.do("cancel", batch["id"]).code == 0
    still.sandbox.control(finish=True)
    run = lose_checkpoint(still)
    still.sandbox.control(faults=[])
    done = recover(still, run)
    (ended,) = still.sandbox.batches_of(run)
    answered = ended["counts"]["completed"]
    assert 0 < answered < len(words)
    assert (done.code, f"{answered} stored now" in done.out) == (1, True)
    assert still.database.definitions.count_documents({"cefr_level": {"$ne": None}}) == answered
    assert still.do(*command, "--no-wait").code == 0
    assert asked(still) == len(words) - answered


def test_answers_that_go_by_places(desk_at: DeskMaker, quick: Sandbox) -> None:
    """Clusters are stored where the prompt would be the same today; where a source has joined, they do not fit."""
    same, moved = desk_at(quick, "same"), desk_at(quick, "moved")
    runs = {}
    for desk in (same, moved):
        desk.write("placeword")
        word = add_word(desk.database, "placeword")
        for number, provider in enumerate(("wiktionary", "wordnet")):
            add_definition(desk.database, word, f"sense {number} of it", providers=[provider])
        assert desk.do("run", "words.txt", "--yes", "--no-wait", "--components", "cluster_definitions").code == 0
        runs[desk.database.name] = lose_checkpoint(desk)
    add_definition(moved.database, word, "a sense that came later", providers=["wordnet"])
    fits, misfits = (recover(desk, runs[desk.database.name]) for desk in (same, moved))
    assert (fits.code, "1 stored now" in fits.out) == (0, True)
    assert (misfits.code, "1 no longer fits" in misfits.out, "by their places" in misfits.out) == (1, True, True)
    clustered = {"meaning_cluster": {"$ne": None}}
    assert same.database.definitions.count_documents(clustered) > 0
    assert moved.database.definitions.count_documents(clustered) == 0


def test_what_is_still_going(still: Desk) -> None:
    """Batches that are still going are named and left, or followed to their end with --wait."""
    still.write("goingword")
    add_known(still.database, "goingword")
    assert still.do(*RUN, "--no-wait").code == 0
    (batch,) = still.batches()
    run = still.ledger.run.id
    forget(still)
    left = recover(still, run)
    assert (left.code, "1 batch still going" in left.out, batch["id"] in left.out) == (0, True, True)
    with still.doing("recover", "--yes", "--run", run, "--wait", "--poll-interval", "0.2") as following:
        still.sandbox.control(finish=True)
        done = said(following)
    assert (done.code, "3 stored now" in done.out) == (0, True)
    assert still.database.examples.count_documents({}) > 0


def test_asking(desk_at: DeskMaker, quick: Sandbox) -> None:
    """Nothing is stored unasked; batches of another database are told apart, and are no failures."""
    here, there = desk_at(quick, "here"), desk_at(quick, "there")
    here.write("askedword")
    add_known(here.database, "askedword")
    assert here.do(*RUN, "--no-wait").code == 0
    run = lose_checkpoint(here)
    before = everything(here.database)
    silent, nobody, elsewhere = here.do("recover", "--run", run), recover(here, "nosuchrun"), recover(there, run)
    assert (silent.code, run in silent.out, "--yes" in silent.err) == (2, True, True)
    assert (nobody.code, "no batch of run nosuchrun" in nobody.out) == (0, True)
    assert (elsewhere.code, "3 of another database" in elsewhere.out) == (0, True)
    assert everything(here.database) == before
    with here.terminal("recover", "--run", run) as terminal:
        terminal.wait_for("Store what they hold?")
        terminal.type("n\n")
        assert terminal.ended() == 130
    assert everything(here.database) == before


def test_made_twice(desk: Desk) -> None:
    """Of two batches of one label, the first is stored; its twin is named, and adds nothing."""
    desk.write("twiceword")
    add_known(desk.database, "twiceword")
    assert desk.do(*RUN, "--no-wait").code == 0
    run = lose_checkpoint(desk)
    with OpenAI(api_key="any", base_url=desk.sandbox.url) as client:
        first = next(each for each in client.batches.list(limit=100) if (each.metadata or {}).get("run") == run)
        order: dict[str, Any] = {"endpoint": first.endpoint, "completion_window": "24h", "metadata": first.metadata}
        twin = client.batches.create(input_file_id=first.input_file_id, **order).id
    until(lambda: all(batch["status"] in ENDED for batch in desk.sandbox.batches_of(run)))
    done = recover(desk, run)
    assert (done.code, "3 stored now" in done.out, "made twice" in done.out) == (0, True, True)
    assert f"{first.id}: 3 requests" in done.out
    assert f"{twin}: " not in done.out
    assert desk.database.synthesis_stamps.distinct("batch_id") == [first.id]


def test_what_was_paid(desk: Desk) -> None:
    """What was recovered is billed at the price that the command is given; an unknown one is unknown without it."""
    desk.write("paidword")
    add_known(desk.database, "paidword")
    assert desk.do(*RUN, "--model", "gpt-of-nobody", "--price", "in=100,out=200", "--no-wait").code == 0
    run = lose_checkpoint(desk)
    with OpenAI(api_key="any", base_url=desk.sandbox.url) as client:
        (usage,) = (each.usage for each in client.batches.list(limit=100) if (each.metadata or {}).get("run") == run)
    assert usage is not None
    paid = dollars(Decimal(100 * usage.input_tokens + 200 * usage.output_tokens) / 10**6)
    unpriced, priced = recover(desk, run), recover(desk, run, "--price", "in=100,out=200")
    assert ("cost unknown" in unpriced.out, "$" in unpriced.out) == (True, False)
    assert (f"cost {paid}" in priced.out, f"paid for {paid}" in " ".join(priced.out.split())) == (True, True)


def test_a_price_that_is_none(desk: Desk) -> None:
    """A price that cannot be read is refused before anything is looked for."""
    refused = desk.do("recover", "--yes", "--price", "cheap")
    assert (refused.code, "--price cheap" in refused.err, refused.out) == (2, True, "")


def test_the_sandbox_remembers(desk: Desk) -> None:
    """With --sandbox, and a MongoDB of our own, the folder's own service is asked for its batches."""
    desk.write("rememberedword")
    bare, pace = desk.bare(), {"BATCH_SYNTH_SANDBOX_SECONDS": "0.1"}
    assert bare.do(*RUN, "--sandbox", "--no-wait", **pace).code == 0
    bare.checkpoint.path.unlink()
    shutil.rmtree(bare.checkpoint.folder)
    done = bare.do("recover", "--sandbox", "--yes", "--wait", "--poll-interval", "0.1", **pace)
    assert (done.code, done.err, "1 stored now" in done.out) == (0, "", True)
