"""The figures of a case: repeated payments, repeated requests, losses, and differing documents.

The figures are not taken from the command, but from the sandbox's folder, the database and the run's files.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from bson import ObjectId
from pymongo.database import Database

from floridify_batch.components.change import Collection
from floridify_batch.components.requests import custom_id, parse_custom_id
from floridify_batch.database.access import RUNS
from floridify_batch.database.layout import STAMPS
from floridify_batch.pipeline.chunk import read_failures
from floridify_batch.run.ledger import ChunkRecord, Ledger
from floridify_batch.sandbox.reply import digest
from floridify_batch.sandbox.service import CHAT
from floridify_batch.sandbox.storage import BatchRecord
from floridify_batch.words.entry import DocId
from scripts.soaks.bill import answers_of, is_given_up, wrong_bills
from scripts.soaks.site import Document, Site

type Picture = Mapping[str, str]
"""The documents of each word in a comparable form; under "", documents of no word."""

_OK, _DIGEST = 200, 8
_UNSEEN = {"_id", "created_at", "updated_at"}
_PASSING = {"last_generated", "synthesis_digests"}
_TOKENS = {"prompt_tokens", "completion_tokens", "total_tokens"}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a case. Six should be 0: `paid_again` counts chunks for which more than one batch has any answer,
    `asked_again` usable answers that were requested again, `lost` usable answers that are not stored, `unaccounted`
    requests and words, `different` words, `misbilled` parts of the bill that differ from the sandbox's own records.

    Counted apart: `in_flight` are immediate requests that were sent again because a process died before their answers
    arrived, `given_up` requests of batches that the user gave up.
    """

    batches: int = 0
    paid_again: int = 0
    asked_again: int = 0
    lost: int = 0
    unaccounted: int = 0
    different: int = 0
    in_flight: int = 0
    given_up: int = 0
    misbilled: int = 0

    @property
    def fine(self) -> bool:
        """Whether the six figures are 0."""
        wrong = (self.paid_again, self.asked_again, self.lost, self.unaccounted, self.different, self.misbilled)
        return not any(wrong)

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.batches + other.batches,
            self.paid_again + other.paid_again,
            self.asked_again + other.asked_again,
            self.lost + other.lost,
            self.unaccounted + other.unaccounted,
            self.different + other.different,
            self.in_flight + other.in_flight,
            self.given_up + other.given_up,
            self.misbilled + other.misbilled,
        )


def figures(site: Site, expected: Picture, *, processed_only: bool = False, cut_off: int = 0) -> Figures:
    """Compute the figures of a finished case.

    `processed_only`: compare processed words only, since failed ones are incomplete. `cut_off`: the most immediate
    requests that can have been in flight at the end of a process or of the service.
    """
    ledger, batches = site.ledger, batches_of(site)
    if ledger is None:
        return Figures(unaccounted=len(site.words))
    with site.opened() as database:
        found = picture(database, packed=site.is_packed)
        failed = _failed(site)
        service = _Service(site, _carried(site, database, batches))
        unaccounted = len(_unaccounted(service, database, batches, failed)) + _left_open(site, ledger)
        lost = len(_lost(service, database, batches, failed))
    compared = {*ledger.processed_words, ""} if processed_only else {*site.words, ""}
    different = sum(found.get(word) != expected.get(word) for word in compared)
    again = _requested_again(service, batches) + _requested_in_both_ways(service, batches)
    given_up = sum(map(is_given_up, failed.values()))
    misbilled = wrong_bills(site, batches, cut_off)
    paid = _paid_again(batches)
    return Figures(len(batches), paid, again, lost, unaccounted, different, given_up=given_up, misbilled=misbilled)


def with_repeated(found: Figures, repeated: int, most: int) -> Figures:
    """Add immediate requests that were answered more than once: of these, `most` may have been in flight at a death."""
    in_flight = min(repeated, most)
    return found + Figures(asked_again=repeated - in_flight, in_flight=in_flight)


def repeated_requests(service: Path) -> int:
    """Return how many immediate requests were answered more often than once, each as often as that."""
    bodies = _immediate_bodies(service)
    return len(bodies) - len(set(bodies))


def _immediate_bodies(service: Path) -> list[bytes]:
    """The digests of the immediate requests with a usable answer."""
    path = service / "batches" / f"{CHAT}.bodies"
    digests = path.read_bytes() if path.exists() else b""
    return [digests[place : place + _DIGEST] for place in range(0, len(digests), _DIGEST)]


def _failed(site: Site) -> dict[str, str]:
    """The requests that failed in any chunk, with the detail of their last failure."""
    paths = sorted(site.checkpoint.folder.glob("*/failures.jsonl"))
    return {failure.custom_id: failure.detail for path in paths for _, failure in read_failures(path)}


def _lost(
    service: "_Service", database: Database[Document], batches: list[BatchRecord], failed: Mapping[str, str]
) -> set[str]:
    """Return the ids of requests that failed although the service answered them, except those that were given up."""
    answered = {identity for batch in batches for identity in service.answered(batch)}
    kept = {identity for identity, detail in failed.items() if not is_given_up(detail)}
    return {identity for identity in answered & kept if not _is_stored(database, identity)}


def batches_of(site: Site) -> list[BatchRecord]:
    """The batches as the sandbox keeps them, in the order of their creation."""
    files = (site.service / "batches").glob("*.json")
    batches = sorted((BatchRecord(**orjson.loads(file.read_bytes())) for file in files), key=lambda each: each.number)
    return batches[site.earlier_batches :]


def _paid_again(batches: list[BatchRecord]) -> int:
    """Chunks with more than one billed batch; a batch without answers costs nothing."""
    paid = Counter((each.metadata or {})["label"].rpartition("/")[0] for each in batches if each.completed)
    return sum(count > 1 for count in paid.values())


def _requested_again(service: "_Service", batches: list[BatchRecord]) -> int:
    """Return the requests with usable answers in several batches."""
    answered = Counter(identity for batch in batches for identity in set(service.answered(batch)))
    return sum(count > 1 for count in answered.values())


def _requested_in_both_ways(service: "_Service", batches: list[BatchRecord]) -> int:
    """Return the requests with a usable answer of the immediate endpoint, and another one in a batch."""
    at_once = set(_immediate_bodies(service.site.service))
    if not at_once:
        return 0
    lines = ((batch, line) for batch in batches for line in _lines_of(service.site, batch))
    again = [(batch, line["custom_id"]) for batch, line in lines if digest(line["body"]) in at_once]
    answered = {batch.id: set(service.answered(batch)) for batch, _ in again}
    return sum(bool(answered[batch.id].intersection(service.members(identity))) for batch, identity in again)


@dataclass(frozen=True, slots=True)
class _Service:
    """The service's files of a case. `carried`: the requests in each pack."""

    site: Site
    carried: Mapping[str, Sequence[str]]

    def members(self, identity: str) -> Sequence[str]:
        """The requests that a line carries."""
        return self.carried.get(identity, [identity])

    def answered(self, batch: BatchRecord) -> Iterator[str]:
        """The requests with usable answers; one without an id can be used by nobody."""
        for answer in answers_of(self.site, batch):
            usable = False
            with suppress(orjson.JSONDecodeError):
                usable = _is_usable(answer["response"])
            if usable and answer["custom_id"] is not None:
                yield from self.members(answer["custom_id"])

    def asked(self, batch: BatchRecord) -> Iterator[str]:
        """All requests of a batch."""
        for line in _lines_of(self.site, batch):
            yield from self.members(line["custom_id"])


def _carried(site: Site, database: Database[Document], batches: list[BatchRecord]) -> dict[str, list[str]]:
    """The requests in each pack, by the words and definitions that its prompt names."""
    carried: dict[str, list[str]] = {}
    for line in (line for batch in batches for line in _lines_of(site, batch)):
        parts = parse_custom_id(line["custom_id"])
        if parts is not None and parts.members > 1:
            items = _ITEM.findall(line["body"]["messages"][-1]["content"])
            carried[line["custom_id"]] = [_request(database, parts.component, *item) for item in items]
            if len(items) != parts.members:
                raise ValueError(f"{line['custom_id']} has {len(items)} items")
    return carried


_ITEM = re.compile(r"^\d+\. Word: (.+?) \(\w+\)\nDefinition: <<(.+)>>$", re.MULTILINE)


def _request(database: Database[Document], component: str, word: str, text: str) -> str:
    owner = database[Collection.WORDS].find_one({"text": word})
    sense = owner and database[Collection.DEFINITIONS].find_one({"word_id": owner["_id"], "text": text})
    return custom_id(word, DocId(str(sense["_id"])), component) if sense else f"{word}: {text}"


def _is_usable(response: Mapping[str, Any] | None) -> bool:
    """Whether an answer is usable; raises if its content is truncated."""
    if response is None or response["status_code"] != _OK:
        return False
    body = response["body"]
    (choice,) = (orjson.loads(body) if isinstance(body, str) else body)["choices"]
    content = choice["message"]["content"]
    return choice["finish_reason"] == "stop" and content is not None and "unexpected" not in orjson.loads(content)


# ── every request ──────────────────────────────────────────────────────────────────────────────────────────────────


def _unaccounted(
    service: _Service, database: Database[Document], batches: list[BatchRecord], failed: Mapping[str, str]
) -> set[str]:
    """Return the ids of requests that are neither stored nor failed."""
    asked = {identity for batch in batches for identity in service.asked(batch)}
    return {identity for identity in asked - failed.keys() if not _is_stored(database, identity)}


def _lines_of(site: Site, batch: BatchRecord) -> Iterator[Mapping[str, Any]]:
    """The requests of a batch."""
    with (site.service / "files" / f"{batch.input_file_id}.jsonl").open("rb") as lines:
        yield from map(orjson.loads, lines)


def _is_stored(database: Database[Document], identity: str) -> bool:
    parts = parse_custom_id(identity)
    if parts is None:
        return False
    stamped = parts.component if parts.number is None else f"{parts.component}-{parts.number:02d}"
    query = {"_id": ObjectId(parts.document), f"synthesis.{stamped}": {"$exists": True}}
    return any(database[name].find_one(query) for name in (Collection.DEFINITIONS, Collection.WORDS))


def _left_open(site: Site, ledger: Ledger) -> int:
    """Words that are neither processed nor failed, and requests that a chunk's own sums do not account for."""
    words = set(site.words) - set(ledger.processed_words) - set(ledger.missing)
    return len(words) + sum(_missing(record) for record in ledger.chunks)


def _missing(record: ChunkRecord) -> int:
    counted = record.answered + record.failed
    return abs(record.requests - counted) if counted else 0  # a chunk that was split is counted where it went


# ── every document ─────────────────────────────────────────────────────────────────────────────────────────────────


def picture(database: Database[Document], *, packed: bool = False) -> Picture:
    """Return the documents of each word with their references, without ids, times and stamps.

    `packed`: also without tokens, since a request's share of them depends on the others in its pack.
    """
    documents = {
        name: list(database[name].find()) for name in database.list_collection_names() if name not in (RUNS, STAMPS)
    }
    owners = {word["_id"]: word["text"] for word in documents.get(Collection.WORDS, [])}
    senses = {each["_id"]: each["word_id"] for each in documents.get(Collection.DEFINITIONS, [])}
    names = _names(documents, owners)
    found: dict[str, list[str]] = {}
    for collection, each in ((name, each) for name, all_of_it in documents.items() for each in all_of_it):
        word = each.get("word_id") or senses.get(each.get("definition_id")) or each["_id"]
        plain = _plain({name: value for name, value in each.items() if name not in _UNSEEN}, names)
        if packed and isinstance(plain.get("model_info"), dict):
            plain["model_info"] = {name: value for name, value in plain["model_info"].items() if name not in _TOKENS}
        text = orjson.dumps([collection, plain], option=orjson.OPT_SORT_KEYS).decode()
        found.setdefault(owners.get(word, ""), []).append(text)
    return {word: "\n".join(sorted(texts)) for word, texts in found.items()}


def _names(documents: Mapping[str, list[Document]], owners: Mapping[ObjectId, str]) -> dict[ObjectId, str]:
    """The replacements of ids by names, so that a reference to the wrong document is visible."""
    told: dict[str, Callable[[Document], Any]] = {
        Collection.WORDS: lambda each: each["text"],
        Collection.DEFINITIONS: lambda each: each["text"],
        Collection.ENTRIES: lambda each: f"{owners.get(each['word_id'])} {each['provider']}",
        Collection.EXAMPLES: lambda each: each["text"],
        Collection.FACTS: lambda each: each["content"],
        Collection.PRONUNCIATIONS: lambda each: each["phonetic"],
    }
    return {each["_id"]: f"<{name}: {tell(each)}>" for name, tell in told.items() for each in documents.get(name, [])}


def _plain(value: Any, names: Mapping[ObjectId, str]) -> Any:
    match value:
        case ObjectId():
            return names.get(value, "<gone>")
        case datetime():
            return "<time>"
        case dict():
            stamps = value.get("synthesis")
            rest = {name: _plain(each, names) for name, each in value.items() if name not in _PASSING}
            digests = sorted(value.get("synthesis_digests") or ())  # those of lists of ids differ as the ids do
            rest |= {"synthesis_digests": digests} if digests else {}
            return rest | ({"synthesis": sorted(stamps)} if isinstance(stamps, dict) else {})
        case list():
            return [_plain(each, names) for each in value]
        case _:
            return value
