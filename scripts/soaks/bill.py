"""The bill of a case, compared with the sandbox's own records: the usage in its answers, and what it charged at once.

Both are priced here request by request, by the model and the service tier that the sandbox names. An answer that never
arrived is charged nevertheless, and its cost is unknown to the run, which then states none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from floridify_batch.costs.price import rates
from floridify_batch.costs.usage import Usage, is_flex, usage_of
from floridify_batch.run.ledger import SETTLED, ChunkRecord, Ledger
from floridify_batch.sandbox.storage import CHARGES, BatchRecord
from scripts.soaks.site import Site

_OK = 200

type Body = Mapping[str, Any]


def wrong_bills(site: Site, batches: Sequence[BatchRecord], cut_off: int) -> int:
    """Count the parts of a run's bill that differ from the sandbox's records: batches, immediate requests, the total.

    `cut_off`: the most immediate requests whose replies the run cannot have received.
    """
    ledger = site.ledger
    if ledger is None:
        return 0
    by_id = {batch.id: batch for batch in batches}
    settled = [record for record in ledger.in_state(*SETTLED) if record.batch_id and not _given_up(record)]
    in_batches = [record for record in settled if record.batch_id in by_id]
    wrong = sum(_differs(site, record, by_id[record.batch_id or ""]) for record in in_batches)
    at_once = [record for record in settled if record.batch_id not in by_id]
    return wrong + _differs_at_once(site, at_once, cut_off) + _differs_in_total(ledger)


def is_given_up(detail: str | None) -> bool:
    """Whether a reason says that the user gave a batch up."""
    return (detail or "").endswith("was given up")


def _given_up(record: ChunkRecord) -> bool:
    """Whether the user gave the batch up and the run has none of its answers."""
    return is_given_up(record.unanswered_detail) and not record.usage.total


def _differs(site: Site, record: ChunkRecord, batch: BatchRecord) -> bool:
    """Whether a batch has another cost than its answers, each counted once."""
    if record.cost is None:
        return False
    bodies = {identity: body for identity, body in _answers(site, batch) if not str(identity).startswith("unknown-")}
    return record.cost != _cost(bodies.values(), batch=True)


def _answers(site: Site, batch: BatchRecord) -> Iterator[tuple[str, Body]]:
    for answer in answers_of(site, batch):
        response = answer["response"]
        if response is not None and response["status_code"] == _OK:
            body = response["body"]
            yield answer["custom_id"], orjson.loads(body) if isinstance(body, str) else body


def answers_of(site: Site, batch: BatchRecord) -> Iterator[Mapping[str, Any]]:
    """The lines of a batch's answer files at the service that are JSON."""
    for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
        for line in (site.service / "files" / f"{file_id}.jsonl").read_bytes().splitlines():
            try:
                answer = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            yield answer


def _differs_at_once(site: Site, records: Sequence[ChunkRecord], cut_off: int) -> bool:
    """Whether immediate requests have another cost than was charged, but for those whose replies may be missing."""
    path = site.service / "batches" / CHARGES
    charges = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    costs = sorted((_cost([each], batch=False) for each in charges if not each["lost"]), reverse=True)
    billed = [record.cost for record in records]
    if None in billed:  # some replies were lost
        return False
    missing = sum(costs, Decimal(0)) - sum((each or Decimal(0) for each in billed), Decimal(0))
    return not 0 <= missing <= sum(costs[:cut_off], Decimal(0))


def _differs_in_total(ledger: Ledger) -> bool:
    """Whether the batches, or the components, add up to another cost than the run states."""
    total = ledger.totals().cost
    parts = [record.cost for record in ledger.chunks]
    if total is None or None in parts:
        return (total is None) is not (None in parts)
    chunks = sum((each or Decimal(0) for each in parts), Decimal(0))
    components = sum((each.cost or Decimal(0) for each in ledger.spent.values()), Decimal(0))
    return not total - ledger.known_cost_of_duplicates() == chunks == components


def _cost(bodies: Iterable[Body], *, batch: bool) -> Decimal:
    return sum((_price(body, batch=batch) for body in bodies), Decimal(0))


def _price(body: Body, *, batch: bool) -> Decimal:
    rate = rates(body["model"], batch=batch or is_flex(body))
    if rate is None:
        raise ValueError(body["model"])
    return rate.cost(usage_of(body) or Usage())
