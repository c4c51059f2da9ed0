"""A MongoDB server that a test starts and kills."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from floridify_batch.database.server import find_mongod, server_arguments


@contextmanager
def mongod(folder: Path, port: int, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server over a folder until the block ends; it is killed."""
    binary = find_mongod()
    assert binary is not None
    with subprocess.Popen([*server_arguments(folder, binary, port), *options], stdout=subprocess.DEVNULL) as server:
        while not listens(port):
            assert server.poll() is None
            time.sleep(0.02)
        try:
            yield server
        finally:
            server.kill()


def listens(port: int) -> bool:
    """Whether a local port accepts connections."""
    with socket.socket() as probe:
        probe.settimeout(0.05)
        return probe.connect_ex(("127.0.0.1", port)) == 0
