"""The command from outside: what a user types, sees, interrupts and goes on with."""

import random
import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from bson import ObjectId
from openai import OpenAI

from tests.acceptance.command import KEY, Desk, said, together, until
from tests.acceptance.conftest import DeskMaker
from tests.acceptance.library import add_known
from tests.acceptance.sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.usefixtures("refused")  # these go on while commands of the tests below wait

FEW = ("--components", "synonyms,cefr_level")
RUN = ("run", "words.txt", "--yes", *FEW)
JSON = (("failures", "--json"), ("status", "--json"))
RESUME = ("resume", "--checkpoint", "words.checkpoint.json")


def words_of(name: str, count: int) -> list[str]:
    """So many words that no other test has."""
    return [f"{name}{'abcdefghijkl'[number]}" for number in range(count)]


def assert_finished(desk: Desk, words: list[str]) -> None:
    """Every word is processed, and every chunk became one batch."""
    ledger = desk.ledger
    assert sorted(ledger.processed_words) == sorted(words)
    assert ledger.failed_words == {}
    assert {record.state for record in ledger.chunks} == {"DONE"}
    assert len(desk.batches()) == len(ledger.chunks)


# ── in a terminal ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_terminal(desk: Desk) -> None:
    """A terminal shows the cost, asks before anything is spent, then shows live tables, and in the end the sums."""
    words = words_of("term", 4)
    desk.write(*words)
    with desk.terminal("run", "words.txt", *FEW) as terminal:
        terminal.wait_for("Proceed?")
        assert "batch price" in terminal.text
        assert not desk.checkpoint.path.exists()
        terminal.type("y\n")
        assert terminal.ended() == 0
        for shown in ("words/min", "expires in", "in flight", "━", "4 of 4"):
            assert shown in terminal.text
        assert all(f"batch_{batch['id'][6:9]}" in terminal.text for batch in desk.batches())
    assert_finished(desk, words)


def test_declined(desk_at: DeskMaker, quick: Sandbox) -> None:
    """Whoever says no, or nothing, or presses Ctrl-C at the question has sent and spent nothing, and can come back."""
    before = quick.stats()
    together(
        lambda: declined(desk_at(quick, "no"), "n\n"),
        lambda: declined(desk_at(quick, "nothing"), "\n"),
        lambda: declined(desk_at(quick, "interrupt"), "\x03"),
    )
    assert quick.stats() == before


def declined(desk: Desk, answer: str) -> None:
    """Answer the question so that nothing is begun."""
    desk.write("declined")
    with desk.terminal("run", "words.txt") as terminal:
        terminal.wait_for("Proceed?")
        terminal.type(answer)
        assert terminal.ended() == 130
        assert "Nothing was sent" in terminal.text
        assert "Traceback" not in terminal.text
    assert not desk.checkpoint.path.exists()


# ── runs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_run(desk: Desk) -> None:
    """A run given by options alone is done once: again it sends nothing; with --force it begins anew, and replaces."""
    words = [*words_of("again", 2), "en coulisse", "café"]
    desk.write(*words)
    settings = {name: value for name, value in desk.env.items() if name.startswith("BATCH_SYNTH_")}
    options = [f"--{name.removeprefix('BATCH_SYNTH_').lower().replace('_', '-')}={settings[name]}" for name in settings]
    bare, key = desk.bare(), {"OPENAI_API_KEY": desk.env["OPENAI_API_KEY"]}
    command = ("run", "words.txt", "--yes", "--components", "examples", "--model", "gpt-5.4-nano", *options)
    done = bare.do(*command, **key, BATCH_SYNTH_MODEL="gpt-4o-mini")
    assert (done.code, done.err) == (0, "")
    assert "Complete: 4 of 4 words processed" in done.out
    assert_finished(desk, words)
    assert set(desk.database.words.distinct("text")) == set(words)
    assert desk.ledger.run.settings.model == "gpt-5.4-nano"
    before, first, examples = desk.sandbox.stats(), desk.ledger, set(desk.database.examples.distinct("_id"))
    again = bare.do(*command, **key)
    assert (again.code, again.err, "Nothing to do" in again.out) == (0, "", True)
    assert (desk.sandbox.stats(), desk.ledger) == (before, first)
    assert bare.do(*command, "--force", **key).code == 0
    assert examples.isdisjoint(desk.database.examples.distinct("_id"))
    (aside,) = desk.folder.glob("words.checkpoint.2*.json")
    assert orjson.loads(aside.read_bytes())["run"]["id"] == first.run.id != desk.ledger.run.id


def test_dry_run(desk: Desk) -> None:
    """A dry run shows the cost and leaves the folder as it was, with neither key, service nor database."""
    desk.write(*words_of("dry", 3))
    before = desk.listing()
    done = desk.bare().do("run", "words.txt", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "3 words: 0 complete already, 3 without definitions" in done.out
    assert "batch price" in done.out
    assert desk.listing() == before


def test_passes(still: Desk) -> None:
    """Passes that never wait bring a run to its end; meanwhile and afterwards one sees how its batches stand."""
    words = words_of("pass", 2)
    still.write(*words)
    left = still.do(*RUN, "--no-wait")
    assert (left.code, "batch-synth resume --checkpoint words.checkpoint.json" in left.out) == (0, True)
    (batch,) = still.batches()
    during, one = still.each(("status",), ("status", batch["id"]))
    assert (during.code, during.err) == (one.code, one.err) == (0, "")
    assert all(shown in during.out for shown in (batch["id"], "in progress", "0/2"))
    assert all(shown in one.out for shown in ("0 of 2, 0 failed", batch["label"]))
    for wave in (2, 3):
        still.sandbox.control(finish=True)
        assert still.do(*RESUME, "--no-wait").code == 0
        assert len(still.batches()) == min(wave, 2)
    assert_finished(still, words)
    after = still.do("status", "--checkpoint", "words.checkpoint.json")
    _, second = still.ledger.chunks
    assert all(shown in after.out for shown in ("2/2", f"{second.requests}/{second.requests}", "done"))
    assert "in progress" not in after.out


def test_cancel(still: Desk) -> None:
    """A cancelled batch's finished answers are stored by the same command, and resume asks for the rest alone."""
    words = words_of("cancel", 4)
    still.write(*words)
    add_known(still.database, *words)
    before = still.sandbox.stats()["bodies_answered_more_than_once"]
    still.sandbox.control(faults=["partial_output=0.5"])
    assert still.do(*RUN, "--no-wait").code == 0
    (batch,) = still.batches()
    cancelled = still.do("cancel", "--checkpoint", "words.checkpoint.json")
    assert (cancelled.code, batch["id"] in cancelled.out, "resume --checkpoint" in cancelled.out) == (0, True, True)
    assert still.database.definitions.count_documents({"synthesis": {"$exists": True}}) > 0
    assert (len(still.batches()), still.ledger.totals().answered) == (1, 4)
    assert still.do(*RESUME, "--no-wait").code == 0
    still.sandbox.control(finish=True)
    assert still.do(*RESUME).code == 0
    assert_finished(still, words)
    assert [each["counts"]["completed"] for each in still.batches()] == [4, 4]
    assert still.sandbox.stats()["bodies_answered_more_than_once"] == before


def test_failures(desk: Desk) -> None:
    """Failed words are listed with what failed of each; a batch that is not the run's is shown with a note."""
    words = ["fineword", "refusedword"]
    desk.write(*words)
    add_known(desk.database, *words)
    with desk.sandbox.faults("refuse=refusedword"):
        run = desk.do(*RUN)
    assert (run.code, desk.ledger.processed_words) == (1, ["fineword"])
    (mine,), its = desk.batches(), ("--checkpoint", "words.checkpoint.json")
    listed, one, other, nothing = desk.each(
        ("failures", *its),
        ("status", mine["id"], *its),
        ("status", batch_of_a_stranger(desk.sandbox), *its),
        ("cancel",),  # the folder's only run
    )
    assert (listed.code, listed.err, listed.out.count("refusedword")) == (0, "", 3)
    assert "cefr_level" in listed.out
    assert listed.out.startswith("2 failures\n")
    assert re.search(r"2 +refused +refusedword", listed.out)
    assert "fineword" not in listed.out
    as_json(desk, mine["id"], listed.out)
    (record,) = desk.ledger.chunks
    assert f"{record.usage.input:,} in, {record.usage.output:,} out" in one.out
    assert "No chunk" not in one.out
    assert (nothing.code, "nothing to cancel" in nothing.out) == (0, True)
    assert (other.code, "No chunk of this checkpoint owns this batch" in other.out) == (0, True)


def as_json(desk: Desk, batch_id: str, listed: str) -> None:
    """The same as objects: a failure names the document that it was about, as the table does where there is room."""
    failed, chunks, batch = (orjson.loads(each.out) for each in desk.each(*JSON, ("status", batch_id, "--json")))
    assert failed["failed_words"].keys() == {"refusedword"}
    assert {each["custom_id"].split("-")[1] for each in failed["failures"]} == {
        str(each["document"]) for each in failed["failures"]
    }
    assert all(each["document"] in listed for each in failed["failures"])
    ids = [ObjectId(each["document"]) for each in failed["failures"]]
    assert desk.database.definitions.count_documents({"_id": {"$in": ids}}) == len(set(ids)) > 0
    (chunk,) = chunks["chunks"]
    assert (chunk["batch_id"], chunk["done"], chunk["failed"]) == (batch_id, 4, 2)
    assert (batch["id"], batch["status"], batch["total"]) == (batch_id, "completed", 4)


def batch_of_a_stranger(sandbox: Sandbox) -> str:
    """The id of a batch that no run made."""
    with OpenAI(api_key="any", base_url=sandbox.url) as client:
        held = client.files.create(file=("requests.jsonl", b"{}\n"), purpose="batch")
        order: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return client.batches.create(input_file_id=held.id, **order).id


def test_local_mongod(desk: Desk) -> None:
    """Without any server or key, a run with --sandbox works, keeps its data, and leaves no process behind."""
    desk.write("local")
    bare = desk.bare()
    quick = {"BATCH_SYNTH_SANDBOX_SECONDS": "0.1", "BATCH_SYNTH_POLL_INTERVAL": "0.1"}
    done = bare.do(*RUN, "--sandbox", **quick)
    assert (done.code, done.err) == (0, "")
    assert "Local MongoDB started at mongodb://127.0.0.1:" in done.out
    assert processes_in(desk.folder) == []
    again = bare.do("run", "words.txt", "--dry-run", "--checkpoint", "another.json", *FEW)
    assert (again.code, "1 complete already" in again.out) == (0, True)
    assert processes_in(desk.folder) == []


def processes_in(folder: Path) -> list[bytes]:
    """The command lines that name a folder."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes())
        except OSError:  # it has ended
            continue
    return [line for line in lines if str(folder).encode() in line]


# ── interrupted ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_first_interrupt(still: Desk) -> None:
    """Ctrl-C at the live tables leaves in good order and says how to go on; that command finishes the run."""
    words = words_of("stop", 3)
    still.write(*words)
    add_known(still.database, *words)
    with still.terminal(*RUN) as terminal:
        still.under_way(terminal.process)
        terminal.type("\x03")
        assert terminal.ended() == 130
        assert "Stopped. Go on with: batch-synth resume --checkpoint words.checkpoint.json" in terminal.text
        assert "Traceback" not in terminal.text
        assert "Complete" not in terminal.text
    still.sandbox.control(finish=True)
    done = still.do(*RESUME)
    assert (done.code, done.err) == (0, "")
    assert_finished(still, words)


def test_second_interrupt(still: Desk) -> None:
    """A second Ctrl-C ends at once, even while a batch is being made; resume finds the batch and makes no other."""
    words = words_of("twice", 3)
    still.write(*words)
    add_known(still.database, *words)
    still.sandbox.control(faults=["create_hold=20"])
    before = still.sandbox.next_batch()
    with still.doing(*RUN) as process:
        until(lambda: still.sandbox.next_batch() > before)
        process.send_signal(signal.SIGINT)
        assert "Stopping after the present step" in line_with(process, "Stopping")
        assert process.poll() is None
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        stopped = said(process)
    assert (stopped.code, time.monotonic() - asked < 3) == (130, True)
    assert stopped.err == "Stopped. Go on with: batch-synth resume --checkpoint words.checkpoint.json\n"
    assert still.states() == ["SUBMITTING"]
    still.sandbox.control(faults=[], finish=True)
    assert still.do(*RESUME).code == 0
    assert_finished(still, words)


def line_with(process: "subprocess.Popen[str]", text: str) -> str:
    """The line of a command's output that holds a text."""
    assert process.stdout is not None
    return next(line for line in process.stdout if text in line)


def test_two_at_once(still: Desk) -> None:
    """A second command leaves a checkpoint alone and says who has it; SIGTERM ends the first one in good order."""
    still.write("shared")
    add_known(still.database, "shared")
    with still.doing(*RUN) as process:
        still.under_way(process)
        second = still.do(*RESUME)
        assert (second.code, f"process {process.pid} " in second.err) == (3, True)
        assert KEY not in "".join(path.read_text() for path in still.folder.glob(".*"))
        process.terminate()
        stopped = said(process)
    assert (stopped.code, "resume --checkpoint" in stopped.err) == (130, True)
    assert len(still.batches()) == 1


# ── killed ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_killed(desk_at: DeskMaker, quick: Sandbox, frozen: Sandbox) -> None:
    """Killed at any moment, as often as you like, a run that is resumed pays for nothing twice, and finishes."""
    before = quick.stats()["bodies_answered_more_than_once"]
    by_state, at_random, held = desk_at(quick, "state"), desk_at(quick, "random"), desk_at(frozen, "held")
    together(
        lambda: killed_in_states(by_state),
        lambda: killed_at_random(at_random),
        lambda: killed_before_the_reply(held),
    )
    assert quick.stats()["bodies_answered_more_than_once"] == before


def started(desk: Desk) -> tuple[list[str], tuple[str, ...]]:
    """Known and unknown words in chunks of two, and the command that runs them."""
    words = words_of(desk.folder.name, 6)
    desk.write(*words)
    add_known(desk.database, *words[:3])
    return words, (*RUN, "--batch-size", "2")


STATES = ("PLANNED", "SUBMITTING", "SUBMITTED", "ANSWERED", "STORED", "DONE")


def killed_in_states(desk: Desk) -> None:
    """Killed at the first sight of a chunk in each state, or behind it."""
    words, command = started(desk)
    kills = 0
    for first in ("PLANNED", "SUBMITTED", "ANSWERED"):
        here = STATES[STATES.index(first) :]  # a state that lasts for a moment may not be seen
        with desk.doing(*command) as process:
            while not any(state in here for state in desk.states()) and process.poll() is None:
                time.sleep(0.002)
            kills += process.poll() is None
            process.kill()
            process.communicate()
        command = RESUME
    assert kills >= 2
    done = desk.do(*RESUME)
    assert (done.code, done.err) == (0, "")
    assert_finished(desk, words)


def killed_at_random(desk: Desk) -> None:
    """Killed at moments that a seed decides."""
    words, command = started(desk)
    chance = random.Random(20261120)  # noqa: S311  not for secrets
    for _ in range(3):
        with desk.doing(*command) as process:
            until(desk.checkpoint.path.exists)
            time.sleep(chance.uniform(0.3, 1.5))
            process.kill()
            process.communicate()
        command = RESUME
    assert desk.do(*RESUME).code == 0
    assert_finished(desk, words)


def killed_before_the_reply(desk: Desk) -> None:
    """Killed after a batch was made and before its id was known."""
    words = words_of("held", 2)
    desk.write(*words)
    add_known(desk.database, *words)
    desk.sandbox.control(faults=["create_hold=20"])
    before = desk.sandbox.next_batch()
    with desk.doing(*RUN) as process:
        until(lambda: desk.sandbox.next_batch() > before)
        process.kill()
        process.communicate()
    desk.sandbox.control(faults=[], finish=True)
    assert desk.do(*RESUME).code == 0
    assert_finished(desk, words)


# ── the command itself ─────────────────────────────────────────────────────────────────────────────────────────────


def test_sandbox_command(desk: Desk, free_port: int) -> None:
    """The sandbox can be started by itself, says where it is, and Ctrl-C ends it."""
    options = ("--port", str(free_port), "--data", "remembered", "--seconds", "0")
    with desk.doing("sandbox", *options) as process:
        assert f"http://127.0.0.1:{free_port}/v1" in line_with(process, "Sandbox at")
        assert Sandbox(f"http://127.0.0.1:{free_port}/v1").stats()["batches_created"] == 0
        process.send_signal(signal.SIGINT)
        assert (process.wait(10), "Traceback" in said(process).err) == (0, False)
