"""The matrix: crash points, ends of the first batch, and faults.

A case is a list of four words, of which the database knows three. The process dies at a point, others may die at
further points, the last one comes to the end; then the four figures are taken.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from threading import Event, Lock, Thread

import httpx2

from floridify_batch.run.crash_point import POINTS
from floridify_batch.run.ledger import ChunkState
from floridify_batch.sandbox.batch import MOVES
from floridify_batch.sandbox.process import sandbox_in_thread
from floridify_batch.sandbox.sandbox_settings import SandboxSettings
from floridify_batch.words.entry import SYNTHESIS
from scripts.soaks.figures import Figures, Picture, batches_of, figures, picture
from scripts.soaks.site import ENDS, KILLED, Site, Stuck

KNOWN = ("amber", "basalt", "cinder")
WORDS = (*KNOWN, "dune")
OPTIONS = ("--components", "synonyms,examples,cefr_level,pronunciation", "--batch-size", "2")
EVERYTHING = ("--components", "all", "--batch-size", "4")

_HOUR, _LOOK = 3_600.0, 0.2
_LISTED = 13.0
"""Seconds after which even the list that lags most shows a batch."""


@dataclass(frozen=True, slots=True)
class Crash:
    """How batches end. `whole`: every word is processed in the end. `limit`: cap on queued tokens, as a share of what
    the first batch holds. `seconds`: how long a batch runs; `patient` ones run until each chunk knows its batch.
    `denied`: the service denies the first batch, which the user gives up.
    """

    faults: tuple[str, ...] = ()
    whole: bool = True
    limit: float = 0.0
    seconds: float = 0.0
    patient: bool = False
    denied: bool = False


BATCH_ENDS: Mapping[str, Crash] = {
    "completed": Crash(),
    "in both files": Crash(("split=0.5",)),
    "patchy": Crash(("http_500=0.2@1", "missing=0.1@1", "malformed=0.1@1", "not_json=0.1@1", "truncate=0.1@1")),
    "expired": Crash(("expire=0.5@1",)),
    "cancelled": Crash(("cancel=1@1", "partial_output=0.5@1")),
    "queue full": Crash(limit=1.3, seconds=2.0),
    "too large": Crash(limit=0.8),
    "shown late": Crash(("list_lag=12", "create_drop=1", "partial_output=0"), seconds=_HOUR, patient=True),
    "rejected": Crash(("fail_batch=1:invalid_request@1",), whole=False),
    "failed late": Crash(("fail_late=1:server_error@1", "partial_output=0.5@1"), whole=False),
    "forgotten": Crash(("poll_404=1@1",), whole=False, denied=True),
    "files gone": Crash(("content_404=1@1",), whole=False, denied=True),
}
"""How the first batch ends, or every batch."""

FAULTS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "lagging list": ("list_lag=1",),
    "made, then 500": ("create_500=1",),
    "made, then cut": ("create_drop=1",),
    "half a reply": ("create_cut=1",),
    "held reply": ("create_hold=0.5",),
    "turned away": ("create_429=1", "upload_429=1"),
    "uploads fail": ("upload_500=1", "upload_cut=1"),
    "downloads fail": ("content_cut=1", "content_500=1"),
    "polls fail": ("poll_500=0.2", "poll_429=0.2"),
}
"""What goes wrong on the way to a batch and back."""


RARE: Mapping[str, tuple[str, ...]] = {
    "cancel": ("shown late",),
    "SUBMITTED-PLANNED": ("queue full", "too large"),
    "SUBMITTED-SPLIT": ("too large",),
    "SPLIT-DONE": ("too large",),
    "SUBMITTED-LOST": ("forgotten", "files gone"),
    "LOST-STORED": ("forgotten", "files gone"),
    "amid-answers": ("in both files", "patchy", "expired"),
    "SUBMITTING-PLANNED": (),  # only if the queue is already full at creation
    "SUBMITTING-SPLIT": (),
    "PLANNED-SPLIT": (),  # only under another --max-cost than a chunk was cut for
}
"""What not every fate comes by, and which do: parts of points' names."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's options, and the provider of the entries that its words have before it."""

    options: tuple[str, ...] = OPTIONS
    provider: str = SYNTHESIS


RUNS: Mapping[str, Run] = {
    "usual": Run(),
    "all components": Run(EVERYTHING, "wiktionary"),
    "all, forced": Run((*EVERYTHING, "--force")),
}
"""The usual run of the matrix, and runs that write every kind of document."""


WRITES: Mapping[str, int] = {"all components": 31, "all, forced": 24}
"""How many bulk writes and removals the runs have that write every kind of document."""


@dataclass(frozen=True, slots=True)
class Case:
    """The crash points of consecutive processes, with an end of the first batch."""

    points: tuple[str, ...]
    crash: str = "completed"
    trouble: str = "none"
    run: str = "usual"

    def __str__(self) -> str:
        return f"{' → '.join(self.points) or 'no kill'} | {self.crash} | {self.trouble} | {self.run}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a case; `died` has the crash points that were reached."""

    case: Case
    died: tuple[str, ...]
    figures: Figures
    wrong: str = ""

    @property
    def fine(self) -> bool:
        """Whether the run came to its end with every figure as it should be."""
        return self.figures.fine and not self.wrong


def whole_matrix() -> list[Case]:
    """Return every crash point with every end that passes it; faults alternate."""
    troubles = cycle(FAULTS)
    return [Case((point,), crash, next(troubles)) for crash in BATCH_ENDS for point in POINTS if comes_by(crash, point)]


def write_cases(run: str) -> list[Case]:
    """Return a case before and after each write of a run."""
    numbers = range(1, WRITES[run] + 1)
    return [Case((f"{side}-write@{number}",), run=run) for number in numbers for side in ("before", "after")]


def comes_by(crash: str, point: str) -> bool:
    """Whether a run with this end passes a crash point."""
    return all(crash in those for part, those in RARE.items() if point.endswith(part))


class Matrix:
    """Plays cases, each at a site of its own with a sandbox of its own; one database server serves them all."""

    def __init__(self, folder: Path, mongo_url: str) -> None:
        self._folder = folder
        self._mongo_url = mongo_url
        self._numbers = count(1)
        self._lock = Lock()
        self._pictures: dict[tuple[str, str], Picture] = {}
        self._tokens = 0

    def learn(self, *runs: str) -> "Matrix":
        """Run through each fate without any kill, to know what the database is to hold, and how large a batch is.

        `runs`: further runs than the usual one, to be learned of.
        """
        cases = [Case((), name) for name, crash in BATCH_ENDS.items() if name == "completed" or not crash.whole]
        cases += [Case((), run=run) for run in runs]
        with ThreadPoolExecutor(len(cases)) as pool:
            tokens = list(pool.map(self._learn, cases))
        self._tokens = max(each for case, each in zip(cases, tokens, strict=True) if case.run == "usual")
        return self

    def _learn(self, case: Case) -> int:
        with self._site(case) as site:
            code = _submitted(site) or site.live()
            if not site.is_through(code):
                raise RuntimeError(f"{case}: a run without kills ended with {code}, see {site.folder}")
            with site.opened() as database:
                self._pictures[case.run, case.crash] = picture(database)
            return batches_of(site)[0].input_tokens

    def play(self, case: Case) -> Outcome:
        """Execute a case; problems are in the outcome."""
        died: list[str] = []
        with self._site(case) as site:
            try:
                wrong = _live_through(site, case, died)
            except Stuck as problem:
                wrong = str(problem)
            expected = self._pictures[case.run, "completed" if BATCH_ENDS[case.crash].whole else case.crash]
            found = figures(site, expected)
            if not wrong and BATCH_ENDS[case.crash].whole and site.ledger and site.ledger.missing:
                wrong = f"words failed: {site.ledger.missing}"
        if wrong or not found.fine:
            wrong += f" (see {site.folder})"
        return Outcome(case, tuple(died), found, wrong)

    @contextmanager
    def _site(self, case: Case) -> Iterator[Site]:
        """Yield the site of a case with a running sandbox."""
        with self._lock:
            folder = self._folder / f"{next(self._numbers):04d}"
        database = f"soak_{folder.parent.name}_{folder.name}".replace("-", "_")[-52:] + "_sandbox"
        settings = self._settings(folder / "service", case)
        with sandbox_in_thread(settings) as url:
            run = RUNS[case.run]
            place = (folder / "shell", settings.data, url, self._mongo_url, database)
            denied = BATCH_ENDS[case.crash].denied
            site = Site(*place, WORDS, run.options, provider=run.provider, gives_up=denied)
            try:
                site.prepare(KNOWN)
                with _time_passing(site) if BATCH_ENDS[case.crash].patient else nullcontext():
                    yield site
            finally:
                site.forget()

    def _settings(self, service: Path, case: Case) -> SandboxSettings:
        crash = BATCH_ENDS[case.crash]
        limit = (f"token_limit={int(crash.limit * self._tokens)}",) if crash.limit else ()
        return SandboxSettings(
            data=service,
            port=0,
            validating_seconds=0,
            running_seconds=crash.seconds,
            faults=(*crash.faults, *limit, *FAULTS[case.trouble]),
            fast=True,
        )


@contextmanager
def _time_passing(site: Site) -> Iterator[None]:
    """Batches of an hour end meanwhile, each time that none of them is doubtful: as if the client were quick enough."""
    over = Event()

    def let_time_pass() -> None:
        while not over.wait(_LOOK):
            if _all_known(site):
                control = site.base_url.removesuffix("/v1") + "/sandbox/control"
                httpx2.post(control, json={"finish": True}, timeout=60).raise_for_status()

    passing = Thread(target=let_time_pass, name="time")
    passing.start()
    try:
        yield
    finally:
        over.set()
        passing.join()


def _all_known(site: Site) -> bool:
    """Whether batches are under way, all of them known to their chunks, and no other one may still show itself."""
    live = [batch for batch in batches_of(site) if MOVES[batch.status]]
    ledger = site.ledger
    if not live or ledger is None or any(record.state == ChunkState.SUBMITTING for record in ledger.chunks):
        return False
    doubtful = {record.batch_id: record.creation_in_doubt for record in ledger.chunks}
    listed = (batch.created + _LISTED < time.time() or not doubtful[batch.id] for batch in live)
    return all(batch.id in doubtful for batch in live) and all(listed)


def _submitted(site: Site) -> int:
    """Submit the first batch where it is to be given up: a session that saw it would ask for it for ten minutes."""
    return site.live() if site.gives_up else 0


def _live_through(site: Site, case: Case, died: list[str]) -> str:
    """One process after another, to the end; what went wrong, in words."""
    if code := _submitted(site):
        return f"ended with {code} at submission"
    for point in case.points:
        code = site.live(point)
        if code == KILLED:
            died.append(point)
        elif code not in ENDS:
            return f"ended with {code} before {point}"
    code = site.live()
    return "" if site.is_through(code) else f"the last process ended with {code}"
