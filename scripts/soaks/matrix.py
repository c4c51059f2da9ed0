"""The matrix: crash points, ends of the first batch, and faults.

A case is a list of four words, of which the database has three. The process dies at a crash point, later ones may die
at further points, and the last one finishes the run; then the figures are computed.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import count, cycle
from pathlib import Path
from threading import Event, Lock, Thread

import httpx2

from floridify_batch.providers.interface import DEFAULT_MODEL
from floridify_batch.run.crash_point import POINTS
from floridify_batch.run.ledger import ChunkState
from floridify_batch.sandbox.batch import MOVES
from floridify_batch.sandbox.process import sandbox_in_thread
from floridify_batch.sandbox.sandbox_settings import SandboxSettings
from floridify_batch.words.entry import SYNTHESIS
from scripts.benchmarks.data import word
from scripts.soaks.figures import Figures, Picture, batches_of, figures, picture, repeated_requests, with_repeated
from scripts.soaks.site import ENDS, KILLED, REFUSED, Site, Start, Stuck, start_installed

KNOWN = ("amber", "basalt", "cinder")
NEW = "dune"
WORDS = (*KNOWN, NEW)
_BATCH_WORDS = 2
ROTATED = (*WORDS[_BATCH_WORDS:], *WORDS[:_BATCH_WORDS])
"""The words, with those of the second batch first."""
OPTIONS = ("--components", "synonyms,examples,cefr_level,pronunciation", "--batch-size", f"{_BATCH_WORDS}")
EVERYTHING = ("--components", "all", "--batch-size", "4")
USUAL = "usual"
OTHER_MODEL = "gpt-5-mini"
CONCURRENCY = 4
PREFLIGHT = "preflight"
"""The name of a run that is large enough for a preflight: its first pass of a point is in the preflight."""
PACKED_PREFLIGHT = "preflight with packs"
"""The name of such a run with packs, a pack of each component in its preflight."""
PACKS = "packs"
"""The name of a run whose requests share lines, across words, too."""
_OF_PACKS = ("cut packs", "refused packs")
_PACK_ENDS = (*_OF_PACKS, "completed", "in both files", "patchy", "expired", "cancelled", "too large", "form refused")
MANY = tuple(map(word, range(26)))
"""The words of that run."""

_HOUR, _LOOK = 3_600.0, 0.2
_LISTED = 13.0
"""Seconds after which even the slowest list shows a batch."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The end of batches. `whole`: every word is processed in the end. `limit`: limit on queued tokens, as a share of
    the first batch's. `seconds`: duration of a batch; `patient` ones run until each chunk has its batch id. `denied`:
    the service denies the first batch, which the user gives up. `at_creation`: a full queue refuses a creation.
    `model`: another model, with which the user resumes after the first process; that one dies at the point `first`, or
    stops because the service refuses the form of its requests.
    """

    faults: tuple[str, ...] = ()
    whole: bool = True
    limit: float = 0.0
    seconds: float = 0.0
    patient: bool = False
    denied: bool = False
    at_creation: bool = False
    model: str = ""
    first: str = ""


BATCH_ENDS: Mapping[str, Crash] = {
    "completed": Crash(),
    "in both files": Crash(("split=0.5",)),
    "patchy": Crash(("http_500=0.2@1", "missing=0.1@1", "malformed=0.1@1", "not_json=0.1@1", "truncate=0.1@1")),
    "cut packs": Crash(("truncate=0.7@1",)),
    "refused packs": Crash(("refuse=-p4-@1", "http_400=-p2-@1")),
    "expired": Crash(("expire=0.5@1",)),
    "cancelled": Crash(("cancel=1@1", "partial_output=0.5@1")),
    "queue full": Crash(limit=1.3, seconds=2.0),
    "too large": Crash(limit=0.8),
    "full at creation": Crash(limit=1.3, seconds=2.0, at_creation=True),
    "too large at creation": Crash(limit=0.8, at_creation=True),
    "shown late": Crash(("list_lag=12", "create_drop=1", "partial_output=0"), seconds=_HOUR, patient=True),
    "rejected": Crash(("fail_batch=1:invalid_request@1",), whole=False),
    "failed late": Crash(("fail_late=1:server_error@1", "partial_output=0.5@1"), whole=False),
    "forgotten": Crash(("poll_404=1@1",), whole=False, denied=True),
    "files gone": Crash(("content_404=1@1",), whole=False, denied=True),
    "form refused": Crash((f"refuse_model={DEFAULT_MODEL}",), model=OTHER_MODEL),
    "model replaced": Crash(model=OTHER_MODEL, first="after-NEW-PLANNED"),
}
"""The end of the first batch, or of every batch."""

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
"""Faults of uploads, creations and downloads."""


RARE: Mapping[str, tuple[str, ...]] = {
    "cancel": ("shown late",),
    "SUBMITTED-PLANNED": ("queue full", "too large"),
    "SUBMITTED-SPLIT": ("too large",),
    "SPLIT-DONE": ("too large", "too large at creation", "form refused", "model replaced"),
    "SUBMITTED-LOST": ("forgotten", "files gone"),
    "LOST-STORED": ("forgotten", "files gone"),
    "amid-answers": ("in both files", "patchy", "expired"),
    "SUBMITTING-PLANNED": ("full at creation",),
    "SUBMITTING-SPLIT": ("too large at creation",),
    "ANSWERED-SPLIT": ("form refused",),
    "PLANNED-SPLIT": ("model replaced",),
    "request": (),  # only in the preflight of a large run, see `PREFLIGHT`
}
"""Crash points that only some ends pass, by parts of their names."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's options, and the provider of the entries that its words have before it.

    `earlier`: the options of a finished run over the same words before it.
    """

    options: tuple[str, ...] = OPTIONS
    provider: str = SYNTHESIS
    earlier: tuple[str, ...] = ()


RUNS: Mapping[str, Run] = {
    USUAL: Run(),
    "all components": Run(EVERYTHING, "wiktionary"),
    "all, forced": Run((*EVERYTHING, "--force")),
    "all, replaced": Run((*EVERYTHING, "--force"), "wiktionary", EVERYTHING),
    PACKS: Run((*OPTIONS, "--pack", "4")),
    PREFLIGHT: Run(("--components", "all", "--concurrency", f"{CONCURRENCY}")),
    PACKED_PREFLIGHT: Run(("--components", "all", "--concurrency", f"{CONCURRENCY}", "--pack", "6")),
}
"""The usual run of the matrix, runs that write, or write and remove, all kinds of documents, one with packs, and large
ones.
"""

PREFLIGHTS = (PREFLIGHT, PACKED_PREFLIGHT)
"""The runs that are large enough for a preflight."""

WRITES = ("all components", "all, forced", "all, replaced")
"""The runs that are killed before and after each of their bulk writes and removals."""


SIDES = ("before", "after")


@dataclass(frozen=True, slots=True)
class Case:
    """The crash points of consecutive processes, with an end of the first batch."""

    points: tuple[str, ...]
    crash: str = "completed"
    trouble: str = "none"
    run: str = USUAL
    words: tuple[str, ...] = WORDS

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
        """Whether the run finished with correct figures."""
        return self.figures.fine and not self.wrong


def whole_matrix() -> list[Case]:
    """Return every crash point with every end that passes it; faults alternate."""
    troubles = cycle(FAULTS)
    runs = [(each, USUAL) for each in BATCH_ENDS if each not in _OF_PACKS]
    runs += [(each, PACKS) for each in _PACK_ENDS]
    cases = [
        Case((point,), crash, next(troubles), run) for crash, run in runs for point in POINTS if comes_by(crash, point)
    ]
    preflights = [preflight_case(point, run=run) for run in PREFLIGHTS for point in PREFLIGHT_POINTS]
    return [*cases, *preflights]


def preflight_case(*points: str, run: str = PREFLIGHT) -> Case:
    """Return the case of a large run that dies in its preflight."""
    return Case(points, run=run, words=MANY)


def write_case(run: str, side: str, number: int) -> Case:
    """Return the case that dies before or after a write of a run."""
    return Case((f"{side}-write@{number}",), run=run)


def comes_by(crash: str, point: str) -> bool:
    """Whether a run with this end passes a crash point."""
    return all(crash in those for part, those in RARE.items() if point.endswith(part))


PREFLIGHT_POINTS = (
    *(point for point in POINTS if comes_by("completed", point) and not point.endswith("upload")),
    *(f"{side}-request@{number}" for side in SIDES for number in (1, CONCURRENCY, 2 * CONCURRENCY)),
)
"""The points of a large run at which it dies; a preflight uploads nothing."""


class Matrix:
    """Plays cases, each at a site of its own with a sandbox of its own; one database server serves them all."""

    def __init__(self, folder: Path, mongo_url: str, start: Start = start_installed) -> None:
        self._folder = folder
        self._start = start
        self._mongo_url = mongo_url
        self._numbers = count(1)
        self._lock = Lock()
        self._pictures: dict[Case, Picture] = {}
        self._learning: dict[Case, Lock] = {}
        self._tokens: dict[str, int] = {}

    def learn(self) -> "Matrix":
        """Execute the usual run without kills, for the tokens of a batch."""
        self._picture(Case(()))
        return self

    def _picture(self, case: Case) -> Picture:
        """The contents of the database after a case without kills, which is executed where they are first needed."""
        with self._lock:
            learning = self._learning.setdefault(case, Lock())
        with learning:
            if case not in self._pictures:
                self._learn(case)
            return self._pictures[case]

    def _learn(self, case: Case) -> None:
        with self._site(case) as site:
            _begun(site, BATCH_ENDS[case.crash])
            code = site.live()
            if not site.is_through(code):
                raise RuntimeError(f"{case}: a run without kills ended with {code}, see {site.folder}")
            with site.opened() as database:
                self._pictures[case] = picture(database, packed=site.is_packed)
            if case == Case((), run=case.run):
                self._tokens[case.run] = batches_of(site)[0].input_tokens

    def _batch_tokens(self, run: str) -> int:
        """The input tokens of the first batch of a run without kills."""
        self._picture(Case((), run=run))
        return self._tokens[run]

    def play(self, case: Case) -> Outcome:
        """Execute a case; problems are in the outcome."""
        died: list[str] = []
        with self._site(case) as site:
            try:
                wrong = _live_through(site, case, died)
            except Stuck as problem:
                wrong = str(problem)
            missing = site.ledger.missing if site.ledger else {}
            cut_off = len(died) * CONCURRENCY
            found = figures(site, self._expected(case, missing), cut_off=cut_off)
            found = with_repeated(found, repeated_requests(site.service), cut_off)
            if not wrong and not _may_fail(case, set(missing)):
                wrong = f"words failed: {missing}"
        if wrong or not found.fine:
            wrong += f" (see {site.folder})"
        return Outcome(case, tuple(died), found, wrong)

    def _expected(self, case: Case, missing: Collection[str]) -> Picture:
        """Return what a run without kills stores of each word, whether its batch failed or not.

        A batch in doubt is created after the others, so that a crash decides which is the first one, which fails.
        """
        crash = case.crash if BATCH_ENDS[case.crash].model else "completed"
        whole = self._picture(replace(case, points=(), crash=crash, trouble="none", words=_unrotated(case)))
        if BATCH_ENDS[case.crash].whole:
            return whole
        first = {word: words for words in (WORDS, ROTATED) for word in words[:_BATCH_WORDS]}
        parts = {word: self._picture(Case((), case.crash, words=first[word])) for word in missing}
        return {**whole, **{word: found.get(word, "") for word, found in parts.items()}}

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
            crash = BATCH_ENDS[case.crash]
            site = Site(
                *place,
                case.words,
                run.options,
                provider=run.provider,
                gives_up=crash.denied,
                model=crash.model,
                start=self._start,
            )
            try:
                site.prepare([word for word in case.words if word != NEW])
                if run.earlier:
                    site = _after_another(site, run.earlier)
                with _time_passing(site) if crash.patient else nullcontext():
                    yield site
            finally:
                site.forget()

    def _settings(self, service: Path, case: Case) -> SandboxSettings:
        crash = BATCH_ENDS[case.crash]
        limit = [f"token_limit={int(crash.limit * self._batch_tokens(case.run))}"] if crash.limit else []
        limit += ["limit_at_creation"] if crash.at_creation else []
        return SandboxSettings(
            data=service,
            port=0,
            validating_seconds=0,
            running_seconds=crash.seconds,
            faults=(*crash.faults, *limit, *FAULTS[case.trouble]),
            fast=True,
        )


def _may_fail(case: Case, missing: set[str]) -> bool:
    """Whether exactly these words may fail: those of the first batch, or some of them if it ends with some answers."""
    crash = BATCH_ENDS[case.crash]
    if crash.whole:
        return not missing
    first = [{*words[:_BATCH_WORDS]} for words in (WORDS, ROTATED)]
    if any(each.startswith("partial_output") for each in crash.faults):
        return bool(missing) and any(missing <= words for words in first)
    return missing in first


def _after_another(site: Site, options: tuple[str, ...]) -> Site:
    """Execute another run over the words of a site, and return the site as it is afterwards."""
    earlier = replace(site, folder=site.folder.with_name("earlier"), options=options)
    earlier.prepare(())
    code = earlier.live()
    if not earlier.is_through(code):
        raise RuntimeError(f"the earlier run ended with {code}, see {earlier.folder}")
    return replace(site, earlier_batches=len(batches_of(site)))


@contextmanager
def _time_passing(site: Site) -> Iterator[None]:
    """End long batches in the background, each time that none of them is in doubt."""
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
    """Whether batches are in flight, all with known ids, and no late batch can still appear."""
    live = [batch for batch in batches_of(site) if MOVES[batch.status]]
    ledger = site.ledger
    if not live or ledger is None or any(record.state == ChunkState.SUBMITTING for record in ledger.chunks):
        return False
    doubtful = {record.batch_id: record.creation_in_doubt for record in ledger.chunks}
    listed = (batch.created + _LISTED < time.time() or not doubtful[batch.id] for batch in live)
    return all(batch.id in doubtful for batch in live) and all(listed)


def _begun(site: Site, crash: Crash) -> str:
    """Run the first process of a case whose user acts after it; return a sentence if it ends otherwise than expected.

    A batch is only submitted if the user gives it up: a session that has seen it would poll it for ten minutes.
    """
    if not (crash.denied or crash.model):
        return ""
    code = site.live(crash.first or None)
    expected = 0 if crash.denied else KILLED if crash.first else REFUSED
    return "" if code == expected else f"the first process ended with {code}"


def _unrotated(case: Case) -> tuple[str, ...]:
    return WORDS if case.words == ROTATED else case.words


def _live_through(site: Site, case: Case, died: list[str]) -> str:
    """Run one process after another to the end of the run; return a sentence per problem."""
    if wrong := _begun(site, BATCH_ENDS[case.crash]):
        return wrong
    for point in case.points:
        code = site.live(point)
        if code == KILLED:
            died.append(point)
        elif code not in ENDS:
            return f"ended with {code} before {point}"
    code = site.live()
    return "" if site.is_through(code) else f"the last process ended with {code}"
