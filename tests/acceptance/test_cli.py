"""The command line, end to end: runs, interrupts, resumption, output."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai import OpenAI

from floridify_batch.words.entry import DocId, copied_id
from tests.acceptance.command import KEY, PATIENCE, Process, Shell, result_of, together, until
from tests.acceptance.conftest import ShellFactory
from tests.documents import add_known
from tests.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("refused")  # these go on while commands of the tests below wait

FEW = ("--components", "synonyms,cefr_level")
RUN = ("run", "words.txt", "--yes", *FEW)
JSON = (("failures", "--json"), ("status", "--json"))
RESUME = ("resume", "--checkpoint", "words.checkpoint.json")


def words_of(name: str, count: int) -> list[str]:
    """A number of words that no other test uses."""
    return [f"{name}{'abcdefghijkl'[number]}" for number in range(count)]


def assert_finished(shell: Shell, words: list[str]) -> None:
    """Every word is processed, and every chunk became one batch."""
    ledger = shell.ledger
    assert sorted(ledger.processed_words) == sorted(words)
    assert ledger.failed_words == {}
    assert {record.state for record in ledger.chunks} == {"DONE"}
    assert len(shell.batches()) == len(ledger.chunks)


# ── in a terminal ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_terminal(shell: Shell) -> None:
    """In a terminal: the estimate, a confirmation, live tables, and a summary."""
    words = words_of("term", 4)
    shell.write(*words)
    with shell.terminal("run", "words.txt", *FEW, installed=True) as terminal:
        terminal.wait_for("Proceed?")
        assert "batch price" in terminal.text
        assert not shell.checkpoint.path.exists()
        terminal.type("y\n")
        assert terminal.ended() == 0
        for shown in ("answers", "in flight", "━", "4 of 4"):
            assert shown in terminal.text
        assert all(f"batch_{batch['id'][6:9]}" in terminal.text for batch in shell.batches())
    assert_finished(shell, words)


def test_declined(make_shell: ShellFactory, quick: Sandbox) -> None:
    """A declined confirmation, by no, Enter or Ctrl-C, sends nothing and costs nothing."""
    before = quick.stats()
    together(
        lambda: declined(make_shell(quick, "no"), "n\n"),
        lambda: declined(make_shell(quick, "nothing"), "\n"),
        lambda: declined(make_shell(quick, "interrupt"), "\x03"),
    )
    assert quick.stats() == before


def declined(shell: Shell, answer: str) -> None:
    """Decline the confirmation."""
    shell.write("declined")
    with shell.terminal("run", "words.txt") as terminal:
        terminal.wait_for("Proceed?")
        terminal.type(answer)
        assert terminal.ended() == 130
        assert "Nothing was sent" in terminal.text
        assert "Traceback" not in terminal.text
    assert not shell.checkpoint.path.exists()


# ── runs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_run(shell: Shell) -> None:
    """A finished run sends nothing when repeated; with --force it regenerates everything."""
    words = [*words_of("again", 2), "en coulisse", "café"]
    shell.write(*words)
    settings = {name: value for name, value in shell.env.items() if name.startswith("BATCH_SYNTH_")}
    options = [f"--{name.removeprefix('BATCH_SYNTH_').lower().replace('_', '-')}={settings[name]}" for name in settings]
    bare, key = shell.bare(), {"OPENAI_API_KEY": shell.env["OPENAI_API_KEY"]}
    command = ("run", "words.txt", "--yes", "--components", "examples", "--model", "gpt-5.4-nano", *options)
    done = bare.run(*command, **key, BATCH_SYNTH_MODEL="gpt-4o-mini")
    assert (done.code, done.err) == (0, "")
    assert "Complete: 4 of 4 words processed" in done.out
    assert_finished(shell, words)
    assert set(shell.database.words.distinct("text")) == set(words)
    assert shell.ledger.run.settings.model == "gpt-5.4-nano"
    shown = bare.run("show", "EN", "coulisse")  # from the database of the only run here
    assert (shown.code, shown.out.startswith("\nen coulisse")) == (0, True)
    before, first, examples = shell.sandbox.stats(), shell.ledger, set(shell.database.examples.distinct("_id"))
    again = bare.run(*command, **key)
    assert (again.code, again.err, "Nothing to do" in again.out) == (0, "", True)
    assert (shell.sandbox.stats(), shell.ledger) == (before, first)
    assert bare.run(*command, "--force", **key).code == 0
    assert examples.isdisjoint(shell.database.examples.distinct("_id"))
    (aside,) = shell.folder.glob("words.checkpoint.2*.json")
    assert orjson.loads(aside.read_bytes())["run"]["id"] == first.run.id != shell.ledger.run.id


def test_dry_run(shell: Shell) -> None:
    """A dry run shows the cost and leaves the folder unchanged, without key, service or database."""
    shell.write(*words_of("dry", 3))
    before = shell.listing()
    done = shell.bare().run("run", "words.txt", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "3 words: 0 already complete, 3 new" in done.out
    assert "batch price" in done.out
    assert shell.listing() == before


def test_passes(paused: Shell) -> None:
    """Passes with --no-wait complete a run; meanwhile and afterwards `status` shows its batches."""
    words = words_of("pass", 2)
    paused.write(*words)
    left = paused.run(*RUN, "--no-wait")
    assert (left.code, "batch-synth resume --checkpoint words.checkpoint.json" in left.out) == (0, True)
    (batch,) = paused.batches()
    during, one = paused.each(("status",), ("status", batch["id"]))
    assert (during.code, during.err) == (one.code, one.err) == (0, "")
    assert all(shown in during.out for shown in (batch["id"], "in progress", "0/2"))
    assert all(shown in one.out for shown in ("0 of 2, 0 failed", batch["label"]))
    for wave in (2, 3):
        paused.sandbox.control(finish=True)
        assert paused.run(*RESUME, "--no-wait").code == (8 if wave == 2 else 0)  # 8: still in flight
        assert len(paused.batches()) == min(wave, 2)
    assert_finished(paused, words)
    after = paused.run("status", "--checkpoint", "words.checkpoint.json")
    _, second = paused.ledger.chunks
    assert all(shown in after.out for shown in ("2/2", f"{second.requests}/{second.requests}", "done"))
    assert "in progress" not in after.out


def test_cancel(paused: Shell) -> None:
    """`cancel` stores the finished answers of a batch, and `resume` requests only the rest."""
    words = words_of("cancel", 4)
    paused.write(*words)
    add_known(paused.database, *words)
    before = paused.sandbox.stats()["bodies_answered_more_than_once"]
    paused.sandbox.control(faults=["partial_output=0.5"])
    assert paused.run(*RUN, "--no-wait").code == 0
    (batch,) = paused.batches()
    cancelled = paused.run("cancel", "--yes", "--checkpoint", "words.checkpoint.json")
    short = f"{batch['id'][:7]}…{batch['id'][-8:]}"
    assert (cancelled.code, f"({short}) cancelled" in cancelled.out, "resume --checkpoint" in cancelled.out) == (
        0,
        True,
        True,
    )
    assert paused.database.definitions.count_documents({"synthesis": {"$exists": True}}) > 0
    assert (len(paused.batches()), paused.ledger.totals().answered) == (1, 4)
    assert paused.run(*RESUME, "--no-wait").code == 8
    paused.sandbox.control(finish=True)
    assert paused.run(*RESUME).code == 0
    assert_finished(paused, words)
    assert [each["counts"]["completed"] for each in paused.batches()] == [4, 4]
    assert paused.sandbox.stats()["bodies_answered_more_than_once"] == before


def test_failures(shell: Shell) -> None:
    """Failed words are listed with their failed components; a batch of another run is shown with a note."""
    words = ["fineword", "refusedword"]
    shell.write(*words)
    add_known(shell.database, *words)
    with shell.sandbox.faults("refuse=refusedword"):
        run = shell.run(*RUN)
    assert (run.code, shell.ledger.processed_words) == (1, ["fineword"])
    (mine,), its = shell.batches(), ("--checkpoint", "words.checkpoint.json")
    listed, words_alone, one, other, nothing = shell.each(
        ("failures", *its),
        ("failures", *its, "--words"),
        ("status", mine["id"], *its),
        ("status", batch_of_a_stranger(shell.sandbox), *its),
        ("cancel",),  # the folder's only run
    )
    assert (listed.code, listed.err, listed.out.count("refusedword ")) == (0, "", 5)
    assert words_alone.out == "refusedword\n"
    assert "cefr_level" in listed.out
    assert re.match(r"words\.checkpoint\.json · run \w+\n2 failures\n", listed.out)
    assert re.search(r"2 +refused +refusedword", listed.out)
    assert "fineword" not in listed.out
    as_json(shell, mine["id"], listed.out)
    (record,) = shell.ledger.chunks
    assert f"{record.usage.input:,} input, {record.usage.output:,} output" in one.out
    assert "does not belong" not in one.out
    assert (nothing.code, "nothing to cancel" in nothing.out) == (0, True)
    assert (other.code, "This batch does not belong to this checkpoint." in other.out) == (0, True)


def as_json(shell: Shell, batch_id: str, listed: str) -> None:
    """The JSON has the same content: a failure names its document, and has the text of its sense, as the table."""
    failed, chunks, batch = (orjson.loads(each.out) for each in shell.each(*JSON, ("status", batch_id, "--json")))
    assert failed["failed_words"].keys() == {"refusedword"}
    assert {each["custom_id"].split("-")[1] for each in failed["failures"]} == {
        str(each["document"]) for each in failed["failures"]
    }
    assert {each["sense"] for each in failed["failures"]} == {"the thing that is called refusedword"}
    assert "the thing that is called refusedword" in listed
    word = shell.database.words.find_one({"text": "refusedword"})
    assert word is not None
    sources = shell.database.definitions.find({"word_id": word["_id"]})  # no answer was stored, so there is no copy yet
    assert {each["document"] for each in failed["failures"]} == {
        copied_id(DocId(str(source["_id"]))) for source in sources
    }
    (chunk,) = chunks["chunks"]
    assert (chunk["batch_id"], chunk["done"], chunk["failed"]) == (batch_id, 4, 2)
    assert (batch["id"], batch["status"], batch["total"]) == (batch_id, "completed", 4)


def batch_of_a_stranger(sandbox: Sandbox) -> str:
    """Return the ID of a batch that belongs to no run."""
    with OpenAI(api_key="any", base_url=sandbox.url) as client:
        held = client.files.create(file=("requests.jsonl", b"{}\n"), purpose="batch")
        order: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return client.batches.create(input_file_id=held.id, **order).id


def test_local_mongod(shell: Shell) -> None:
    """Without any server or key, a run with --sandbox works, keeps its data, and leaves no process."""
    shell.write("local")
    bare = shell.bare()
    quick = {"BATCH_SYNTH_SANDBOX_SECONDS": "0.1", "BATCH_SYNTH_POLL_INTERVAL": "0.1"}
    done = bare.run(*RUN, "--sandbox", **quick)
    assert (done.code, done.err) == (0, "")
    assert re.search(r"(?m)^Sandbox at http://127\.0\.0\.1:\d+/v1; MongoDB at mongodb://127\.0\.0\.1:\d+/$", done.out)
    assert processes_in(shell.folder) == []
    again = bare.run("run", "words.txt", "--dry-run", "--sandbox", "--checkpoint", "another.json", *FEW)
    assert (again.code, "1 already complete" in again.out) == (0, True)
    assert processes_in(shell.folder) == []
    refused = bare.run(*RUN, "--sandbox", "--force", "--fault", "refuse=1", "--checkpoint", "faulty.json", **quick)
    assert (refused.code, "refused" in refused.out) == (1, True)


def test_sandbox_apart(shell: Shell) -> None:
    """--sandbox uses its own database and checkpoint and says so; a real run counts nothing of it as complete."""
    shell.write("apart")
    real = shell.env["BATCH_SYNTH_DATABASE"].removesuffix("_sandbox")
    quick = {"BATCH_SYNTH_SANDBOX_SECONDS": "0.1", "BATCH_SYNTH_DATABASE": real}
    done = shell.run(*RUN, "--sandbox", **quick)
    assert (done.code, done.err) == (0, "")
    assert f"Sandbox: the answers are invented. Database: {real}_sandbox " in " ".join(done.out.split())
    assert ", sandbox;" in done.out
    assert (shell.folder / "words.sandbox.checkpoint.json").exists()
    assert not shell.checkpoint.path.exists()
    assert real not in shell.database.client.list_database_names()
    dry = shell.run("run", "words.txt", "--dry-run", *FEW, **quick)
    assert "0 already complete" in dry.out
    status, costs, report, entry = shell.each(
        ("status",), ("costs",), ("report",), ("show", "apart", "--database", f"{real}_sandbox")
    )
    assert all("Sandbox: the answers of this run are invented" in each.out for each in (status, costs, report))
    assert "with invented answers" in (shell.folder / "words.sandbox.report.html").read_text(encoding="utf-8")
    assert (entry.code, "Sandbox: " in entry.err) == (0, True)


def test_invented_answers_are_refused(shell: Shell) -> None:
    """Answers of a sandbox at any address are not stored in a real database."""
    shell.known("refuse", 1)
    real = shell.env["BATCH_SYNTH_DATABASE"].removesuffix("_sandbox")
    refused = shell.run(*RUN, BATCH_SYNTH_DATABASE=real)
    assert (refused.code, "does not end in _sandbox" in refused.err) == (2, True)
    names = shell.database.client[real].list_collection_names()
    assert shell.database.client[real].synthesis.count_documents({}) == 0
    assert "Traceback" not in refused.err
    recovered = shell.run("recover", "--yes", "--run", shell.ledger.run.id, BATCH_SYNTH_DATABASE=real)
    shell.database.client.drop_database(real)
    assert "not stored: The answers are a sandbox's inventions" in recovered.out
    assert names


def processes_in(folder: Path) -> list[bytes]:
    """Return the command lines that name a folder."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes())
        except OSError:  # it has ended
            continue
    return [line for line in lines if str(folder).encode() in line]


# ── interrupted ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_first_interrupt(paused: Shell) -> None:
    """Ctrl-C during the live screen stops gracefully and prints the command to resume, which finishes the run."""
    words = words_of("stop", 3)
    paused.write(*words)
    add_known(paused.database, *words)
    with paused.terminal(*RUN) as terminal:
        paused.under_way(terminal.process)
        terminal.type("\x03")
        assert terminal.ended() == 130
        assert "Stopped. Resume with: batch-synth resume --checkpoint words.checkpoint.json" in terminal.text
        assert "Traceback" not in terminal.text
        assert "Complete" not in terminal.text
    paused.sandbox.control(finish=True)
    done = paused.run(*RESUME)
    assert (done.code, done.err) == (0, "")
    assert_finished(paused, words)


def test_second_interrupt(paused: Shell) -> None:
    """A second Ctrl-C exits immediately, even during a creation; resume finds the batch and creates no other."""
    words = words_of("twice", 3)
    paused.write(*words)
    add_known(paused.database, *words)
    paused.sandbox.control(faults=["create_hold=20"])
    before = paused.sandbox.next_batch()
    with paused.start(*RUN, installed=True) as process:
        until(lambda: paused.sandbox.next_batch() > before)
        process.send_signal(signal.SIGINT)
        assert "Stopping: finishing the current step" in line_with(process, "Stopping")
        assert process.poll() is None
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        stopped = result_of(process)
    assert (stopped.code, time.monotonic() - asked < 10) == (130, True)
    assert stopped.err == "Stopped. Resume with: batch-synth resume --checkpoint words.checkpoint.json\n"
    assert paused.states() == ["SUBMITTING"]
    paused.sandbox.control(faults=[], finish=True)
    assert paused.run(*RESUME).code == 0
    assert_finished(paused, words)


def line_with(process: Process, text: str) -> str:
    """Return the line of a command's output that contains a text."""
    assert process.stdout is not None
    return next(line for line in process.stdout if text in line)


def test_two_at_once(paused: Shell) -> None:
    """A second command leaves a checkpoint unchanged and names its holder; SIGTERM ends the first one gracefully."""
    paused.write("shared")
    add_known(paused.database, "shared")
    with paused.start(*RUN) as process:
        paused.under_way(process)
        second = paused.run(*RESUME)
        assert (second.code, f"process {process.pid} " in second.err) == (3, True)
        assert KEY not in "".join(path.read_text() for path in paused.folder.glob(".*"))
        process.terminate()
        stopped = result_of(process)
    assert (stopped.code, "resume --checkpoint" in stopped.err) == (130, True)
    assert len(paused.batches()) == 1


# ── the command itself ─────────────────────────────────────────────────────────────────────────────────────────────


def test_sandbox_command(shell: Shell, free_port: int) -> None:
    """The sandbox can be started alone, prints its address, and stops at Ctrl-C."""
    options = ("--port", str(free_port), "--data", "remembered", "--seconds", "0")
    with shell.start("sandbox", *options) as process:
        assert f"http://127.0.0.1:{free_port}/v1" in line_with(process, "Sandbox at")
        assert Sandbox(f"http://127.0.0.1:{free_port}/v1").stats()["batches_created"] == 0
        process.send_signal(signal.SIGINT)
        assert (process.wait(PATIENCE), "Traceback" in result_of(process).err) == (0, False)
