"""Commands that cannot work, each with what it should say; and all of them run in the background."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import split
from typing import Any

import orjson
from pymongo.database import Database

from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import Ledger
from floridify_batch.run.run_settings import RunSpec
from floridify_batch.words.word_list import digest_of, write_normalised
from tests.acceptance.command import KEY, CommandResult, Shell
from tests.http_services import Handler, served
from tests.ledgers import run_settings
from tests.sandbox import Sandbox

CLOSED = "http://127.0.0.1:9/v1"  # the port of `discard`, at which nobody listens any more
WORDS = ["moon", "sun"]


@dataclass(frozen=True)
class Case:
    """A command that is refused, and its expected message."""

    arguments: str
    code: int
    says: str
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], object] = lambda _: None


def unfinished(folder: Path, name: str = "words.checkpoint.json") -> None:
    """Write the checkpoint of an unfinished run over other words, which has sent requests."""
    settings = run_settings(words_file="other.txt", database="any")
    checkpoint = Checkpoint(folder / name)
    info = RunSpec.of(settings, ["other", "words"], run_id="run").info
    checkpoint.create_folder()
    write_normalised(["other", "words"], checkpoint.words_path)
    checkpoint.save(Ledger(start_time=1.0, run=info, carried_tokens=1))


def without_copy(folder: Path) -> None:
    """Write such a checkpoint, without the copy of its list."""
    unfinished(folder)
    (folder / "words.checkpoint.files" / "words.txt").unlink()


def of_another_run(folder: Path) -> None:
    """Write such a checkpoint, over the words of the list."""
    unfinished(folder)
    checkpoint = folder / "words.checkpoint.json"
    data = orjson.loads(checkpoint.read_bytes())
    data["run"]["list_digest"] = digest_of(WORDS)
    checkpoint.write_bytes(orjson.dumps(data))


def content(text: bytes | str, name: str = "words.checkpoint.json") -> Callable[[Path], object]:
    """Write a file with this content."""
    return lambda folder: (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)


SPACED = f"{KEY[:9]} {KEY[9:]}"
RUN = "run words.txt --yes"
RESUME = "resume -c words.checkpoint.json"
CASES = {
    # the list
    "no list": Case("run", 2, "Pass a word list"),
    "no file": Case("run nowhere.txt", 2, "File not found: nowhere.txt"),
    "folder": Case("run .", 2, ". is a folder"),
    "empty": Case("run empty.txt", 2, "No word in empty.txt", prepare=content("", "empty.txt")),
    "binary": Case("run list.bin", 2, "list.bin is a binary file", prepare=content(b"\x7fELF\0\1", "list.bin")),
    "cp1251": Case(
        "run old.txt", 2, "bytes that are not UTF-8", prepare=content("слово\n".encode("cp1251"), "old.txt")
    ),
    "table": Case(
        "run table.csv --yes --quiet", 2, "--column Form", prepare=content("Form,Class\nbank,noun\n", "table.csv")
    ),
    # options
    "no judge": Case(f"{RUN} --judge ''", 2, "--judge: expected the name of a model."),
    "misspelt model": Case(
        f"{RUN} --model gpt-4o-mni",
        2,
        "Unknown model gpt-4o-mni. Did you mean gpt-4o-mini? If the name is right, pass the model's price: --price in=",
        env={"BATCH_SYNTH_BASE_URL": ""},
    ),
    "fault without sandbox": Case(f"{RUN} --fault expire=0.5", 2, "--fault applies to runs with --sandbox only."),
    "fault of a run": Case(f"{RUN} --sandbox --fault expyre=1", 2, 'Unknown fault "expyre". Did you mean expire?'),
    "unknown option": Case(f"{RUN} --bogus", 2, "No such option: --bogus. See: batch-synth run --help"),
    "near option": Case(f"{RUN} --componets x", 2, "No such option: --componets. Did you mean --components? See: "),
    "near command": Case("statsu", 2, "No such command 'statsu'. Did you mean 'status'? See: batch-synth --help"),
    "scale": Case(f"{RUN} --frequency-scale rare", 2, "'--frequency-scale': 'rare' is not one of 'common-first', "),
    "counted": Case(f"{RUN} --count synonms=3", 2, "Unknown component 'synonms'. Did you mean synonyms?\n"),
    "poll interval": Case(f"{RUN} --poll-interval 0", 2, "poll-interval"),
    "component": Case(f"{RUN} --components colour", 2, "Unknown component 'colour'. Components: definitions, clu"),
    "misspelt": Case(f"{RUN} --components synonims", 2, "Did you mean synonyms?\n"),
    "all misspelt": Case(
        f"{RUN} --components synonims,domain,exampels",
        2,
        "Unknown component 'synonims'. Did you mean synonyms? Unknown component 'exampels'. Did you mean examples?\n",
    ),
    "some misspelt": Case(
        f"{RUN} --components synonims,colour",
        2,
        "'synonims'. Did you mean synonyms? Unknown component 'colour'. Components: definitions, clu",
    ),
    "no component": Case(f"{RUN} --components ,", 2, "No components. Pass"),
    "seconds": Case(RUN, 2, "must be a number of seconds", env={"BATCH_SYNTH_SANDBOX_SECONDS": "soon"}),
    "no yes": Case("run words.txt", 2, "Not running in a terminal; pass --yes to confirm"),
    "nothing named": Case("cancel", 2, "No checkpoint in this folder; pass --checkpoint FILE."),
    "nothing here": Case("status", 2, "No checkpoint in this folder; pass --checkpoint FILE."),
    "fault": Case("sandbox --data box --port 0 --fault nonsense=1", 2, 'Unknown fault "nonsense"; the faults are exp'),
    "near fault": Case(
        "sandbox --data box --port 0 --fault expyre=1", 2, 'Unknown fault "expyre". Did you mean expire?\n'
    ),
    "checkpoint as list": Case(
        "run words.checkpoint.json", 2, "is a checkpoint, not a word list. Resume it with: ", prepare=unfinished
    ),
    "list without a checkpoint": Case(
        "resume words.txt",
        3,
        "words.txt is not a checkpoint, and there is no words.checkpoint.json or words.sandbox.checkpoint.json beside",
    ),
    "two runs": Case("resume words.txt -c words.checkpoint.json", 2, "Pass either a run or --checkpoint, not both."),
    # the environment
    "space in the key": Case(RUN, 2, "OPENAI_API_KEY contains a space or a line break", env={"OPENAI_API_KEY": SPACED}),
    "quote in the key": Case(RUN, 2, "contains a non-ASCII character", env={"OPENAI_API_KEY": f"\u201c{KEY}\u201d"}),
    "no certificates": Case(
        RUN, 2, "SSL_CERT_FILE is set to /none/ca.pem, which does not exist", env={"SSL_CERT_FILE": "/none/ca.pem"}
    ),
    "no address in the config": Case(
        f"{RUN} --floridify-config config.toml",
        2,
        "The section [database] of config.toml has neither runtime_url nor development_url.",
        env={"BATCH_SYNTH_MONGO_URL": ""},
        prepare=content('[database]\nname = "f"\n', "config.toml"),
    ),
    # the service
    "no key": Case(RUN, 2, "No API key. Set OPENAI_API_KEY", env={"OPENAI_API_KEY": ""}),
    "wrong key": Case(RUN, 4, "refuses this key", env={"OPENAI_API_KEY": "bad-key"}),
    "nobody there": Case(f"{RUN} --base-url {CLOSED}", 4, "127.0.0.1 cannot be reached"),
    "no address": Case(f"{RUN} --base-url localhost:80", 2, "localhost:80 is not a valid API base URL"),
    "another place": Case(f"{RUN} --base-url {{service}}/elsewhere", 4, "does not speak OpenAI's Batch API"),
    "a web page": Case(f"{RUN} --base-url {{page}}", 4, "does not speak OpenAI's Batch API"),
    "unknown batch": Case("status batch_none", 4, "batch_none"),
    # the database
    "mongo down": Case(f"{RUN} --mongo-url mongodb://ann:{KEY}@127.0.0.1:9/", 5, "cannot be reached: 127.0.0.1:9"),
    "mongo name": Case(f"{RUN} --database no.name", 5, "address or name is invalid"),
    # the checkpoint
    "no checkpoint": Case(RESUME, 3, "Checkpoint not found: words.checkpoint.json"),
    "none to show": Case("status -c words.checkpoint.json", 3, "Checkpoint not found: words.checkpoint.json"),
    "damaged": Case(RUN, 3, "is damaged", prepare=content('{"version": 2, "run": {')),
    "damaged to resume": Case(RESUME, 3, "is damaged", prepare=content("[]")),
    "missing parts": Case(RUN, 3, "is damaged", prepare=content('{"version": 2, "run": {"id": "x"}}')),
    "newer": Case(RUN, 3, "has version 99", prepare=content('{"version": 99, "run": {}}')),
    "nothing to resume": Case(RESUME, 3, "contains no run", prepare=content('{"processed_words": []}')),
    "nothing in a name with a space": Case(
        "resume -c 'my run.json'",
        3,
        "start one with: batch-synth run LIST --checkpoint 'my run.json'\n",
        prepare=content('{"processed_words": []}', "my run.json"),
    ),
    "previous copy": Case(
        "resume -c 'my run.json'",
        3,
        "Its previous version my run.json.previous exists: copy it to my run.json, "
        "then resume: batch-synth resume --checkpoint 'my run.json'\n",
        prepare=content("{}", "my run.json.previous"),
    ),
    "previous copy to show": Case(
        "status -c words.checkpoint.json",
        3,
        "Checkpoint not found: words.checkpoint.json. Its previous version words.checkpoint.json.previous exists: "
        "copy it",
        prepare=content("{}", "words.checkpoint.json.previous"),
    ),
    "several checkpoints": Case(
        "status",
        2,
        "Several checkpoints in this folder; pass --checkpoint FILE ('my run.checkpoint.json', words.checkpoint.json).",
        prepare=lambda folder: [(folder / f"{name}.checkpoint.json").write_bytes(b"") for name in ("my run", "words")],
    ),
    "other list in a name with a space": Case(
        f"{RUN} --components synonyms -c 'my run.json'",
        3,
        ": batch-synth resume --checkpoint 'my run.json'\n",
        prepare=partial(unfinished, name="my run.json"),
    ),
    "other list": Case(
        f"{RUN} --components synonyms",
        3,
        "with a different word list. Pass another --checkpoint for",
        prepare=unfinished,
    ),
    "other settings": Case(
        f"{RUN} --components domain --model gpt-5.4-nano --language de",
        3,
        "with different components (the run: synonyms; this command: domain) "
        "and a different language (en, not de) and a different model (gpt-6-luna",
        prepare=of_another_run,
    ),
    "copy gone": Case(RESUME, 3, "copy of its word list", env={"BATCH_SYNTH_MONGO_URL": ""}, prepare=without_copy),
    # the disk
    "under a file": Case(f"{RUN} -c words.txt/run.json", 3, "the folder must be writable"),
    "read only": Case(f"{RUN} -c /proc/run.json", 3, "the folder must be writable"),
    "a folder": Case(f"{RUN} -c here", 3, "here is a folder", prepare=lambda folder: (folder / "here").mkdir()),
    "this folder": Case(f"{RUN} -c .", 3, "checkpoint"),
}


class WebPage(Handler):
    """A server of another kind: it answers every request with a page."""

    def respond(self, _: bytes | None) -> None:
        """Answer with a page."""
        self.answer(200, "text/html", b"<html>Welcome</html>")


@dataclass(frozen=True)
class Refused:
    """The output of a refused command, and the files before and after it."""

    result: CommandResult
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]


@contextmanager
def refusals(
    root: Path, env: Mapping[str, str], sandbox: Sandbox, database: Database[dict[str, Any]]
) -> Iterator[Mapping[str, Future[Refused]]]:
    """Start all cases without waiting for them."""
    given = {
        **env,
        "OPENAI_API_KEY": KEY,
        "BATCH_SYNTH_BASE_URL": sandbox.url,
        "BATCH_SYNTH_DATABASE": database.name,
    }

    def attempt(name: str, case: Case) -> Refused:
        folder = root / name
        folder.mkdir()
        shell = Shell(folder, given, sandbox, database)
        shell.write(*WORDS)
        case.prepare(folder)
        before = files(folder)
        arguments = case.arguments.format(page=page, service=sandbox.url.removesuffix("/v1"))
        return Refused(shell.run(*split(arguments), **case.env), before, files(folder))

    with served(WebPage) as page, ThreadPoolExecutor(2) as pool:
        try:
            yield {name: pool.submit(attempt, name, case) for name, case in CASES.items()}
        finally:
            pool.shutdown(cancel_futures=True)


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files of a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
