"""Compatibility check with Floridify itself: its databases, models, word pages and synthesis, before and after runs.

Each commit's sources are checked out into a folder, with an environment of their own. A process of Floridify's creates
a database for each case and reads it after each run of batch-synth. The table names what Floridify could not load and
which documents of providers changed. With --before, databases that an earlier version of batch-synth has written are
migrated, too. The exit code is 1 if anything failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from floridify_batch.database.server import local_mongod
from floridify_batch.sandbox.process import running_sandbox
from scripts.compatibility import floridify_application

REPOSITORY = "https://github.com/mkbabb/words"
COMMITS = {"453b548": "July 2025", "83da49e": "2026"}
WORDS = ("bank", "spring", "calm", "zeal")
_GIT = shutil.which("git") or "git"
_HERE = Path(__file__).parents[2]
_COMMAND = Path(sys.executable).with_name("batch-synth")
PROMPTS = Path("backend/src/floridify/ai/prompts")

PACKAGES = (
    *("beanie==2.0.0", "motor", "toml", "loguru", "rich", "coolname", "httpx[http2]", "fastapi", "beautifulsoup4"),
    *("wikitextparser", "click", "rapidfuzz", "xxhash", "ftfy", "python-multipart", "zstandard", "lz4", "deepdiff"),
    *("diskcache", "pyjwt", "cryptography", "anthropic", "numpy", "psutil", "unidecode", "jellyfish", "marisa-trie"),
    *("contractions", "wordfreq", "aiofiles", "cachetools", "python-dotenv", "polyleven"),
)
"""Floridify's dependencies that its models and its synthesis need."""

CASES: dict[str, tuple[str, ...]] = {
    "default": (),
    "all": ("--components", "all"),
    "default, its templates": ("--templates", "PROMPTS"),
    "all, its templates": ("--components", "all", "--templates", "PROMPTS"),
}


@dataclass(slots=True)
class Row:
    """A line of the table: a step of a case, and its faults."""

    commit: str
    case: str
    step: str
    result: str
    faults: list[str] = field(default_factory=list)


class Floridify:
    """A process of Floridify's at a commit."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def call(self, database: str, name: str, **arguments: Any) -> Any:
        """Execute a command and return its value. Raises `RuntimeError` when the process has ended."""
        command = {"database": database, "name": name, "arguments": arguments}
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("Floridify's process has no pipes.")
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"Floridify's process ended at {name}.")
        return json.loads(line)


@dataclass(frozen=True, slots=True)
class Place:
    """The folder, the database server and the sandbox of a commit's cases; `earlier` is an earlier batch-synth."""

    folder: Path
    sources: Path
    mongo: str
    service: str
    earlier: Path | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases at the commits, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commits", nargs="*", default=list(COMMITS), metavar="COMMIT", help="default: %(default)s")
    parser.add_argument("--repository", default=REPOSITORY, help="a clone of Floridify; default: %(default)s")
    parser.add_argument("--folder", type=Path, help="keep the environment and the sources in this folder")
    parser.add_argument("--before", metavar="COMMIT", help="an earlier commit of batch-synth, whose data are migrated")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="floridify-") as temporary:
        folder = options.folder or Path(temporary)
        python = _environment(folder / "venv", _HERE, *PACKAGES)
        earlier = _earlier(options.before, folder) if options.before else None
        for commit in options.commits:
            sources = _checked_out(options.repository, commit, folder)
            rows += _commit(commit, python, sources, earlier)
    return _printed(rows)


# ── preparation ────────────────────────────────────────────────────────────────────────────────────────────────────


def _environment(environment: Path, package: Path, *packages: str) -> Path:
    """The interpreter of a virtual environment with a package and others."""
    environment = environment.resolve()
    python = environment / "bin" / "python"
    if not (environment / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-e", package, *packages], check=True)
        (environment / "installed").touch()
    return python


def _checked_out(repository: str, commit: str, folder: Path) -> Path:
    """The backend's sources at a commit."""
    target = folder.resolve() / commit
    if not target.exists():
        clone = folder.resolve() / "clone"
        if not clone.exists():
            subprocess.run([_GIT, "clone", "--quiet", "--bare", repository, clone], check=True)
        _extract(clone, commit, target, "backend")
    return target


def _earlier(commit: str, folder: Path) -> Path:
    """The command `batch-synth` of an earlier commit, in an environment of its own."""
    target = folder.resolve() / f"batch-synth-{commit}"
    if not target.exists():
        _extract(_HERE, commit, target)
    return _environment(target / ".venv", target).with_name("batch-synth")


def _extract(clone: Path, commit: str, target: Path, *paths: str) -> None:
    archive = subprocess.run([_GIT, "-C", clone, "archive", commit, *paths], check=True, capture_output=True)
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(target, filter="data")


@contextmanager
def _started(python: Path, place: Place) -> Iterator[Floridify]:
    environment = {**os.environ, "PYTHONPATH": str(place.sources / "backend/src"), "HOME": str(place.folder)}
    script = str(floridify_application.__file__)
    command = [str(python), "-P", script, place.mongo, place.service]  # -P: this module has Floridify's name
    with (place.folder / "floridify.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=place.folder,
            env=environment | {"MONGODB_URL": place.mongo},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Floridify(process)
        finally:
            process.terminate()
            process.wait()


# ── cases ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _commit(commit: str, python: Path, sources: Path, earlier: Path | None) -> Iterator[Row]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="floridify-")))
        service = stack.enter_context(running_sandbox(folder / "sandbox", seconds=0.2))
        mongo = stack.enter_context(local_mongod(folder / "mongo")).url
        place = Place(folder, sources, mongo, service, earlier)
        floridify = stack.enter_context(_started(python, place))
        for number, (name, options) in enumerate(CASES.items()):
            yield from _shown(Case(commit, name, f"case{number}_sandbox", options, floridify, place).steps())
        yield from _shown(Case(commit, "library", "library_sandbox", (), floridify, place).library())
        for name in ("default", "all") if earlier else ():
            case = Case(commit, f"{name}, migrated", f"{name}_sandbox", CASES[name], floridify, place)
            yield from _shown(case.migration())
        if os.environ.get("FLORIDIFY_LOG"):
            shutil.copy(folder / "floridify.log", f"{os.environ['FLORIDIFY_LOG']}-{commit}")


def _shown(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        print(_line(row), flush=True)
        yield row


@dataclass(slots=True)
class Case:
    """A database of Floridify's and the runs over it."""

    commit: str
    name: str
    database: str
    options: tuple[str, ...]
    floridify: Floridify
    place: Place
    before: dict[str, str] = field(default_factory=dict)

    def steps(self) -> Iterator[Row]:
        """Run, force, and let Floridify re-synthesise; after each step, everything is read."""
        yield self._seeded()
        yield self._run("run")
        yield self._run("run --force", "--force")
        yield self._called("its re-synthesis", "synthesize", text="bank", force=True)
        yield self._called("its regeneration", "regenerate", text="calm")
        yield self._run("run again")

    def library(self) -> Iterator[Row]:
        """Floridify's orchestration with this library's function in place, and its own in a batch."""
        yield self._seeded()
        yield self._run("run")
        for mode in ("immediate", "batch"):
            yield self._called(f"our function, {mode}", "replaced", text="spring", mode=mode)
            yield self._called(f"our function, {mode}", "replaced", text="bank", mode=mode)
        yield self._called("its functions, batch", "bridged", text="spring")
        yield self._called("its re-synthesis", "synthesize", text="bank", force=True)

    def migration(self) -> Iterator[Row]:
        """A run of an earlier version, whose data are migrated; then a run of this version, and a re-synthesis."""
        yield self._seeded()
        yield self._written_earlier()
        yield self._mended("mend --dry-run", "--dry-run")
        yield self._mended("mend", "--yes")
        yield self._run("run again", "--frequency-scale", "common-first")
        yield self._called("its re-synthesis", "synthesize", text="bank", force=True)

    def _seeded(self) -> Row:
        failed = self.floridify.call(self.database, "seed")
        read = self.floridify.call(self.database, "read")
        self.before = read["providers"]
        faults = [str(failed["error"])] if failed else []
        return Row(self.commit, self.name, "its database", f"{read['loaded']} documents", faults + _unreadable(read))

    def _run(self, step: str, *more: str) -> Row:
        return self._row(step, self._processed(_COMMAND, step, *more))

    def _processed(self, command: Path, step: str, *more: str) -> list[str]:
        """Run a list; the faults of the run."""
        (self.place.folder / "words.txt").write_text("\n".join(WORDS))
        prompts = str(self.place.sources / PROMPTS)
        options = [prompts if each == "PROMPTS" else each for each in (*self.options, *more)]
        checkpoint = self.place.folder / f"{self.database}.{step.replace(' ', '')}.json"
        arguments = ["run", "words.txt", "--yes", "--poll-interval", "1", "--base-url", self.place.service]
        return self._faults(self._execute(command, *arguments, "--checkpoint", str(checkpoint), *options))

    def _written_earlier(self) -> Row:
        """A run of the earlier version, which may have written what Floridify cannot load."""
        if self.place.earlier is None:
            raise ValueError("no earlier version")
        faults = self._processed(self.place.earlier, "run before")
        read = self.floridify.call(self.database, "read")
        result = f"{read['loaded']} documents, {len(_unreadable(read))} unreadable"
        failed = [each for each in faults if not each.startswith("exit code 1:")]  # some words failed
        return Row(self.commit, self.name, "run of the version before", result, failed)

    def _mended(self, step: str, option: str) -> Row:
        """A migration: a dry run must change nothing, and the other one must keep all documents of providers."""
        before = self.floridify.call(self.database, "read")
        faults = self._faults(self._execute(_COMMAND, "mend", option))
        after = self.floridify.call(self.database, "read")
        if option == "--dry-run" and after != before:
            faults.append("the dry run changed the database")
        faults += [f"gone: {name}" for name in before["providers"].keys() - after["providers"].keys()]
        self.before = after["providers"]  # mended values of the earlier version are among them
        return Row(self.commit, self.name, step, "", faults) if option == "--dry-run" else self._row(step, faults)

    def _execute(self, command: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "OPENAI_API_KEY": "sk-loopback", "MONGODB_URL": self.place.mongo}
        return subprocess.run(
            [str(command), *arguments, "--database", self.database],
            cwd=self.place.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def _faults(self, done: "subprocess.CompletedProcess[str]") -> list[str]:
        return [] if done.returncode == 0 else [f"exit code {done.returncode}: {(done.stderr or done.stdout)[-300:]}"]

    def _called(self, step: str, name: str, **arguments: Any) -> Row:
        answer = self.floridify.call(self.database, name, **arguments)
        faults = [str(answer[each]) for each in ("error", "failed") if answer.get(each)]
        if not answer.get("definitions"):
            faults.append("no definitions")
        return self._row(f"{step} ({arguments['text']})", faults)

    def _row(self, step: str, faults: list[str]) -> Row:
        read = self.floridify.call(self.database, "read")
        after = read["providers"]
        changed = [name for name, digest in self.before.items() if after.get(name) != digest]
        faults += _unreadable(read) + [f"changed: {name}" for name in changed]
        if read["dangling"]:
            faults.append(f"{read['dangling']} references to definitions that do not exist")
        pages = {word: page for word, page in read["pages"].items() if "error" not in page}
        of_sources = (word for word in pages if word != floridify_application.NEW_WORD)
        faults += [f"page {word}: no attribution" for word in of_sources if pages[word].get("attribution", "") is None]
        definitions = sum(page["definitions"] for page in pages.values())
        result = f"{read['loaded']} documents, {len(pages)} pages with {definitions} definitions"
        return Row(self.commit, self.name, step, result, faults)


def _unreadable(read: dict[str, Any]) -> list[str]:
    pages = {f"page {word}": str(page["error"]) for word, page in read["pages"].items() if "error" in page}
    faults = {**read["unreadable"], **{name: error for name, error in pages.items() if error != "no page"}}
    return [f"{name}: {error}" for name, error in faults.items()]


# ── the table ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _line(row: Row) -> str:
    verdict = "ok" if not row.faults else f"{len(row.faults)} faults"
    return f"{row.commit}  {row.case:24}{row.step:34}{row.result:44}{verdict}"


def _printed(rows: Sequence[Row]) -> int:
    faulty = [row for row in rows if row.faults]
    for row in faulty:
        print(f"\n{_line(row)}")
        for fault in row.faults[:5]:
            print(f"    {fault}")
    print(f"\n{len(rows) - len(faulty)} of {len(rows)} steps without faults")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
