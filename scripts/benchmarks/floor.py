"""Lower bounds: the minimum work of each stage, without any accounting.

The lower bounds are the minimum with the same libraries: render a template, count its tokens and write a line; parse a
line once, validate its answer, and send one update per document, without a plan, counts or checks.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import orjson
from pymongo import MongoClient, UpdateOne

from floridify_batch.components.recipe import Scope
from floridify_batch.components.requests import CustomId
from floridify_batch.costs.tokenizer import count_tokens
from floridify_batch.pipeline.brief import Brief
from floridify_batch.run.run_settings import RunSettings, brief_of
from floridify_batch.words.entry import Entry
from scripts.benchmarks.stage import Stage

if TYPE_CHECKING:
    from pymongo.collection import Collection

_BULK = 1000

type Floors = dict[Stage, float]
"""Microseconds of CPU per request."""


class _Clock:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.spent: dict[Stage, float] = {}

    @contextmanager
    def at(self, stage: Stage) -> Iterator[None]:
        began = process_time()
        yield
        self.spent[stage] = self.spent.get(stage, 0.0) + process_time() - began


def floors(folder: Path, settings: RunSettings, entries: Iterable[Entry], mongo_url: str, database: str) -> Floors:
    """Return the lower bounds for the answers in `output.jsonl` and their entries."""
    clock, asked = _Clock(), brief_of(settings, "floor")
    gc.freeze()
    gc.disable()  # the floor needs no memory back
    with clock.at(Stage.BUILDING):
        requests = _build(folder, asked, entries)
    with clock.at(Stage.STORING):
        documents = _validate(folder, asked)
    _store(documents, mongo_url, database, clock)
    gc.enable()
    return {stage: seconds / requests * 1e6 for stage, seconds in clock.spent.items()}


def _build(folder: Path, asked: Brief, entries: Iterable[Entry]) -> int:
    questions = [each for each in asked.questions if each.recipe.scope is Scope.DEFINITION]
    requests = 0
    with (folder / "floor.jsonl").open("wb") as out:
        for entry in entries:
            for question in questions:
                for definition in entry.definitions:
                    prompt = question.template.render(question.recipe.given(entry, definition, replacing=False))
                    count_tokens(prompt)
                    out.write(question.envelope.line(CustomId(definition.id), prompt))
                    requests += 1
    return requests


def _validate(folder: Path, asked: Brief) -> dict[str, dict[str, Any]]:
    """Return the values of the answers by document."""
    questions = asked.by_component()
    documents: dict[str, dict[str, Any]] = {}
    with (folder / "output.jsonl").open("rb") as lines:
        for line in lines:
            parsed = orjson.loads(line)
            _, document, component = parsed["custom_id"].split("-", 2)
            content = parsed["response"]["body"]["choices"][0]["message"]["content"]
            answer = questions[component].recipe.answer.model_validate_json(content)
            documents.setdefault(document, {})[component] = answer.model_dump()
    return documents


def _store(documents: dict[str, dict[str, Any]], mongo_url: str, database: str, clock: _Clock) -> None:
    client: MongoClient[dict[str, Any]]
    with MongoClient(mongo_url) as client:
        place: Collection[dict[str, Any]] = client[database]["floor"]
        place.insert_many({"_id": identity} for identity in documents)
        with clock.at(Stage.STORING):
            updates = (UpdateOne({"_id": identity}, {"$set": fields}) for identity, fields in documents.items())
            for bulk in batched(updates, _BULK):
                place.bulk_write(list(bulk), ordered=False)
        client.drop_database(database)
