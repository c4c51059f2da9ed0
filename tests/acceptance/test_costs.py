"""Costs on the command line: the cost limit, a user's price, the bill, and dry runs."""

import json

from floridify_batch.run.ledger import ChunkState
from tests.acceptance.command import Shell

FEW = ("--components", "synonyms,cefr_level")
RUN = ("run", "words.txt", "--yes", *FEW)
RESUME = ("resume", "--checkpoint", "words.checkpoint.json")
COSTS = ("costs", "--checkpoint", "words.checkpoint.json")


def test_cost_limit(shell: Shell) -> None:
    """A run stops at its cost limit with exit code 6, prints the remaining words, and continues with a higher limit."""
    words = shell.known("wall", 10)
    dear = ("--price", "in=100,out=100")
    before = shell.sandbox.stats()["bodies_answered_more_than_once"]
    stopped = shell.run(*RUN, *dear, "--max-cost", "0.3")
    assert stopped.code == 6, stopped
    ledger = shell.ledger
    assert 0 < len(ledger.processed_words) < len(words)
    assert not list(ledger.in_state(ChunkState.SUBMITTED))
    assert "--max-cost 0.3 is reached" in stopped.out
    assert f"{len(words) - len(ledger.processed_words)} words remaining" in stopped.out
    assert "batch-synth resume --checkpoint words.checkpoint.json --max-cost" in stopped.out
    again = shell.run(*RESUME)
    assert again.code == 6
    done = shell.run(*RESUME, "--max-cost", "1000")
    assert done.code == 0, done
    assert sorted(shell.ledger.processed_words) == sorted(words)
    assert shell.sandbox.stats()["bodies_answered_more_than_once"] == before


def test_cost_limit_in_immediate_mode(shell: Shell) -> None:
    """The cost limit holds in immediate mode, too."""
    shell.known("nearwall", 8)
    stopped = shell.run(*RUN, "--immediate", "--price", "in=100,out=100", "--max-cost", "0.4")
    assert stopped.code == 6, stopped
    total = shell.ledger.totals()
    assert total.processed > 0
    assert total.open_words > 0


def test_cost_limit_needs_a_price(shell: Shell) -> None:
    """A cost limit without a price is refused before the run starts, with the option that sets the price."""
    shell.known("noprice", 1)
    refused = shell.run(*RUN, "--model", "gpt-of-nobody", "--max-cost", "5")
    assert refused.code == 2
    assert "--price in=0.05,out=0.25" in refused.err
    assert not shell.checkpoint.path.exists()


def test_an_unknown_price_is_unknown(shell: Shell) -> None:
    """An unknown cost is never zero, and past usage is priced as soon as a price is given."""
    shell.known("unpriced", 2)
    done = shell.run(*RUN, "--model", "gpt-of-nobody")
    assert done.code == 0, done
    assert "$" not in done.out.split("Estimate")[0]
    assert shell.ledger.total_cost is None
    assert "unknown" in shell.run(*COSTS).out
    assert shell.run(*RESUME, "--price", "in=1,out=2").code == 0
    usage = shell.ledger.totals().usage
    assert shell.ledger.total_cost == (usage.input + 2 * usage.output) / 10**6


def test_costs(shell: Shell) -> None:
    """The bill is a panel, or a JSON object, for the only checkpoint of the folder."""
    shell.known("bill", 3)
    assert shell.run(*RUN, "--batch-size", "2").code == 0
    panel, result = shell.each(("costs",), (*COSTS, "--json"))
    for text in ("Costs", "spent", "at standard rate", "(this run: 50% less)", "estimate", "synonyms", "batch_"):
        assert text in panel.out
    bill = json.loads(result.out)
    ledger = shell.ledger
    assert float(bill["cost"]) == ledger.total_cost
    assert {name: each["answered"] for name, each in bill["components"].items()} == {"synonyms": 3, "cefr_level": 3}
    assert [each["batch_id"] for each in bill["batches"]] == [record.batch_id for record in ledger.chunks]
    assert float(bill["immediate_cost"]) == 2 * float(bill["cost"])
    assert bill["estimate"]["requests"] == 6


def test_a_dry_run_for_programs(paused: Shell) -> None:
    """A dry run prints its estimate as one line of JSON: for a new run, for the rest of one, and for nothing."""
    paused.known("told", 4)
    dry = ("run", "words.txt", "--dry-run", "--output", "json", *FEW)
    new = paused.run(*dry, "--max-cost", "5")
    assert (new.code, new.err.startswith("Read 4 words from words.txt"), new.out.count("\n")) == (0, True, 1)
    result = json.loads(new.out)
    assert (result["event"], result["words"], result["now"]["requests"], result["max_cost"]) == ("estimated", 4, 8, "5")
    assert set(result["components"]) == {"synonyms", "cefr_level"}
    assert float(result["immediate_cost"]) == 2 * float(result["cost"]["expected"]) > 0
    assert paused.run(*RUN, "--no-wait", "--batch-size", "2", "--max-batches", "1").code == 0
    rest = json.loads(paused.run(*dry).out)
    assert (rest["words"], rest["now"]["requests"]) == (2, 4)
    assert any("2 words in flight" in note for note in rest["notes"])
    for code in (8, 0):  # the second batch is in flight after the first one's answers
        paused.sandbox.control(finish=True)
        assert paused.run(*RESUME, "--no-wait").code == code
    finished = paused.run(*dry)
    assert (finished.code, "Nothing to do" in finished.err) == (0, True)
    nothing = json.loads(finished.out)
    assert (nothing["now"]["requests"], nothing["chunks"], float(nothing["spent"]) > 0) == (0, [], True)


def test_a_dry_run_says_what_run_would_do(paused: Shell) -> None:
    """A dry run with a checkpoint estimates the rest of its run, or nothing for a finished one; it changes nothing."""
    words = paused.known("rest", 4)
    assert paused.run(*RUN, "--no-wait", "--batch-size", "2", "--max-batches", "1").code == 0
    before = paused.checkpoint.path.read_bytes()
    rest = paused.run("run", "words.txt", "--dry-run", *FEW)
    assert rest.code == 0, rest
    assert "2 words: 0 already complete" in rest.out
    assert "2 words in flight" in rest.out
    other = paused.run("run", "words.txt", "--dry-run", "--components", "register")
    assert other.code == 3
    assert paused.checkpoint.path.read_bytes() == before
    for code in (8, 0):  # the second batch is in flight after the first one's answers
        paused.sandbox.control(finish=True)
        assert paused.run(*RESUME, "--no-wait").code == code
    assert sorted(paused.ledger.processed_words) == sorted(words)
    finished = paused.run("run", "words.txt", "--dry-run", *FEW)
    assert finished.code == 0
    assert "Nothing to do" in finished.out
