"""Recovery: stores the answers of a batch whose checkpoint is lost.

The batch's input file gives the expected requests and their documents; its metadata give the settings of the run.
Answers that refer to items by number are stored only if the prompt that was sent is identical to the present one, so
that the numbers still refer to the same items.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache, partial
from itertools import batched
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

import orjson

from floridify_batch.components.change import SchemaVersion, Update, WriteOutcome, Writes, writes_of
from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.judgement import share_named
from floridify_batch.components.registry import SynthesisComponent, recipe_of
from floridify_batch.components.requests import parse_custom_id, prompt_digest
from floridify_batch.costs.price import Bills, Price
from floridify_batch.costs.usage import together
from floridify_batch.errors import ShortAnswers, UnknownBatch
from floridify_batch.files import ChunkFolder, private_file
from floridify_batch.formatting import whole_number
from floridify_batch.pipeline.brief import Brief, BriefOptions, Question, brief
from floridify_batch.pipeline.change_derivation import Applied, Disposition, Origin, Tally, applied, parser
from floridify_batch.pipeline.chunk import Expected, read_expected
from floridify_batch.pipeline.plan import finish, left_over
from floridify_batch.pipeline.sent_prompt import SentPrompt
from floridify_batch.pipeline.settlement import (
    WordOutcome,
    billed,
    billing,
    indexed_answers,
    refuse_invented,
    settle,
)
from floridify_batch.providers.interface import AnswerSource, BatchJob
from floridify_batch.providers.transfer import fetch_answers, unanswered
from floridify_batch.run.pack_recovery import members_of
from floridify_batch.run.result_collection import STORE_PAGE_WORDS
from floridify_batch.run.state import exclusively
from floridify_batch.words.entry import DocId, Entry, FrequencyScale
from floridify_batch.words.language import language_name

_PAGE_REQUESTS = 1000
_UNKNOWN_WORD = DocId("")
"""The word of a request whose document is not in this database."""


class Files(AnswerSource, Protocol):
    """A source of a batch's files."""

    async def requests(self, batch: BatchJob, path: Path) -> None:
        """Download the input file of a batch to a path. Raises `UnknownBatch`."""


class Library(Protocol):
    """A database that finds entries by the documents that requests name."""

    @property
    def name(self) -> str:
        """The name of the database."""
        ...

    @property
    def schema(self) -> SchemaVersion:
        """The version of Floridify's models that reads the database."""
        ...

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """The entries of each of these words."""
        ...

    async def entries_of(self, documents: Sequence[DocId], language: str) -> dict[DocId, Entry]:
        """The entry of each of these words and definitions; those that do not exist are omitted."""
        ...

    def locked(self, holder: str) -> AbstractAsyncContextManager[None]:
        """Hold the database's write lock. Writes raise `WriteLockLost` where another run has taken it over."""
        ...

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write changes; idempotent."""
        ...

    async def update(self, updates: Sequence[Update]) -> None:
        """Write the updates that tidy up finished words."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The results of recovered batches; `cost` is in US dollars, or None if a price is unknown.

    `elsewhere`: those of batches whose documents are not in this database; their answers are not read. `missing`: the
    failed requests by ID, each with its kind, that no later batch has answered; `answered`: those of earlier batches'
    missing requests that this one has answered. `edited`: the words of edited copies that stay. `shortfalls`: the
    reasons why answer files are incomplete.
    """

    requests: int = 0
    elsewhere: int = 0
    dispositions: Counter[Disposition] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    samples: tuple[Failure, ...] = ()
    cost: Decimal | None = Decimal(0)
    missing: Mapping[str, str] = field(default_factory=dict)
    answered: frozenset[str] = frozenset()
    edited: tuple[str, ...] = ()
    shortfalls: tuple[str, ...] = ()

    def __add__(self, other: "Recovered") -> "Recovered":
        return Recovered(
            self.requests + other.requests,
            self.elsewhere + other.elsewhere,
            self.dispositions + other.dispositions,
            self.failures + other.failures,
            self.samples + other.samples,
            together((self.cost, other.cost)),
            {each: kind for each, kind in self.missing.items() if each not in other.answered} | dict(other.missing),
            edited=(*self.edited, *other.edited),
            shortfalls=(*self.shortfalls, *other.shortfalls),
        )


@dataclass(frozen=True, slots=True)
class RecoveryOptions:
    """Options of a recovery: the user's templates and price, and the requests that earlier batches left unanswered."""

    templates: Path | None = None
    price: Price | None = None
    pending: Collection[str] = ()


_DEFAULTS = RecoveryOptions()


async def recover(
    batch: BatchJob, files: Files, library: Library, folder: ChunkFolder, options: RecoveryOptions = _DEFAULTS
) -> Recovered:
    """Store the answers of a batch that has ended, unless newer ones are stored; `folder` is for its files.

    Idempotent; answer files that lack answers are stored as far as they go. Raises `UnknownBatch` if the service no
    longer has its files, `IncompleteAnswers` if it returns others, `UsageError` if its metadata or the templates are
    unusable.
    """
    await files.requests(batch, folder.requests)
    renewed = bool(batch.metadata.get("replaces"))
    questions = _questions(batch, options.templates)
    sent = await _note_expected(folder, library, _language(batch), questions, renewed=renewed)
    if not sent.has_documents:
        return Recovered(sent.requests, sent.requests)
    shortfall = await _download(batch, files, folder)
    asked = _brief(batch, sent, options.templates)
    storage = _AnswerStorage(
        library, asked, _origin(batch, asked, sent.model, library.schema), sent.words, options.pending
    )
    bills = Bills(sent.model, batch=True, price=options.price)
    with indexed_answers(folder.answers, billing(bills)) as index:
        refuse_invented(index, library.name)
        there = [path for path in folder.answers if path.exists()]
        bills, _ = billed(index, there, _line_ids(folder), bills, short=bool(shortfall))
        parse = parser(asked.by_component(), storage.tally.repairs, _language(batch))
        for page in batched(settle(read_expected(folder), index, parse, unanswered(batch)), STORE_PAGE_WORDS):
            await storage.take(page)
    return replace(storage.recovered(sent.requests, bills.cost), shortfalls=shortfall)


async def _download(batch: BatchJob, files: AnswerSource, folder: ChunkFolder) -> tuple[str, ...]:
    """Download the answer files; the reason if they lack answers. Raises `UnknownBatch` or `IncompleteAnswers`."""
    try:
        await fetch_answers(files, batch, folder.answers, _line_ids(folder))
    except ShortAnswers as error:
        return (str(error),)
    return ()


def _line_ids(folder: ChunkFolder) -> Iterator[str]:
    return (each.line_id for each in read_expected(folder))


# ── what was sent ──────────────────────────────────────────────────────────────────────────────────────────────────


type _Questions = Callable[[str, str], Question | None]


class _Request(NamedTuple):
    custom_id: str
    document: DocId
    component: str
    model: str
    sent: SentPrompt
    carrier: tuple[str, int, Sequence[int]] | None = None
    """For a member of a pack: the id of the pack, its number there, and the weights of all members."""


@dataclass(slots=True)
class _Sent:
    """The words and requests of an input file, with ordinals assigned here."""

    words: list[DocId] = field(default_factory=lambda: [_UNKNOWN_WORD])
    model: str = ""
    components: set[str] = field(default_factory=set)
    requests: int = 0

    @property
    def has_documents(self) -> bool:
        """Whether the document of any request is in the database."""
        return len(self.words) > 1

    def note(self, request: _Request, entry: Entry | None, *, renewed: bool) -> Expected:
        """Add a request and return its expectation; the number of its attempt is unknown."""
        word = _word(entry)
        if word == _UNKNOWN_WORD:
            ordinal = 0
        else:
            if word != self.words[-1]:  # the requests of a word are consecutive
                self.words.append(word)
            ordinal = len(self.words) - 1
        self.model = request.model
        self.components.add(request.component)
        self.requests += 1
        precondition = _precondition(request, entry, renewed=renewed)
        return Expected(ordinal, request.custom_id, 1, 0, precondition, *(request.carrier or ()))


def _precondition(request: _Request, entry: Entry | None, *, renewed: bool) -> str:
    """The precondition of the request, as far as its prompt shows it."""
    if entry is None or request.component not in SynthesisComponent:
        return ""
    recipe = recipe_of(request.component)
    if recipe.positional:
        return prompt_digest(request.sent.prompt)
    return request.sent.precondition(recipe, entry, request.document, renewed=renewed)


async def _note_expected(
    folder: ChunkFolder, library: Library, language: str, questions: _Questions, *, renewed: bool
) -> _Sent:
    """Write the expected requests, as the run had written them."""
    sent = _Sent()
    with folder.requests.open("rb") as lines, private_file(folder.expected) as out:
        for page in batched(lines, _PAGE_REQUESTS):
            requests = [_request(line, questions) for line in page if line.strip()]
            documents = list(dict.fromkeys(each.document for each in requests if each.document != _UNKNOWN_WORD))
            entries = await library.entries_of(documents, language)
            members = [each for request in requests for each in await _members(request, entries, library, language)]
            # Packs hold requests about several words: those of each word together, in the order of the file.
            order = {each: number for number, each in enumerate(dict.fromkeys(_word(entry) for _, entry in members))}
            for request, entry in sorted(members, key=lambda pair: order[_word(pair[1])]):
                noted = sent.note(request, entry, renewed=renewed)
                out.write(orjson.dumps([*noted]) + b"\n")
    return sent


def _word(entry: Entry | None) -> DocId:
    return entry.id if entry else _UNKNOWN_WORD


async def _members(
    request: _Request, entries: Mapping[DocId, Entry], library: Library, language: str
) -> list[tuple[_Request, Entry | None]]:
    """The requests of a line with their entries: itself, or the members of a pack."""
    entry, parts = entries.get(request.document), parse_custom_id(request.custom_id)
    if parts is None or parts.members == 1:
        return [(request, entry)]

    async def find(texts: Sequence[str]) -> Mapping[str, Sequence[Entry]]:
        return await library.entries(texts, language)

    return [
        (
            request._replace(
                custom_id=each.custom_id,
                document=each.document,
                sent=request.sent._replace(custom_id=each.custom_id, prompt=each.item),
                carrier=(request.custom_id, each.number, each.weights),
            ),
            each.entry,
        )
        for each in await members_of(request.custom_id, parts, request.sent.prompt, entry, find)
    ]


def _request(line: bytes, questions: _Questions) -> _Request:
    try:
        parsed = orjson.loads(line)
        identity, body = str(parsed["custom_id"]), parsed["body"]
        messages, model = body["messages"], str(body["model"])
        prompt, users = str(messages[-1]["content"]), len(messages) == 1  # ours have instructions in their own message
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        raise UnknownBatch("the file of its requests cannot be read") from None
    parts = parse_custom_id(identity)
    document, component = (parts.document, parts.component) if parts else (_UNKNOWN_WORD, "")
    sent = SentPrompt(identity, prompt, users, questions(component, model) if users else None)
    return _Request(identity, document, component, model, sent)


def _known(names: Sequence[str]) -> list[SynthesisComponent]:
    return [SynthesisComponent(name) for name in names if name in SynthesisComponent]


# ── how it is to be stored ─────────────────────────────────────────────────────────────────────────────────────────


def _language(batch: BatchJob) -> str:
    return batch.metadata.get("language", "en")


def _counts(text: str) -> Iterator[tuple[str, int]]:
    """The counts in a batch's metadata, even those that `--count` no longer takes: fingerprints depend on them."""
    for name, _, number in (each.partition("=") for each in text.split(",")):
        if (count := whole_number(number)) is not None:
            yield name, count


def _brief(batch: BatchJob, sent: _Sent, templates: Path | None) -> Brief:
    """Return the specification of the batch's run, from its metadata. Raises `UsageError`."""
    metadata: Mapping[str, Any] = batch.metadata
    names = [*filter(None, metadata.get("components", "").split(",")), *sorted(sent.components)]
    asked = brief(
        _known(names),
        model=sent.model,
        language_name=language_name(_language(batch)),
        counts=dict(_counts(metadata.get("counts", ""))),
        templates=templates,
        options=BriefOptions(
            language_name(gloss) if (gloss := batch.metadata.get("gloss_language")) else None,
            judge_sample=share_named(metadata.get("judge_sample", "1")),
        ),
    )
    renewed = metadata.get("replaces")
    return replace(
        asked,
        forced_run=batch.run if renewed == "all" else None,
        stale=renewed == "stale",
        replace_edited=bool(metadata.get("replaces_edited")),
    )


def _questions(batch: BatchJob, templates: Path | None) -> _Questions:
    """The run's questions, by component and model, as far as the user's templates are known."""

    @cache
    def question(component: str, model: str) -> Question | None:
        if templates is None or component not in SynthesisComponent:
            return None
        return _brief(batch, _Sent(model=model, components={component}), templates).by_component()[component]

    return question


def _origin(batch: BatchJob, asked: Brief, model: str, schema: SchemaVersion) -> Origin:
    job, digest = batch, batch.metadata.get("templates", "")
    return Origin(
        batch.run,
        job.id,
        job.created_at,
        job.completed_at or job.created_at,
        model,
        "batch",
        _language(batch),
        rare_first=batch.metadata.get("frequency_scale") == FrequencyScale.RARE_FIRST,
        schema=schema,
        templates=None if asked.template_digest == digest else digest,
    )


# ── storing it ─────────────────────────────────────────────────────────────────────────────────────────────────────


class _AnswerStorage:
    """Stores the answers of a batch, page by page, and counts the results."""

    def __init__(
        self, library: Library, asked: Brief, origin: Origin, words: Sequence[DocId], pending: Collection[str] = ()
    ) -> None:
        self.tally = Tally()
        self.dispositions: Counter[Disposition] = Counter()
        self._library = library
        self._brief = asked
        self._origin = origin
        self._words = words
        self._pending = pending
        self._holder = f"recovery {uuid4().hex}"
        self.missing: dict[str, str] = {}
        self.answered: set[str] = set()
        self.edited: list[str] = []

    async def take(self, page: Sequence[WordOutcome]) -> None:
        """Store the answers about some words."""
        made_of = await exclusively(self._library, self._holder, partial(self._stored, page))
        for outcome, made in zip(page, made_of, strict=True):
            unstored = [each for each in made.failures if each.reason is not FailureReason.KEPT]
            self.tally.count(outcome.answers, (*outcome.failures, *unstored))
            self.dispositions += made.dispositions
            self.missing |= {failure.custom_id: failure.kind for failure in outcome.failures}
            self.answered |= {each.custom_id for each in outcome.answers if each.custom_id in self._pending}

    def recovered(self, requests: int, cost: Decimal | None) -> Recovered:
        """The results of the batch, which had so many requests."""
        return Recovered(
            requests,
            dispositions=self.dispositions,
            failures=self.tally.failures,
            samples=tuple(self.tally.samples),
            cost=cost,
            missing=self.missing,
            answered=frozenset(self.answered),
            edited=tuple(self.edited),
        )

    async def _stored(self, page: Sequence[WordOutcome]) -> Sequence[Applied]:
        """Store the answers."""
        words = [self._words[outcome.ordinal] for outcome in page]
        entries = await self._entries(words)
        stored = ([entries[word]] if word in entries else [] for word in words)
        made_of = applied(zip(page, stored, strict=True), self._brief, self._origin)
        remains = (each for made in made_of for each in made.remains)
        if writes := writes_of((change for made in made_of for change in made.changes), remains):
            self.edited += (await self._library.apply(writes)).edited
        await self._finish([word for word, made in zip(words, made_of, strict=True) if _is_news(made)])
        return made_of

    async def _finish(self, words: Sequence[DocId]) -> None:
        """Tidy up words that have become complete, as their run would have done."""
        if not words:
            return
        entries = (await self._entries(words)).values()
        complete, run = filter(self._is_complete, entries), self._origin.run
        if updates := [update for entry in complete for update in finish(entry, run)]:
            await self._library.update(updates)

    def _is_complete(self, entry: Entry) -> bool:
        return left_over([entry], self._brief, {}) is None

    async def _entries(self, words: Sequence[DocId]) -> dict[DocId, Entry]:
        return await self._library.entries_of([word for word in words if word != _UNKNOWN_WORD], self._origin.language)


def _is_news(made: Applied) -> bool:
    return made.dispositions[Disposition.FRESH] > 0
