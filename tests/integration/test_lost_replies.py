"""Immediate replies that are cut, dropped, replaced or wrapped on their way: each costs its own request alone."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.errors import ServiceRefused
from floridify_batch.run.budget import cost_limit_of
from tests.sandbox import Sandbox
from tests.workspace import Workspace

WORDS = [f"lost{letter}word" for letter in "abcde"]
AT_ONCE: dict[str, Any] = {"components": "definitions", "immediate": True}
DEFINITIONS = SynthesisComponent.DEFINITIONS


@pytest.mark.parametrize(("fault", "sent"), [("chat_cut", 1), ("chat_page", 1), ("chat_drop", 2)])
async def test_every_reply_is_lost(workspace: Workspace, sandbox: Sandbox, fault: str, sent: int) -> None:
    """Requests whose replies are always lost fail after their attempts, with a reason and an unknown cost; the run
    ends, and another session sends none of them.
    """
    before = sandbox.stats()["chat_requests"]
    with sandbox.faults(f"{fault}=1"):
        ended = await workspace.run(WORDS, max_attempts=2, **AT_ONCE)
        again = await workspace.run(WORDS, max_attempts=2, **AT_ONCE)
    assert (ended.code, again.code) == (1, 1)
    assert sandbox.stats()["chat_requests"] - before == len(WORDS) * 2 * sent
    spent = again.ledger.spent[DEFINITIONS]
    assert (spent.failed, spent.answered, spent.unmetered, spent.cost) == (len(WORDS) * 2, 0, len(WORDS) * 2, None)
    details = [each.detail for failures in ended.failures(2).values() for each in failures]
    assert len(details) == len(WORDS)
    assert all("the service" in each for each in details)


async def test_some_replies_are_lost(workspace: Workspace, sandbox: Sandbox) -> None:
    """Requests with a lost reply are sent once more, others once; the cost stays unknown, and the cost limit counts the
    expected cost of the lost ones.
    """
    before = sandbox.stats()["chat_requests"]
    with sandbox.faults(f"chat_cut=1@{before + 2}"):
        ended = await workspace.run(WORDS, max_cost=Decimal(1), **AT_ONCE)
    assert (ended.code, sorted(ended.ledger.processed_words)) == (0, WORDS)
    assert sandbox.stats()["chat_requests"] - before == len(WORDS) + 2
    assert (ended.ledger.totals().cost, ended.ledger.spent[DEFINITIONS].unmetered) == (None, 2)
    limit = cost_limit_of(ended.ledger)
    assert limit is not None
    assert limit.spent > limit.rate.cost(ended.ledger.totals().usage)


async def test_wrapped_replies(workspace: Workspace, sandbox: Sandbox) -> None:
    """A byte order mark and a gateway's comment cost nothing: each request is sent once, and has its cost."""
    before = sandbox.stats()["chat_requests"]
    with sandbox.faults("chat_wrapped=1"):
        ended = await workspace.run(WORDS, **AT_ONCE)
    assert (ended.code, sandbox.stats()["chat_requests"] - before) == (0, len(WORDS))
    assert ended.ledger.totals().cost


async def test_a_cache_without_an_end(workspace: Workspace, sandbox: Sandbox) -> None:
    """A cache that returns one completion for everything ends the requests with exit code 4, and says why; the answers
    of `resume` are those of a service without it.
    """
    words = [f"cached{first}{second}word" for first in "abcdefgh" for second in "abcdefgh"]
    before = sandbox.stats()["chat_requests"]
    with sandbox.faults("chat_repeat=1"), pytest.raises(ServiceRefused, match=r"one completion .* cache between"):
        await workspace.run(words, concurrency=2, **AT_ONCE)
    assert sandbox.stats()["chat_requests"] - before < len(words)
    ended = await workspace.resume()
    assert (ended.code, sorted(ended.ledger.processed_words)) == (0, words)


async def test_one_completion_for_all(workspace: Workspace, sandbox: Sandbox) -> None:
    """One completion that a cache returns for different requests is stored for none of them: they fail, with a reason,
    their cost is known once and otherwise unknown, and the run goes on when the cache is off.
    """
    with sandbox.faults("chat_repeat=1"):
        ended = await workspace.run(WORDS, max_attempts=2, **AT_ONCE)
    assert (ended.code, ended.ledger.processed_words) == (1, [])
    spent = ended.ledger.spent[DEFINITIONS]
    assert (spent.answered, spent.failed) == (0, len(WORDS) * 2)
    assert (spent.cost, spent.unmetered) == (None, len(WORDS) * 2 - 1)
    details = [each.detail for failures in ended.failures(2).values() for each in failures]
    assert all("one completion for this and other requests" in each for each in details)
    again = await workspace.resume_in(replace(workspace.session_of("words"), retry_failed=True))
    assert (again.code, sorted(again.ledger.processed_words)) == (0, WORDS)
