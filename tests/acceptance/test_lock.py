"""The lock: one process per checkpoint; a dead process does not block."""

import re
import signal
import socket
from contextlib import ExitStack

from tests.acceptance.command import Shell, result_of, until

RUN = ("run", "words.txt", "--yes", "--components", "domain")
RESUME = ("resume", "-c", "words.checkpoint.json")
CROWD = 4


def test_started_at_the_same_moment(paused: Shell) -> None:
    """Of several runs started at once with one checkpoint, one works; the others name its process, host and start."""
    paused.write("moon", "sun")
    with ExitStack() as stack:
        processes = [stack.enter_context(paused.start(*RUN)) for _ in range(CROWD)]
        until(lambda: sum(process.poll() is not None for process in processes) == CROWD - 1)
        (working,) = [process for process in processes if process.poll() is None]
        others = [result_of(process) for process in processes if process is not working]
        paused.under_way(working)
        paused.through(working)
        assert result_of(working).code == 0
    for result in others:
        assert (result.code, result.err.count("\n")) == (3, 1)
        assert "words.checkpoint.json is in use by " in result.err
    holder = rf"process {working.pid} on {re.escape(socket.gethostname())} since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d"
    assert all(re.search(rf"{holder}|another process", result.err) for result in others)
    labels = [batch["label"] for batch in paused.batches()]
    assert len(labels) == len(set(labels)) == len(paused.ledger.chunks)
    assert sorted(paused.ledger.processed_words) == ["moon", "sun"]


def test_named_while_it_works(paused: Shell) -> None:
    """A second process is refused with the host, the pid and the start of the first; after a kill it can start."""
    paused.write("moon")
    with paused.start(*RUN) as working:
        paused.under_way(working)
        for command in (RUN, RESUME):
            result = paused.run(*command)
            assert result.code == 3
            assert f"in use by process {working.pid} on {socket.gethostname()} since 20" in result.err
        working.send_signal(signal.SIGKILL)
        working.wait()
    holders = [path.name for path in paused.folder.iterdir() if path.name.endswith(".holder")]
    assert holders, "what a killed process signed is still there"
    assert paused.run(*RESUME, "--no-wait").code == 8
    assert len(paused.batches()) == 1
