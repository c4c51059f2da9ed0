"""Random cases: a list, settings, faults and disruptions, all derived from one seed, so that each can be repeated.

Faults that cost attempts are confined to the sandbox's first two batches, so that three attempts are always enough; a
word may fail only if the sandbox is set to reject, refuse or lose a request of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from floridify_batch.costs.answer_length import AnswerShape
from floridify_batch.run.crash_point import POINTS
from scripts.benchmarks.data import word
from scripts.soaks.matrix import comes_by

COMPONENTS = (
    "synonyms",
    "antonyms",
    "examples",
    "cefr_level",
    "frequency_band",
    "register",
    "domain",
    "regional_variants",
    "pronunciation",
    "etymology",
    "collocations",
    "word_forms",
    "facts",
    "synonym_chooser",
)
_MAX_WORDS, _MAX_FAULTS, _MAX_BLOWS = 12, 5, 7
_SLOWEST, _LONGEST_OUTAGE = 1.5, 2.0
_WORKERS = ("--workers", "2")
"""Every fourth case uses worker processes. This is not random, so that the rest of a case is the same for its seed."""

CONCURRENCY = 4
_IMMEDIATE = ("--immediate", "--concurrency", str(CONCURRENCY))
"""Other fourth cases send single requests."""

_CARRIERS: Sequence[tuple[str, ...]] = (_WORKERS, _IMMEDIATE, (), ())

_PACKS = (2, 3, 4, 6, 12, 20)
_OTHER_MODELS = ("gpt-5-nano", "gpt-5.4-nano", "gpt-4o-mini")

type Chance = Random
type Make = Callable[[Chance], tuple[str, ...]]


def _share(name: str, most: float, within: int | None = None) -> Make:
    return lambda chance: (f"{name}={chance.uniform(0.02, most):.2f}" + (f"@{within}" if within else ""),)


def _times(name: str, most: int) -> Make:
    return lambda chance: (f"{name}={chance.randint(1, most)}",)


def _flag(name: str, _: Chance) -> tuple[str, ...]:
    return (name,)


def _some_finished(name: str, within: int) -> Make:
    return lambda chance: (f"{name}=1@{within}", f"partial_output={chance.uniform(0, 1):.2f}")


MENU: Sequence[Make] = (
    *(
        _share(name, 0.4, 2)
        for name in ("expire", "missing", "null_response", "not_json", "no_id", "malformed", "truncate")
    ),
    *(_share(name, 0.4, 2) for name in ("http_0", "http_429", "http_500", "http_503")),
    *(_share(name, 0.5) for name in ("duplicate", "unknown", "split")),
    *(_share(name, 0.25) for name in ("poll_429", "poll_500")),
    *(_times(f"create_{how}", 2) for how in ("429", "500", "drop", "cut")),
    *(_times(f"upload_{how}", 2) for how in ("429", "500", "drop", "cut")),
    *(_times(f"content_{how}", 3) for how in ("500", "cut")),
    _times("list_500", 3),
    _some_finished("cancel", 2),
    lambda chance: (f"list_lag={chance.uniform(0.1, 1.5):.1f}",),
    lambda chance: (f"create_hold={chance.uniform(0.1, 1.5):.1f}",),
)
"""Faults after which every word is processed nevertheless."""

_ODD = (
    *("odd_usage", "null_usage", "upper_status", "foreign_batch", "list_bare", "list_loop", "no_metadata"),
    *("windows_lines", "indented", "cancel_400", "file_404", "file_uploaded"),
)
ODD_MENU: Sequence[Make] = (
    *(partial(_flag, name) for name in _ODD),
    *(
        _times(name, 2)
        for name in (
            *("unknown_status", "poll_page", "poll_denied", "content_denied", "no_files", "content_short"),
            *("create_error", "poll_error"),
        )
    ),
    _times("queue_full", 1),
    _share("body_text", 1),
    lambda chance: (f"clock_offset={chance.choice((-86_400, -7_200, 7_200, 86_400))}",),
    lambda chance: (f"file_pending={chance.uniform(0.1, 1):.1f}",),
    lambda _: ("upload_429=1", "create_429=1", "retry_after=1"),
)
"""Deviations of other services and gateways, after which every word is processed, too."""

CHAT_MENU: Sequence[Make] = (
    *(_share(name, 0.3) for name in ("chat_429", "chat_500")),
    *(_share(name, 0.6, 2) for name in ("chat_drop", "chat_cut", "chat_page")),
    _share("chat_wrapped", 1),
    _times("chat_limit", 20),
)
"""Faults of single requests."""

HARD_MENU: Sequence[Make] = (
    lambda chance: (f"fail_batch={chance.uniform(0.2, 1):.2f}:invalid_request@3",),
    lambda chance: ("fail_late=1:server_error@1", f"partial_output={chance.uniform(0, 1):.2f}"),
    lambda chance: (f"token_limit={chance.randint(2_000, 12_000)}",),
    _share("refuse", 0.1, 4),
    _share("http_400", 0.1, 4),
)
"""Faults that may cost words: the service rejects or refuses them, or takes no file that is large enough."""

_DENIED, _QUOTA = ("poll_404=1@1", "content_404=1@1"), "quota"
STOPS = (*_DENIED, _QUOTA)
"""Faults that stop a run (exit code 4) until the user acts: gives up a batch that stays denied, or pays a bill."""

_TEMPORARY_DENIALS = ("poll_denied", "content_denied")
_ROOMY_LIMIT = (12_000, 30_000)
"""Limits on queued tokens that hold any single word, which a service that refuses at creation would refuse for ever."""


@dataclass(frozen=True, slots=True)
class Disruption:
    """A disruption of one process: a crash `point`, `signals`, or the outage of a server, after some seconds.

    `begun`: the seconds count from the start of the run, not of the process. `verb`: the command, where
    there is a checkpoint.
    """

    point: str = ""
    verb: str = "resume"
    begun: bool = True
    signals: tuple[tuple[float, str], ...] = ()
    outage: str = ""
    after: float = 0.0
    lasts: float = 0.0

    def __str__(self) -> str:
        if self.outage:
            return f"{self.outage} gone at {self.after:.1f} s for {self.lasts:.1f} s"
        hit = self.point or ", ".join(f"{name} at {after:.1f} s" for after, name in self.signals)
        return f"{self.verb}, {hit}" if self.verb == "cancel" else hit


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a case. `gentle`: every word must be processed in the end. `limits`: options that stop the run until
    the user raises them; the run without faults has none.
    """

    seed: int
    words: tuple[str, ...]
    known: tuple[str, ...]
    options: tuple[str, ...]
    faults: tuple[str, ...]
    gentle: bool
    seconds: float
    disruptions: tuple[Disruption, ...]
    limits: tuple[str, ...] = ()

    @property
    def immediate(self) -> bool:
        """Whether the requests are sent one by one."""
        return "--immediate" in self.options

    @property
    def denies(self) -> bool:
        """Whether the service denies a batch, or its answers, for good."""
        return any(fault in _DENIED for fault in self.faults)

    @property
    def after_payment(self) -> tuple[str, ...]:
        """The faults that remain once the user has paid."""
        return tuple(fault for fault in self.faults if fault != _QUOTA)


def plan_of(seed: int) -> Plan:
    """Return the case of a seed."""
    chance = Random(seed)  # noqa: S311  not for secrets
    words = tuple(word(seed * _MAX_WORDS + number) for number in range(chance.randint(1, _MAX_WORDS)))
    gentle = _happens(chance, 0.7)
    faults = _faults(chance, gentle=gentle)
    disruptions = [_blow(chance) for _ in range(chance.randint(1, _MAX_BLOWS))]
    cancels = _happens(chance, 0.2) and _CARRIERS[seed % 4] is not _IMMEDIATE  # `cancel` is for batches
    if cancels:  # each time costs what is in flight an attempt
        disruptions.insert(chance.randint(0, len(disruptions)), _cancel(chance))
    all_faults = _with_stop(seed, _at_creation(seed, (*faults, *_further_faults(seed, faults))))
    return Plan(
        seed=seed,
        words=words,
        known=tuple(chance.sample(words, chance.randint(0, len(words)))),
        options=(*_options(chance), *_CARRIERS[seed % 4], *_forms(seed)),
        faults=all_faults,
        gentle=gentle and not cancels and not any(fault in _DENIED for fault in all_faults),
        seconds=chance.choice((0.0, chance.uniform(0, _SLOWEST), chance.uniform(0, _SLOWEST))),
        disruptions=tuple(disruptions),
        limits=_limits(seed),
    )


def _faults(chance: Chance, *, gentle: bool) -> tuple[str, ...]:
    made = [make(chance) for make in chance.sample(MENU, chance.randint(0, _MAX_FAULTS))]
    if not gentle:
        made += [make(chance) for make in chance.sample(HARD_MENU, chance.randint(1, 2))]
    by_name = {fault.partition("=")[0]: fault for each in made for fault in each}
    return tuple(by_name.values())


def _further_faults(seed: int, faults: Sequence[str]) -> tuple[str, ...]:
    """Draw deviations of other services; by other numbers, so that the rest of a case stays what it was."""
    chance = Random(f"further {seed}")  # noqa: S311  not for secrets
    menu = CHAT_MENU if _CARRIERS[seed % 4] is _IMMEDIATE else ODD_MENU
    made = [fault for make in chance.sample(menu, chance.randint(0, 3)) for fault in make(chance)]
    known = {fault.partition("=")[0] for fault in faults}
    return tuple({fault.partition("=")[0]: fault for fault in made if fault.partition("=")[0] not in known}.values())


def _at_creation(seed: int, faults: tuple[str, ...]) -> tuple[str, ...]:
    """Let a service refuse batches above its token limit at their creation already, in half of the cases with one."""
    chance = Random(f"at creation {seed}")  # noqa: S311  not for secrets
    kept = tuple(fault for fault in faults if not fault.startswith("token_limit="))
    if kept == faults or _happens(chance, 0.5):
        return faults
    return (*kept, f"token_limit={chance.randint(*_ROOMY_LIMIT)}", "limit_at_creation")


def _with_stop(seed: int, faults: tuple[str, ...]) -> tuple[str, ...]:
    """Add a fault that stops the run to some of the cases; one denial for good stands alone."""
    chance = Random(f"stop {seed}")  # noqa: S311  not for secrets
    if not _happens(chance, 0.15):
        return faults
    stop = _QUOTA if _CARRIERS[seed % 4] is _IMMEDIATE else chance.choice(STOPS)
    return (*(fault for fault in faults if not fault.startswith(_TEMPORARY_DENIALS)), stop)


def _limits(seed: int) -> tuple[str, ...]:
    """Set a cost limit that many cases reach, to some of them."""
    chance = Random(f"limit {seed}")  # noqa: S311  not for secrets
    return ("--max-cost", f"{chance.uniform(0.0002, 0.002):.4f}") if _happens(chance, 0.15) else ()


def _options(chance: Chance) -> tuple[str, ...]:
    components = chance.sample(COMPONENTS, chance.randint(1, 6))
    options = ["--components", ",".join(components)]
    if _happens(chance, 0.8):
        options += ["--batch-size", str(chance.randint(1, 6))]
    if _happens(chance, 0.3):
        options += ["--max-batches", str(chance.randint(1, 3))]
    if _happens(chance, 0.2):
        options += ["--max-queued-tokens", str(chance.randint(1_000, 20_000))]
    return tuple(options)


def _forms(seed: int) -> tuple[str, ...]:
    """Draw the form of the requests: packs, shapes of answers, several models, the tier flex, a prompt cache."""
    chance = Random(f"form {seed}")  # noqa: S311  not for secrets
    options: list[str] = []
    if _happens(chance, 0.6):
        options += ["--pack", str(chance.choice(_PACKS))]
    if _happens(chance, 0.5):
        options += ["--answers", str(chance.choice(list(AnswerShape)))]
    if _happens(chance, 0.3):
        named = ",".join(chance.sample(COMPONENTS, chance.randint(1, 4)))
        options += ["--model-for", f"{named}={chance.choice(_OTHER_MODELS)}"]
    if _CARRIERS[seed % 4] is _IMMEDIATE and _happens(chance, 0.5):
        options += ["--service-tier", "flex"]
    if _happens(chance, 0.2):
        options += ["--request-option", "prompt_cache_options=null"]
    return tuple(options)


def _blow(chance: Chance) -> Disruption:
    kind = chance.choices(("point", "kill", "stop", "database", "service"), (45, 25, 12, 9, 9))[0]
    begun = _happens(chance, 0.8)
    moment = chance.uniform(0, 1.5)
    match kind:
        case "point":
            usual = [point for point in POINTS if comes_by("completed", point)]
            return Disruption(point=f"{chance.choice(usual if begun else POINTS)}@{chance.choice((1, 1, 1, 2, 3, 4))}")
        case "kill":
            return Disruption(begun=begun, signals=((moment, "SIGKILL"),))
        case "stop":
            return Disruption(begun=begun, signals=_stops(chance, moment))
        case _:
            return Disruption(begun=begun, outage=kind, after=moment, lasts=chance.uniform(0.2, _LONGEST_OUTAGE))


def _cancel(chance: Chance) -> Disruption:
    points = ("before-cancel", "after-cancel", "after-retrieve", "after-answers", "amid-apply", "after-save", "")
    return Disruption(point=chance.choice(points), verb="cancel")


def _stops(chance: Chance, moment: float) -> tuple[tuple[float, str], ...]:
    first = (moment, chance.choice(("SIGINT", "SIGTERM")))
    return (first, (moment + chance.uniform(0, 0.5), "SIGINT")) if _happens(chance, 0.5) else (first,)


def _happens(chance: Chance, share: float) -> bool:
    return chance.random() < share
