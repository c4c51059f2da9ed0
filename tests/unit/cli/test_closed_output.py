"""A closed output ends a command quietly, and a closed connection does not end it."""

import signal
import subprocess
import sys

import pytest

_PREPARED = "from floridify_batch.cli.closed_output import end_on_closed_output, flush_output; end_on_closed_output()\n"

_CONNECTION = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
ours = socket.create_connection(server.getsockname())
server.accept()[0].close()
refused = 0
for _ in range(20):
    try:
        ours.send(b"x")
    except OSError:
        refused += 1
    time.sleep(0.01)
print("went on" if refused else "was not refused")
"""

_MANY_LINES = """
try:
    for number in range(10**6):
        print("line", number)
except OSError:
    print("was not ended")
"""

_BUFFERED_LINE = """
import sys, time
print("line")
time.sleep(0.5)
flush_output()
time.sleep(60)
"""


def _started(code: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _PREPARED + code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_closed_connection() -> None:
    """A connection that the server or the database closes is an error of that connection; the process goes on."""
    process = _started(_CONNECTION)
    assert process.communicate(timeout=60) == (b"went on\n", b"")
    assert process.returncode == 0


@pytest.mark.parametrize("code", [_MANY_LINES, _BUFFERED_LINE], ids=["while it writes", "at its end"])
def test_closed_output(code: str) -> None:
    """A command whose output is closed, as by `head`, ends by SIGPIPE and prints nothing."""
    process = _started(code)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == -signal.SIGPIPE
    process.stderr.close()
