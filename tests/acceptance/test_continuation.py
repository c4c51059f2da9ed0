"""Ways to continue a run: another model, moved templates, other settings, and a database that refuses a document."""

import signal
import time

import orjson
import pytest
from bson import encode

from tests.acceptance.command import PATIENCE, CommandResult, Shell, until
from tests.documents import owned

PARTS = ("--components", "synonyms,cefr_level")
RUN = ("run", "words.txt", "--yes", *PARTS)
SMALL = ("--batch-size", "4", "--max-batches", "1")
FILE = "words.checkpoint.json"
RESUME = ("resume", "-c", FILE)
IN_FLIGHT = 8
OTHER = "gpt-5.4-nano"


def models(shell: Shell) -> list[str | None]:
    """Return the models of the run's batches, oldest first."""
    return [batch["model"] for batch in shell.batches()]


def finished(shell: Shell, result: CommandResult, words: list[str]) -> None:
    assert (result.code, result.err) == (0, "")
    assert sorted(shell.ledger.processed_words) == words
    generated = owned(shell.database)
    assert len({each["word_id"] for each in generated}) == len(words)
    assert all("cefr_level" in each["synthesis"] for each in generated)  # the level itself may be null


def test_a_refused_form(shell: Shell) -> None:
    """A model that refuses the form of all requests costs one batch; another model answers the rest."""
    words = shell.known("form", 12)
    with shell.sandbox.faults("refuse_model=luna"):
        stopped = shell.run(*RUN, *SMALL)
        assert stopped.code == 4
        assert "refused all 8 requests of batch 1" in stopped.err
        assert "Unsupported parameter: 'response_format' is not supported with the model 'gpt-6-luna'" in stopped.err
        assert "--model NAME" in stopped.err
        assert (shell.states(), len(shell.batches())) == (["ANSWERED"], 1)
        unasked = shell.run(*RESUME, "--model", OTHER)
        assert unasked.code == 2
        assert "pass --yes" in unasked.err
        assert OTHER in unasked.out
        assert "12 words" in unasked.out
        assert shell.ledger.run.settings.model == "gpt-6-luna"
        resumed = shell.run(*RESUME, "--model", OTHER, "--yes")
    finished(shell, resumed, words)
    assert models(shell) == ["gpt-6-luna", OTHER, OTHER, OTHER]
    assert shell.database.synthesis_stamps.distinct("model") == [OTHER]


def test_another_request_option(shell: Shell) -> None:
    """A field that the model refuses is removed by `resume --request-option`, and the refused words are sent again."""
    words = shell.known("option", 4)
    stopped = shell.run(*RUN, "--request-option", 'reasoning_effort="enormous"')
    assert stopped.code == 4
    assert "reasoning_effort" in stopped.err
    finished(shell, shell.run(*RESUME, "--request-option", 'reasoning_effort="low"'), words)
    assert len(shell.batches()) == 2


def test_a_model_in_the_middle(paused: Shell) -> None:
    """With another model, batches in flight keep theirs; their answers are stored, and none is requested twice."""
    words = paused.known("middle", 12)
    assert paused.run(*RUN, *SMALL, "--no-wait").code == 0
    paused.sandbox.control(finish=True)
    with paused.start(*RESUME, "--model", OTHER, "--yes", "--max-batches", "20") as process:
        paused.through(process)
        assert process.returncode == 0
    assert sorted(paused.ledger.processed_words) == words
    assert models(paused) == ["gpt-6-luna", OTHER, OTHER]
    assert sorted(paused.database.synthesis_stamps.distinct("model")) == [OTHER, "gpt-6-luna"]
    assert paused.ledger.totals().answered == 24
    costs = orjson.loads(paused.run("costs", "-c", "words.checkpoint.json", "--json").out)
    assert float(costs["cost"]) == pytest.approx(paused.ledger.total_cost)


def test_a_refused_creation(shell: Shell) -> None:
    """The error of a refused creation names the options: another model, or other settings."""
    words = shell.known("refusal", 3)
    with shell.sandbox.faults("create_400=2"):
        refused = shell.run(*RUN)
        assert refused.code == 4
        assert "Nothing of this run has been sent: start it again with other options" in refused.err
        assert shell.run(*RESUME).code == 4
        first = shell.ledger.run.id
        started = shell.run(*RUN, "--model", OTHER)
    finished(shell, started, words)
    assert "Previous run kept as words.checkpoint." in started.out
    assert shell.ledger.run.id != first
    assert models(shell) == [OTHER]
    shell.known("other", 3)
    again = shell.run(*RUN, "--model", "gpt-4o-mini", "--no-wait")
    assert again.code == 0, again.err
    refused = shell.run(*RUN, "--model", OTHER)
    assert refused.code == 3
    assert f"(with --model NAME, if it needs another model): batch-synth resume --checkpoint {FILE}\n" in refused.err


@pytest.mark.parametrize("fault", ["content_500=1000000", "content_hold=60", "content_denied=1000000"])
@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_stopped_without_answers(shell: Shell, fault: str, signal_: signal.Signals) -> None:
    """A run whose downloads do not end does not wait for them at SIGTERM or Ctrl-C, and stores the answers later."""
    words = shell.known("held", 2)
    with shell.sandbox.faults(fault), shell.start(*RUN) as process:
        until(lambda: shell.states() == ["SUBMITTED"])
        until(lambda: {batch["status"] for batch in shell.batches()} == {"completed"})
        time.sleep(1)
        process.send_signal(signal_)
        began = time.monotonic()
        assert process.wait(PATIENCE) == 130
        assert time.monotonic() - began < 30  # under a second on an idle core; the downloads would take a minute
    assert shell.states() == ["SUBMITTED"]
    finished(shell, shell.run(*RESUME), words)
    assert len(shell.batches()) == 1


def test_templates(shell: Shell) -> None:
    """Moved templates are found by `--templates`; one with answers may not change, and others may."""
    words = shell.known("moved", 4)
    folder = shell.folder / "prompts"
    folder.mkdir()
    for component in ("definitions", "synonyms", "cefr_level"):
        (folder / f"{component}.md").write_text(f"{component} of {{{{ word }}}}")
    with shell.sandbox.faults("create_400=1"):
        assert shell.run(*RUN, "--templates", "prompts", "--batch-size", "2").code == 4
    moved = folder.rename(shell.folder / "elsewhere")
    lost = shell.run(*RESUME)
    assert lost.code == 2
    assert f"not at {folder}; pass their new path: resume --templates DIR" in lost.err
    (moved / "synonyms.md").write_text("like {{ word }}")
    pass_on = (*RESUME, "--no-wait", "--max-batches", "1")
    resumed = shell.run(*pass_on, "--templates", "elsewhere")
    assert resumed.code == IN_FLIGHT, resumed.err
    until(lambda: shell.run(*pass_on).code == IN_FLIGHT and bool(shell.ledger.processed_words))
    (moved / "synonyms.md").write_text("unlike {{ word }}")
    refused = shell.run(*RESUME)
    assert refused.code == 3
    assert f"The templates for synonyms in {moved} have changed since words.checkpoint.json was started" in refused.err
    (moved / "synonyms.md").write_text("like {{ word }}")
    finished(shell, shell.run(*RESUME), words)


def test_a_document_that_is_refused(shell: Shell) -> None:
    """A document that a validator refuses defers its batch; the other batches are done, and it is stored later."""
    words = shell.known("valid", 6)
    odd = shell.database.words.find_one({"text": "valideword"})
    assert odd is not None
    refusing = {"$or": [{"cefr_level": None}, {"word_id": {"$ne": odd["_id"]}}]}
    shell.database.command("collMod", "definitions", validator=refusing)
    left = shell.run(*RUN, "--batch-size", "2")
    assert left.code == 1
    assert (
        'Batch 3 is not processed: The database refused a write to definitions for the word "valideword": Document'
        in left.err
    )
    assert "Everything else is done." in left.err
    assert sorted(shell.ledger.processed_words) == words[:4]
    shell.database.command("collMod", "definitions", validator={})
    finished(shell, shell.run(*RESUME), words)
    assert len(shell.batches()) == 3


def test_a_document_that_is_too_large(shell: Shell) -> None:
    """A document that cannot be updated any more defers its batch, which can be given up."""
    words = shell.known("large", 4)
    word = shell.database.words.find_one({"text": words[0]})
    assert word is not None
    definition = shell.database.definitions.find_one({"word_id": word["_id"]})
    padding = "x" * (16 * 1024 * 1024 - len(encode(definition or {})) - 64)
    shell.database.definitions.update_one({"word_id": word["_id"]}, {"$set": {"remark": padding}})
    left = shell.run(*RUN, "--batch-size", "2")
    assert left.code == 1
    assert "Batch 1 is not processed" in left.err
    assert sorted(shell.ledger.processed_words) == words[2:]
    batch = shell.ledger.chunk(1).batch_id or ""
    assert f"resume --give-up {batch}" in left.err
    given_up = shell.run(*RESUME, "--give-up", batch)
    assert given_up.code == 1
    assert list(shell.ledger.missing) == [words[0]]
    assert sorted(shell.ledger.processed_words) == words[1:]
    assert len(shell.batches()) == 2


def test_a_unique_index(shell: Shell) -> None:
    """A unique index that answers violate defers their batch, and the next resume stores it."""
    words = shell.known("unique", 4)
    shell.database.synthesis_stamps.create_index("run", unique=True)
    left = shell.run("run", "words.txt", "--yes", "--components", "cefr_level", "--batch-size", "2")
    assert left.code == 1
    assert "duplicate key" in left.err
    shell.database.synthesis_stamps.drop_index("run_1")
    finished(shell, shell.run(*RESUME), words)
    assert len(shell.batches()) == 2


def test_killed_in_the_pilot(shell: Shell) -> None:
    """The same command continues a pilot that was killed, and then the run; no answer is requested twice."""
    words = shell.known("sampled", 6)
    before = shell.sandbox.stats()["bodies_answered_more_than_once"]
    run = ("run", "words.txt", "--yes", "--pilot", "3", "--concurrency", "1", "--components", "synonyms,cefr_level")
    assert shell.run(*run, BATCH_SYNTH_DIE_AT="after-request@3").code == -9
    assert not shell.checkpoint.path.exists()
    ended = shell.run(*run)
    assert ended.code == 0, ended
    assert sorted(shell.ledger.processed_words) == sorted(words)
    assert shell.ledger.carried_words == 3
    assert shell.sandbox.stats()["bodies_answered_more_than_once"] - before <= 1  # the one in flight at the death


def test_the_question_after_a_pilot(shell: Shell) -> None:
    """The run asks before its pilot, and again, with the measured cost, before the rest; "no" keeps the pilot, and the
    next run continues after it.
    """
    words = shell.known("asked", 5)
    run = ("run", "words.txt", "--pilot", "2", "--components", "cefr_level")
    with shell.terminal(*run) as terminal:
        terminal.wait_for("Proceed?")
        terminal.type("y\n")
        until(lambda: terminal.text.count("Proceed?") == 2)
        assert "Pilot · " in terminal.text
        terminal.type("n\n")
        assert terminal.ended() == 130
    sent = shell.sandbox.stats()
    assert not shell.checkpoint.path.exists()
    assert shell.run(*run, "--yes").code == 0
    assert (shell.ledger.carried_words, sorted(shell.ledger.processed_words)) == (2, sorted(words))
    assert shell.sandbox.stats()["chat_requests"] == sent["chat_requests"]
