"""In-memory fakes of the ports: a batch service, a store, a clock and a checkpoint that can crash.

`Service` answers request files as the Batch API does, with scripted faults. `MemoryStore` keeps documents and reads
them with the real reader. Both outlive the driver, so that a test can crash one driver and start another. A `Crash`
counts the steps of a driver and raises at any of them.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Self, override

import orjson

from floridify_batch.components.change import Collection, Merged, SchemaVersion, Update, WriteOutcome, Writes
from floridify_batch.components.registry import SynthesisComponent
from floridify_batch.components.requests import parse_custom_id
from floridify_batch.components.synthesis_entry import references
from floridify_batch.costs.answer_length import AnswerKind, BatchLengths, Observed, SenseCount
from floridify_batch.costs.price import BATCH_DISCOUNT
from floridify_batch.database.document import Found, new_word, read_entry
from floridify_batch.database.merge import copies_to_remove
from floridify_batch.database.removal import RELATIONS, candidates, generated, keeping, replaced_by, unreferred
from floridify_batch.database.source_copy import Copies, Listing, Sources
from floridify_batch.errors import DatabaseError, QueueFull, ServiceBusy, ServiceError, ServiceUncertain, UnknownBatch
from floridify_batch.pipeline.brief import Brief, brief
from floridify_batch.providers.interface import BatchError, BatchJob, Capabilities, Found as FoundBatch, Submission
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.event import Event, Totals
from floridify_batch.run.ledger import Ledger
from floridify_batch.run.run_settings import RunInfo
from floridify_batch.run.state import Run
from floridify_batch.words.entry import (
    SYNTHESIS,
    DocId,
    Entry,
    FrequencyScale,
    Stamp,
    Word,
    as_homographs,
    derived_id,
    unknown_entry,
)
from floridify_batch.words.language import language_name
from floridify_batch.words.word_list import digest_of, write_normalised
from tests.ledgers import run_info

C = SynthesisComponent
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Crashed(BaseException):
    """A simulated crash of the process; not to be caught."""


@dataclass(slots=True)
class Crash:
    """Crashes a driver at its n-th step; by default never."""

    dies_at: int = 0
    steps: int = 0

    def step(self) -> None:
        """Count the start or the end of a step."""
        self.steps += 1
        if self.steps == self.dies_at:
            raise Crashed


class Clock:
    """A clock that advances by a second per call."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


# ── answers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def content_of(component: str, prompt: str) -> dict[str, Any]:
    """Return the content of an answer, determined by the prompt."""
    mark = derived_id(prompt)[:6]
    other = {"language": "en", "relevance": 1, "efflorescence": 0.5, "explanation": "near"}
    sense = {"part_of_speech": "noun", "relevancy": 0.5}
    contents: dict[str, dict[str, Any]] = {
        C.DEFINITIONS: {"definitions": [{**sense, "definition": f"{side} of {mark}"} for side in ("one", "other")]},
        C.SYNONYMS: {"synonyms": [{**other, "word": f"like {mark}"}]},
        C.ANTONYMS: {"antonyms": []},
        C.EXAMPLES: {"example_sentences": [f"First {mark}.", f"Second {mark}."]},
        C.CEFR_LEVEL: {"reasoning": "", "level": "B2"},
        C.DOMAIN: {"reasoning": "", "domain": None},
        C.REGIONAL_VARIANTS: {"regions": []},
        C.PRONUNCIATION: {"phonetic": f"say {mark}", "ipa": f"/{mark}/"},
        C.ETYMOLOGY: {"text": f"From {mark}.", "origin_language": None, "root_words": [], "first_known_use": None},
        C.FACTS: {"facts": [{"fact": f"A fact of {mark}.", "category": "usage"}]},
        C.CLUSTER_DEFINITIONS: {
            "clusters": [
                {"cluster_slug": slug, "cluster_description": slug, "definition_indices": numbers, "relevancy": share}
                for slug, numbers, share in (("side", [1, 3], 0.9), ("other", [2], 0.4))
            ]
        },
        C.JUDGEMENT: {"judgements": [{"number": at, "reason": f"as {mark}", "score": 5 - at} for at in (1, 2, 3)]},
        C.DEFINITION_TEXT: {"definitions": [{**sense, "definition": f"written of {mark}", "source_providers": []}]},
    }
    return {"confidence": 0.9, **contents[component]}


def completion(content: str, finish: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    """Return a chat completion with 100 input and 20 output tokens."""
    return {
        "choices": [{"message": {"content": content, "refusal": refusal}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20},
    }


def good(custom_id: str, prompt: str) -> dict[str, Any]:
    """Return a valid answer to a request."""
    parts = parse_custom_id(custom_id)
    assert parts is not None
    return completion(orjson.dumps(content_of(parts.component, prompt)).decode())


type Fault = str | int
"""The fault of a request: a status, or "missing", "refused", "cut", "malformed", "undefined", "unmetered"."""

type Faults = Callable[[str, int], Fault | None]
"""The fault of a request, by its id and its number of earlier attempts."""


def faultless(_: str, __: int) -> Fault | None:
    """No faults."""
    return None


def line_of(custom_id: str, prompt: str, fault: Fault | None) -> bytes | None:
    """Return the answer line of a request, or None for a missing one."""
    status, body = 200, good(custom_id, prompt)
    if fault == "missing":
        return None
    if isinstance(fault, int):
        status, body = fault, {"error": {"message": f"status {fault}"}}
    elif fault == "refused":
        body = completion("", refusal="I would rather not.")
    elif fault == "cut":
        body = completion('{"confid', finish="length")
    elif fault == "malformed":
        body = completion("{}")
    elif fault == "unmetered":
        body["usage"] = None
    elif fault == "undefined":
        body = completion('{"definitions":[],"confidence":1}')
    response = {"status_code": status, "request_id": "r", "body": body}
    return orjson.dumps({"custom_id": custom_id, "response": response, "error": None}) + b"\n"


def unanswered_line(custom_id: str) -> bytes:
    """Return the line of a request that expired unanswered."""
    error = {"code": "batch_expired", "message": "This request could not be executed before the window closed."}
    return orjson.dumps({"custom_id": custom_id, "response": None, "error": error}) + b"\n"


# ── the service ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class End:
    """The end of a batch: `status` after this many polls, with its first `answered` requests done (None: all)."""

    status: str = "completed"
    polls: int = 1
    answered: int | None = None
    error: BatchError | None = None
    unknown: bool = False
    gone: bool = False


@dataclass(slots=True)
class FakeBatch:
    """A batch in the fake service."""

    job: BatchJob
    prompts: dict[str, str]
    end: End
    polls: int = 0
    hidden: int = 0
    output: bytes = b""
    errors: bytes = b""

    @property
    def ids(self) -> list[str]:
        """Return the request ids in file order."""
        return list(self.prompts)


REJECTED = BatchError("token_limit_exceeded", "Enqueued token limit reached.")


class Service:
    """A `Batches` in memory. `queue`: how many requests may be queued at once; what is beyond is rejected.

    So many batches as `crowd` says find it full of somebody else's.

    `ends` are taken one per batch, `creations` one per creation: "lost" makes no batch and "silent" makes one, both
    without an answer, "busy" refuses for 7 seconds, and "late" makes one that the list does not show at the first six
    looks, "refused" is refused for good, "full" finds the queue full. `lost_uploads` uploads get no answer, and
    `busy_uploads` are put off for 7 seconds.
    """

    capabilities = Capabilities(BATCH_DISCOUNT)

    def __init__(self, *ends: End, queue: int | None = None, faults: Faults = faultless) -> None:
        self.ends = deque(ends)
        self.creations: deque[str] = deque()
        self.full = "Enqueued token limit reached."
        self.lost_uploads = 0
        self.busy_uploads = 0
        self.crowd = 0
        self.crowded = False
        self.queue = queue
        self.faults = faults
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, FakeBatch] = {}
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.cancelled: list[str] = []
        self.crash = Crash()
        self.clock = Clock()

    @property
    def labels(self) -> list[str | None]:
        """Return the labels of all batches, oldest first."""
        return [held.job.label for held in self.batches.values()]

    @property
    def sizes(self) -> list[int]:
        """Return the number of requests per batch."""
        return [len(held.ids) for held in self.batches.values()]

    async def find(self, submission: Submission, *, keep: str | None = None) -> FoundBatch:
        """The batch of a label that is to be kept, or the first one that the list shows; the others are cancelled."""
        found: list[Any] = []
        for held in self.batches.values():
            if held.job.label == submission.label:
                held.hidden -= 1
                if held.hidden < 0:
                    found.append(held)
        found.sort(key=lambda held: held.job.id != keep)
        kept = keep or (found[0].job.id if found else None)
        duplicates = [held for held in found if held.job.id != kept]
        for held in duplicates:
            if not held.job.terminal:
                await self.cancel(held.job.id)
        job = next((held.job for held in found if held.job.id == kept), None)
        return FoundBatch(job, tuple(held.job for held in duplicates))

    async def others(self, _: str) -> bool:
        """Whether batches of others are in the queue."""
        return self.crowded

    async def upload(self, requests: Path) -> str:
        """Store a file."""
        self.crash.step()
        if self.busy_uploads:
            self.busy_uploads -= 1
            raise ServiceBusy("Too many requests.", 7.0)
        if self.lost_uploads:
            self.lost_uploads -= 1
            raise ServiceUncertain("No answer.")
        identity = f"file-{len(self.files) + 1}"
        self.files[identity] = requests.read_bytes()  # noqa: ASYNC240  nobody waits for a few lines
        self.crash.step()
        return identity

    async def create(self, submission: Submission) -> BatchJob:
        """Create a batch, with the scripted fault."""
        self.crash.step()
        assert all(len(key) <= 64 and len(value) <= 512 for key, value in submission.metadata.items())
        how = self.creations.popleft() if self.creations else "made"
        if how == "lost":
            raise ServiceUncertain("No answer.")
        if how == "refused":
            raise ServiceError("The service refused the request (HTTP 400): no such model")
        if how == "full":
            raise QueueFull(self.full)
        if how == "busy":
            raise ServiceBusy("Too many requests.", 7.0)
        held = self._made(submission.file_id, submission.label)
        if how in ("silent", "late"):
            held.hidden = 6 if how == "late" else 0
            raise ServiceUncertain("No answer.")
        self.crash.step()
        return held.job

    def _made(self, file_id: str, label: str) -> FakeBatch:
        lines = [orjson.loads(line) for line in self.files[file_id].splitlines()]
        prompts = {line["custom_id"]: line["body"]["messages"][-1]["content"] for line in lines}
        assert len(prompts) == len(lines)
        assert len({line["body"]["model"] for line in lines}) == 1
        self.crowded = self.crowd > 0
        full = self.crowded or (self.queue is not None and self._queued() + len(lines) > self.queue)
        self.crowd -= self.crowded
        job = BatchJob(f"batch_{len(self.batches) + 1}", "in_progress", label, self.clock())
        end = End("failed", error=REJECTED) if full else (self.ends.popleft() if self.ends else End())
        held = FakeBatch(replace(job, total=len(lines)), prompts, end)
        self.batches[job.id] = held
        return held

    def _queued(self) -> int:
        return sum(len(held.ids) for held in self.batches.values() if not held.job.terminal)

    async def retrieve(self, batch_id: str) -> BatchJob:
        """Return a batch; it finishes after its number of polls."""
        held = self._held(batch_id)
        held.polls += 1
        if held.end.unknown:
            raise UnknownBatch("No such batch.")
        if held.polls >= held.end.polls and not held.job.terminal:
            self._finish(held, held.end.status, held.end.answered)
        return held.job

    def _held(self, batch_id: str) -> FakeBatch:
        if batch_id not in self.batches:
            raise UnknownBatch("No such batch.")
        return self.batches[batch_id]

    def _finish(self, held: FakeBatch, status: str, answered: int | None) -> None:
        done = [] if status == "failed" else held.ids[:answered]
        for custom_id in reversed(done):
            line = line_of(custom_id, held.prompts[custom_id], self.faults(custom_id, self.asked[custom_id]))
            self.asked[custom_id] += 1
            if line and b'"status_code":200' in line:
                self.answered[custom_id] += 1
                held.output += line
            elif line:
                held.errors += line
        counted = (held.output + held.errors).count(b"\n")
        if status == "expired":
            held.errors += b"".join(map(unanswered_line, held.ids[len(done) :]))
        errors = (held.end.error,) if held.end.error else ()
        held.job = replace(
            held.job,
            status=status,
            completed_at=self.clock(),
            done=counted,
            output_file_id=f"{held.job.id}-out" if held.output or status == "completed" else None,
            error_file_id=f"{held.job.id}-err" if held.errors else None,
            errors=errors,
        )

    async def answers(self, job: BatchJob, output: Path, errors: Path) -> None:
        """Write the existing answer files."""
        self.crash.step()
        held = self._held(job.id)
        if held.end.gone:
            raise UnknownBatch("The files are gone.")
        for file_id, content, path in (
            (job.output_file_id, held.output, output),
            (job.error_file_id, held.errors, errors),
        ):
            if file_id:
                path.write_bytes(content)
        self.crash.step()

    async def cancel(self, batch_id: str) -> BatchJob:
        """Cancel a batch without answers."""
        held = self._held(batch_id)
        self.cancelled.append(batch_id)
        self._finish(held, "cancelled", 0)
        return held.job

    async def close(self) -> None:
        """Close nothing."""


class Archive(Service):
    """A service that keeps each batch's metadata and input file."""

    def __init__(self, *ends: End) -> None:
        super().__init__(*ends)
        self.kept: list[tuple[str, str, Mapping[str, str]]] = []

    @override
    async def create(self, submission: Submission) -> BatchJob:
        job = await super().create(submission)
        self.kept.append((job.id, submission.file_id, submission.metadata))
        return job

    def found(self) -> list[BatchJob]:
        """Every batch, the oldest first."""
        return [
            replace(self.batches[batch].job, input_file_id=file_id, metadata=metadata)
            for batch, file_id, metadata in self.kept
        ]

    async def requests(self, batch: BatchJob, path: Path) -> None:
        """Download a batch's input file to this path."""
        path.write_bytes(self.files[batch.input_file_id])  # noqa: ASYNC240  nobody waits for a few lines


# ── the database ───────────────────────────────────────────────────────────────────────────────────────────────────


class MemoryStore:
    """An `EntryStore` in memory: documents by collection and id, with their stamps and versions.

    Writes to the words in `refused` are refused; reading those in `broken` fails unexpectedly.
    """

    name = "memory_sandbox"
    schema = SchemaVersion.TODAY
    scales: frozenset[FrequencyScale] = frozenset()

    def __init__(self) -> None:
        self.documents: dict[Collection, dict[DocId, dict[str, Any]]] = {name: {} for name in Collection}
        self.stamps: dict[DocId, Stamp] = {}
        self.seen: dict[DocId, BatchLengths] = {}
        self.runs: dict[str, int] = {}
        self.crash = Crash()
        self.applied = 0
        self.refused: set[str] = set()
        self.broken: set[str] = set()
        self.indexed = False

    def locked(self, holder: str) -> AbstractAsyncContextManager[None]:  # noqa: ARG002  it has one user
        """Hold nothing."""
        return nullcontext()

    async def ensure_indexes(self) -> None:
        """Note that indexes were created."""
        self.indexed = True

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """Return a store with one definition per word."""
        store = cls()
        for word in words:
            store.know(word, f"what {word} means")
        return store

    def know(self, text: str, *definitions: str, language: str = "en", **fields: Any) -> DocId:
        """Add a word with definitions and return its id."""
        number = 1 + sum(word["text"] == text for word in self.documents[Collection.WORDS].values())
        identity = derived_id("known", text, language, number)
        document = new_word(Word(identity, text, language)) | {"_id": identity, "homograph_number": number}
        self.documents[Collection.WORDS][identity] = document
        for definition in definitions:
            own = derived_id(identity, definition)
            self.documents[Collection.DEFINITIONS][own] = {
                "_id": own,
                "word_id": identity,
                "part_of_speech": "noun",
                "text": definition,
                "version": 1,
                **fields,
            }
        return identity

    async def entries(self, texts: Sequence[str], language: str) -> dict[str, list[Entry]]:
        """Return the entries of each text: one per homograph, or a new one for an unknown word."""
        if bad := self.broken.intersection(texts):
            raise KeyError(min(bad))
        found = Found(examples={each: str(of["text"]) for each, of in self.documents[Collection.EXAMPLES].items()})
        for document in self.documents[Collection.DEFINITIONS].values():
            found.definitions.setdefault(document["word_id"], {})[document["_id"]] = document
        for document in self.documents[Collection.ENTRIES].values():
            found.entries.setdefault(document["word_id"], []).append(document)
        by_text: dict[str, list[Entry]] = {text: [] for text in texts}
        for word in self.documents[Collection.WORDS].values():
            if word["text"] in by_text and language in word["languages"]:
                by_text[word["text"]].append(read_entry(word, found, self.stamps, language))
        return {text: as_homographs(entries) or [unknown_entry(text, language)] for text, entries in by_text.items()}

    async def ensure_words(self, words: Iterable[Word]) -> Mapping[DocId, str]:
        """Insert missing words."""
        for word in words:
            self._insert(Collection.WORDS, word.id, new_word(word), NOON)
        return {}

    async def apply(self, writes: Writes) -> WriteOutcome:
        """Write changes in the port's order: stamps, inserts, updates, removals; idempotent."""
        self.crash.step()
        self.stamps = {stamp.id: stamp for stamp in writes.stamps} | self.stamps
        copies = self._copies(writes)
        for insert, made in (*copies.inserts, *writes.inserts):
            self._insert(insert.collection, insert.id, insert.fields, made)
        self.crash.step()
        writes = keeping(writes, self._of_others(writes))
        for listing in copies.listings:
            self._list(listing)
        updated = sum(self._update(merged) for merged in writes.updates if self._text_of(merged) not in self.refused)
        self.crash.step()
        self._merge(writes)
        for collection, group in replaced_by(writes).items():
            bond = RELATIONS[collection]
            due = candidates(self.documents[collection].values(), bond, group)
            for document in unreferred(due, bond, self.documents[bond.holder].values()):
                del self.documents[collection][document["_id"]]
        self.applied += 1
        self.crash.step()
        if bad := self.refused.intersection(map(self._text_of, writes.updates)):
            raise DatabaseError(f"The database refused a write about {min(bad)}.")
        return WriteOutcome(updated=updated)

    def _text_of(self, merged: Merged) -> str:
        """Return the word that an update is about; empty for other collections than definitions."""
        word = self.documents[merged.collection].get(merged.id, {}).get("word_id")
        return str(self.documents[Collection.WORDS].get(word, {}).get("text", "")) if word else ""

    def _copies(self, writes: Writes) -> Copies:
        """Return the documents of drafts."""
        copies = Copies()
        kinds = (Collection.DEFINITIONS, Collection.EXAMPLES, Collection.PRONUNCIATIONS)
        found = Sources(*(self.documents[each] for each in kinds))
        for draft, made in writes.drafts:
            copies.add(draft, made, found)
        return copies

    def _merge(self, writes: Writes) -> None:
        """Remove the copies whose places definitions have taken."""
        definitions, examples = self.documents[Collection.DEFINITIONS], self.documents[Collection.EXAMPLES]
        gone = copies_to_remove(writes.merges, definitions, examples)
        for entry, ids in gone.copies.items():
            listed = self.documents[Collection.ENTRIES][entry]["definition_ids"]
            self.documents[Collection.ENTRIES][entry]["definition_ids"] = [each for each in listed if each not in ids]
            for each in ids:
                del definitions[each]
        for each in gone.examples:
            examples.pop(each, None)

    def _list(self, listing: Listing) -> None:
        """Name copies in an entry."""
        entry = self.documents[Collection.ENTRIES][listing.entry]
        moved = {copy.source: copy.id for copy in listing.moved}
        ids = [*(moved.get(each, each) for each in entry["definition_ids"]), *(copy.id for copy in listing.added)]
        references_before = entry.get("source_entries") or []
        entry["definition_ids"] = list(dict.fromkeys(ids))
        entry["source_entries"] = [*references_before, *references((*listing.moved, *listing.added))]

    async def update(self, updates: Sequence[Update]) -> None:
        """Write updates without stamps."""
        self.crash.step()
        for update in updates:
            document = self.documents[update.collection].get(update.id)
            if document is not None:
                document |= {**update.fields, "version": document["version"] + 1}
        self.crash.step()

    async def band_scales(self) -> frozenset[FrequencyScale]:
        """Return the scales that a test has set."""
        return self.scales

    async def observe(self, seen: Mapping[DocId, BatchLengths]) -> None:
        """Record the lengths of answers at existing stamps."""
        self.seen |= {identity: each for identity, each in seen.items() if identity in self.stamps}

    async def stored_answers(self, run: str) -> int | None:
        """Return the number of answers that a run has stored."""
        return self.runs.get(run)

    async def note_stored_answers(self, run: str, answers: int) -> None:
        """Raise the number of answers that a run has stored."""
        self.runs[run] = max(answers, self.runs.get(run, 0))

    async def observed(self, model: str) -> dict[AnswerKind, Observed]:
        """Return the lengths of a model's answers, by kind."""
        sums: dict[AnswerKind, Observed] = {}
        for identity, (component, shape, each) in self.seen.items():
            stamp = self.stamps[identity]
            kind = AnswerKind(component, stamp.template, shape)
            if stamp.model == model:
                sums[kind] = sums.get(kind, Observed()) + each
        return sums

    async def senses(self, model: str) -> SenseCount:
        """Return the number of senses that a model has defined, and of their words."""
        stamps = {identity for identity, stamp in self.stamps.items() if stamp.model == model}
        defined = [
            len(each["definition_ids"])
            for each in self.documents[Collection.ENTRIES].values()
            if each.get(SYNTHESIS, {}).get("definitions") in stamps and each.get("definition_ids")
        ]
        return SenseCount(len(defined), sum(defined))

    def _of_others(self, writes: Writes) -> set[DocId]:
        """Return the ids of replaced documents that no model wrote."""
        groups = replaced_by(writes).items()
        before = [
            (collection, each) for collection, group in groups for replaced, _ in group for each in replaced.before
        ]
        found = ((identity, self.documents[collection].get(identity)) for collection, identity in before)
        return {identity for identity, document in found if document is not None and not generated(document)}

    def _insert(self, collection: Collection, identity: DocId, fields: Mapping[str, Any], made: datetime) -> None:
        new = {**fields, "_id": identity, "created_at": made, "updated_at": made, "version": 1}
        self.documents[collection].setdefault(identity, new)

    def _update(self, merged: Merged) -> bool:
        """Update a document; False if it does not exist, or has the update."""
        document = self.documents[merged.collection].get(merged.id)
        stamps = (document or {}).get("synthesis", {})
        if document is None or merged.stamps.items() <= stamps.items():
            return False
        document |= {
            **merged.fields,
            "updated_at": merged.at,
            "version": document.get("version", 1) + merged.version,
            "synthesis": {**stamps, **merged.stamps},
            "synthesis_digests": {**(document.get("synthesis_digests") or {}), **merged.digests},
        }
        for name, identities in merged.adds.items():
            document[name] = list(dict.fromkeys([*(document.get(name) or ()), *identities]))
        return True

    def _shown(self, word: DocId) -> list[dict[str, Any]]:
        """Return the definitions of a word's synthesis entry; without one, all of the word."""
        definitions, entries = self.documents[Collection.DEFINITIONS], self.documents[Collection.ENTRIES].values()
        listed = next((entry["definition_ids"] for entry in entries if entry["word_id"] == word), None)
        if listed is not None:
            return [definitions[each] for each in listed]
        return [each for each in definitions.values() if each["word_id"] == word]

    def picture(self) -> dict[str, Any]:
        """Return the readable contents of the synthesis entries: everything but ids, times and stamps."""
        examples = self.documents[Collection.EXAMPLES]
        pictures: dict[str, Any] = {}
        for word in self.documents[Collection.WORDS].values():
            own = self._shown(word["_id"])
            pictures[f"{word['text']} {word.get('homograph_number') or ''}"] = sorted(
                (
                    each["text"],
                    tuple(each.get("synonyms") or ()),
                    each.get("cefr_level"),
                    each.get("version"),
                    tuple(sorted(each.get("synthesis", {}))),
                    tuple(examples[example]["text"] for example in each.get("example_ids") or ()),
                )
                for each in own
            )
        return {"entries": pictures, "examples": len(examples), "stamps": len(self.stamps) > 0}


# ── the disk, and a run of all these ───────────────────────────────────────────────────────────────────────────────


class CrashingCheckpoint(Checkpoint):
    """A real checkpoint that can crash before or after a save."""

    def __init__(self, path: Path, crash: Crash) -> None:
        super().__init__(path)
        self._fate = crash

    def save(self, ledger: Ledger) -> None:
        """Save, with a possible crash before and after."""
        self._fate.step()
        super().save(ledger)
        self._fate.step()


@dataclass(slots=True)
class Recorder:
    """An observer that records events and checks that their counts add up."""

    events: list[Event] = field(default_factory=list)

    def notify(self, event: Event) -> None:
        """Record an event and check its counts."""
        self.events.append(event)
        totals = getattr(event, "totals", None)
        if isinstance(totals, Totals):
            assert totals.open_words >= 0
            assert totals.open_requests >= 0
            assert totals.processed + totals.incomplete + totals.failed + totals.open_words == totals.words
            assert totals.answered + totals.failed_requests + totals.open_requests == totals.requests

    def of[E](self, kind: type[E]) -> list[E]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, kind)]


@cache
def brief_of(components: tuple[SynthesisComponent, ...], model: str = "gpt-6-luna") -> Brief:
    """The specification for some components; compiled once, since tests open it for thousands of runs."""
    return brief(components, model=model, language_name=language_name("en"))


@dataclass(slots=True)
class Scenario:
    """A folder, a word list, a service and a store: everything that outlives a driver."""

    folder: Path
    words: list[str]
    service: Service
    store: MemoryStore = field(default_factory=MemoryStore)
    components: tuple[SynthesisComponent, ...] = (C.SYNONYMS, C.EXAMPLES)
    batch_size: int | None = None
    max_attempts: int = 3
    force: bool = False
    stale: bool = False
    replace_edited: bool = False
    run_id: str = "run1"
    model: str = "gpt-6-luna"
    sleeps: list[float] = field(default_factory=list)

    @property
    def brief(self) -> Brief:
        """The specification of the run."""
        asked = brief_of(self.components, self.model)
        return replace(
            asked,
            max_attempts=self.max_attempts,
            run=self.run_id,
            forced_run=self.run_id if self.force else None,
            stale=self.stale,
            replace_edited=self.replace_edited,
        )

    def info(self) -> RunInfo:
        """Return the description of the run."""
        return run_info(
            id=self.run_id,
            words=len(self.words),
            list_digest=digest_of(self.words),
            template_digest=self.brief.template_digest,
            model=self.model,
            components=self.components,
            force=self.force,
            stale=self.stale,
            replace_edited=self.replace_edited,
            immediate=not self.service.capabilities.discount,
            batch_size=self.batch_size,
            max_attempts=self.max_attempts,
        )

    def run(self, crash: Crash | None = None, recorder: Recorder | None = None) -> Run:
        """Return a run as a new process opens it: from the checkpoint, if there is one."""
        crash = crash or Crash()
        self.service.crash = self.store.crash = crash
        checkpoint = CrashingCheckpoint(self.folder / "run.checkpoint.json", crash)
        ledger = checkpoint.load()
        if ledger is None:
            checkpoint.create_folder()
            write_normalised(self.words, checkpoint.words_path)
            ledger = Ledger(start_time=NOON.timestamp(), run=self.info())
        elif ledger.run.settings.model != self.model:
            ledger.change_model(self.model)
        ledger.reopen_refused()
        checkpoint.tidy(ledger)
        run = Run(self.words, ledger, checkpoint, self.brief, self.service, self.store)
        run.observer = recorder or Recorder()
        run.clock = self.service.clock
        run.sleep = self._sleep
        return run

    async def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.service.clock.now += timedelta(seconds=seconds)
        assert len(self.sleeps) < 2_000, "the driver goes round in circles"


REQUEST_COST = (100 * Decimal("0.05") + 20 * Decimal("0.25")) / 10**6
"""Cost of an answered request of the fake service in US dollars."""
