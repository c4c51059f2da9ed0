"""The demonstration `scripts/demo`: imports definitions, runs a list against the sandbox, and shows an entry.

All its files are in demo-data. The run gets none of the user's settings, neither a key nor a database.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from floridify_batch.cli.import_ import import_file
from floridify_batch.cli.show import show_word
from floridify_batch.database.connection import Place
from floridify_batch.database.server import local_mongod
from floridify_batch.display.console import say
from floridify_batch.errors import BatchSynthError

WORDS = "scripts/demos/data/words.txt"
DEFINITIONS = "scripts/demos/data/definitions.jsonl"
PROVIDER = "wiktionary"
"""A provider that Floridify knows; the definitions are our own."""

DATABASE = "floridify_sandbox"
CHECKPOINT = "demo-data/words.checkpoint.json"
SHOWN = "tear"
FINISHED = 0

ROOT = Path(__file__).parents[2]
MONGO_FOLDER = Place(None, DATABASE, ROOT / "demo-data").data_folder

NEXT = f"""
The answers are invented by the sandbox; everything else is as in a real run.
All files are in demo-data. In this folder, batch-synth is .venv/bin/batch-synth. Next commands:

  .venv/bin/batch-synth show façade -c {CHECKPOINT}
  .venv/bin/batch-synth status -c {CHECKPOINT}
  scripts/demo            # run it again: nothing is sent
  scripts/demo --fresh    # start over; Ctrl-C stops, scripts/demo continues

With your own word list: a trial with invented answers; then, with an OpenAI
API key, estimate, run, resume:

  .venv/bin/batch-synth run WORDS.txt --sandbox
  export OPENAI_API_KEY=…
  .venv/bin/batch-synth run WORDS.txt --dry-run
  .venv/bin/batch-synth run WORDS.txt
  .venv/bin/batch-synth resume -c WORDS.checkpoint.json"""


def main() -> int:
    """Run the demonstration and return the run's exit code."""
    if "--fresh" in sys.argv[1:]:
        _forget()
    with local_mongod(MONGO_FOLDER) as mongo:  # held all along, so that the run finds it and need not start its own
        place = Place(mongo.url, DATABASE)
        say(f"Importing definitions for half of the words in {WORDS} into a local MongoDB in demo-data.")
        asyncio.run(import_file(Path(DEFINITIONS), place, provider=PROVIDER))
        code = _run("run", WORDS, "--checkpoint", CHECKPOINT, "--sandbox", "--yes", "--batch-size", "10")
        if code != FINISHED:
            say("The demonstration is not finished. Continue with scripts/demo, or start over: scripts/demo --fresh")
            return code
        asyncio.run(show_word(SHOWN, place))
    print(NEXT)
    return code


def _run(*arguments: str) -> int:
    """Run the installed command in the user's terminal."""
    print(f"\n$ {_wrapped(['batch-synth', *arguments])}\n", flush=True)
    ours = ("BATCH_SYNTH_", "MONGODB_URL", "OPENAI_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["BATCH_SYNTH_SANDBOX_SECONDS"] = os.environ.get("BATCH_SYNTH_SANDBOX_SECONDS", "6")
    command = Path(sys.executable).with_name("batch-synth")
    with subprocess.Popen([str(command), *arguments], env=environment) as process:
        # Ctrl-C reaches the command, too, which stops in good order; we wait for it. Others ask us to end, not it.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


def _wrapped(words: Sequence[str]) -> str:
    """A command line of at most 78 columns a line, continued as in a shell."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < _COLUMNS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return " \\\n".join(lines)


_COLUMNS = 76


def _forget() -> None:
    """Remove the files and servers of earlier demonstrations."""
    if (MONGO_FOLDER / "server.json").exists():
        with local_mongod(MONGO_FOLDER):
            pass
        if (MONGO_FOLDER / "server.json").exists():
            sys.exit("Another demonstration is using demo-data; stop it first.")
    shutil.rmtree(MONGO_FOLDER.parent, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BatchSynthError as problem:
        say(f"scripts/demo: {problem}", err=True)
        sys.exit(1)
