"""Compatibility check: a whole run of 40 words against batch servers of other makes.

For each server the report says how many words were processed and which failures occurred. The exit code is 1 if a
server did not process all words.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from floridify_batch.database.server import local_mongod
from floridify_batch.sandbox.process import running_sandbox
from scripts.compatibility.server import AIBRIX, KEY, LITELLM, OGX, Server, started, states

_WORDS = """
    able arch bank bell calm cone dear dove echo elm fern flax gate glad hare hill iron isle jade jug keen kelp lamp
    lark mild moss nest nook oak opal pond quay reed sand tide urn vale wave yard zeal
"""
WORDS = _WORDS.split()

CASES: dict[str, tuple[Server, ...]] = {
    "ogx": (OGX,),
    "aibrix": (AIBRIX,),
    "litellm-ogx": (OGX, LITELLM),
    "litellm-aibrix": (AIBRIX, LITELLM),
}
"""The servers of each case, from the backend to the front end."""

_TIMEOUT = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named cases, or all, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="SERVER", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--folder", type=Path, help="keep the servers' virtual environments in this folder")
    options = parser.parse_args(arguments)
    if unknown := set(options.cases) - CASES.keys():
        parser.error(f"unknown server {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="servers-") as temporary:
        environments = options.folder or Path(temporary)
        complete = [_tried(name, environments) for name in options.cases or CASES]
    print(f"{sum(complete)} of {len(complete)} servers processed all {len(WORDS)} words.")
    return 0 if all(complete) else 1


def _tried(name: str, environments: Path) -> bool:
    print(f"── {name}", flush=True)
    try:
        return _run(name, environments)
    except (RuntimeError, subprocess.CalledProcessError) as problem:
        print(f"   {problem}")
        return False


def _run(name: str, environments: Path) -> bool:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="servers-")))
        backend = stack.enter_context(running_sandbox(folder / "sandbox", seconds=0.2)).removesuffix("/v1")
        mongo = stack.enter_context(local_mongod(folder / "mongo")).url
        address, model = "", CASES[name][0].model  # a proxy forwards files as they are
        for server in CASES[name]:
            commands = server.install(environments)
            place = folder / server.name
            address = stack.enter_context(started(server, commands, place, backend, address))
        return _batch_synth(folder, f"{address}/v1", model, mongo)


def _batch_synth(folder: Path, base_url: str, model: str, mongo: str) -> bool:
    (folder / "words.txt").write_text("\n".join(WORDS))
    command = [str(Path(sys.executable).with_name("batch-synth")), "run", "words.txt", "--yes", "--poll-interval", "1"]
    command += [
        "--components",
        "definitions,synonyms,cefr_level",
        "--database",
        "servers_sandbox",
        "--base-url",
        base_url,
        "--model",
        model,
    ]
    environment = {**os.environ, "OPENAI_API_KEY": KEY, "MONGODB_URL": mongo}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired as expired:
        print(f"   not finished after {_TIMEOUT} s")
        for line in bytes(expired.stdout or b"").decode(errors="replace").splitlines()[-3:]:
            print(f"   {line[:200]}")
        return False
    for line in (*done.stdout.splitlines()[-3:], *done.stderr.splitlines()[-3:]):
        print(f"   {line[:200]}")
    checkpoint = folder / "words.checkpoint.json"
    if checkpoint.exists():
        print(f"   exit code {done.returncode}, {states(checkpoint)}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
