"""Hostile answer files and checkpoints: nothing is lost, and there is no unexpected exception."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from floridify_batch.components.failure import FailureReason, Unanswered
from floridify_batch.components.registry import RECIPES, SynthesisComponent
from floridify_batch.components.requests import custom_id, parse_answer
from floridify_batch.costs.usage import Usage
from floridify_batch.errors import CheckpointError
from floridify_batch.pipeline.chunk import API_MAX_BYTES, API_MAX_REQUESTS, ChunkSize, Expected, Limits
from floridify_batch.pipeline.settlement import indexed_answers, settle
from floridify_batch.run.checkpoint import Checkpoint
from floridify_batch.run.ledger import TRANSITIONS, ChunkState, IllegalMove, Ledger
from floridify_batch.words.entry import derived_id
from tests.fakes import Scenario, Service
from tests.ledgers import record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
patient = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(
        ["batch_expired", "stop", "length", "200", "\x1b]0;x\x07", "0" * 24, "DONE", "NaN", "-1", "1e999"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value within a value."""
    yield here
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*here, key))


def put(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """Return the same value with another one at one path."""
    if not way:
        return new
    copy = value.copy()
    copy[way[0]] = put(value[way[0]], way[1:], new)
    return copy


def mutated(draw: Callable[..., Any], value: Any, times: int) -> Any:
    """Return the same value with arbitrary ones at some paths."""
    for _ in range(draw(st.integers(1, times))):
        value = put(value, draw(st.sampled_from(list(places(value)))), draw(json_values))
    return value


# ── settling ───────────────────────────────────────────────────────────────────────────────────────────────────────

ASKED = (SynthesisComponent.CEFR_LEVEL, SynthesisComponent.EXAMPLES, SynthesisComponent.SYNONYMS)
IDS = [custom_id("bank", derived_id(number), ASKED[number % 3]) for number in range(4)]
EXPECTED = [Expected(ordinal, identity, 1, 0) for ordinal, identity in zip((0, 0, 2, 5), IDS, strict=True)]
CANDIDATE = {"word": "x", "language": "en", "relevance": 1, "efflorescence": 0, "explanation": ""}
CONTENTS: dict[str, dict[str, Any]] = {
    SynthesisComponent.CEFR_LEVEL: {"reasoning": "", "level": "A1", "confidence": 1},
    SynthesisComponent.EXAMPLES: {"example_sentences": ["One."], "confidence": 1},
    SynthesisComponent.SYNONYMS: {"synonyms": [CANDIDATE], "confidence": 1},
}


def parse(component: str, body: Any) -> Any:
    return parse_answer(RECIPES[SynthesisComponent(component)].answer, body)


@st.composite
def answer_lines(draw: Callable[..., Any]) -> bytes:
    """An answer line of one of the requests: whole, with arbitrary values, truncated, or of arbitrary bytes."""
    number = draw(st.integers(0, len(IDS) - 1))
    content = CONTENTS[ASKED[number % 3]]
    if draw(st.booleans()):
        content = mutated(draw, content, 2)
    message = {"content": orjson.dumps(content).decode(), "refusal": None}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 0}}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    line: Any = {"id": "r", "custom_id": IDS[number], "response": {"status_code": 200, "body": body}, "error": None}
    if draw(st.booleans()):
        line = mutated(draw, line, 2)
    raw = orjson.dumps(line)
    how = draw(st.sampled_from(["whole", "cut", "bytes", "deep"]))
    if how == "cut":
        return raw[: draw(st.integers(0, len(raw)))]
    if how == "bytes":
        return bytes(draw(st.binary(max_size=30))).replace(b"\n", b"")
    return b'{"custom_id":' * 3000 if how == "deep" else raw


@patient
@given(st.lists(answer_lines(), max_size=6), st.lists(answer_lines(), max_size=4), st.booleans())
def test_every_request_has_one_end(tmp_path: Path, output: list[bytes], errors: list[bytes], whole: bool) -> None:
    """For any content of the answer files, every request ends as one answer or one failure with a reason."""
    paths = (tmp_path / "output.jsonl", tmp_path / "errors.jsonl")
    for path, lines in zip(paths, (output, errors), strict=True):
        path.write_bytes(b"\n".join(lines) + b"\n" * whole)
    with indexed_answers(paths, lambda *_: None) as index:
        outcomes = list(settle(EXPECTED, index, parse, Unanswered(FailureReason.MISSING, "no line")))
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    ends = [answer.custom_id for outcome in outcomes for answer in outcome.answers]
    assert sorted(ends + [failure.custom_id for failure in failures]) == sorted(IDS)
    assert all(failure.reason in FailureReason for failure in failures)
    assert [outcome.ordinal for outcome in outcomes] == [0, 2, 5]


# ── the checkpoint ─────────────────────────────────────────────────────────────────────────────────────────────────


def whole_ledger() -> Ledger:
    """A ledger with a value in every field."""
    with TemporaryDirectory() as folder:
        info = Scenario(Path(folder), ["happy", "sad"], Service()).info()
    chunk = record(
        1,
        ChunkState.STORED,
        words=1,
        requests=4,
        batch_id="b",
        created_at=1.0,
        completed_at=2.0,
        answered=3,
        failures={"expired": 1},
        usage=Usage(input=100, output=20),
        cost=Decimal("0.0000123"),
    )
    second = chunk.model_copy(update={"number": 2, "state": ChunkState.SUBMITTED})
    return Ledger(
        start_time=1.5,
        run=info,
        processed_words=["happy"],
        failed_words={"sad": "expired"},
        timestamp=NOON.isoformat(),
        list_cursor=2,
        chunks=[chunk, second],
    )


WHOLE = whole_ledger()
VALID = orjson.loads(orjson.dumps(WHOLE.model_dump(mode="json")))


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_in_any_place(tmp_path: Path, data: st.DataObject) -> None:
    """A checkpoint with arbitrary values in any field is either a usable ledger or refused with an error."""
    checkpoint = Checkpoint(tmp_path / "c.json", lambda: NOON)
    content = orjson.dumps(mutated(data.draw, VALID, 2))
    checkpoint.path.write_bytes(content)
    try:
        loaded = checkpoint.load()
        checkpoint.adopted()
    except CheckpointError:
        loaded = None
    assert checkpoint.path.read_bytes() == content
    if loaded is None:
        return
    loaded.totals()
    loaded.failures()
    assert [loaded.chunk(record.number) for record in loaded.chunks] == loaded.chunks
    checkpoint.save(loaded)
    assert checkpoint.load() == loaded
    assert checkpoint.rotate(loaded).exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"chunks": [VALID["chunks"][1]]}, "chunk 2 is at the place of chunk 1"),
        ({"list_cursor": -1}, "list_cursor"),
        ({"list_cursor": 3}, "list_cursor"),
        ({"retrying": [2]}, "retrying: 2 is outside"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"processed_words": ["a", "b"]}, "3 of 2 words are finished"),
        ({"carried_cost": "1E310"}, "carried_cost"),
        ({"carried_cost": "-1"}, "carried_cost"),
        ({"start_time": "NaN"}, "start_time"),
        ({"run": VALID["run"] | {"settings": VALID["run"]["settings"] | {"patience": "1e999"}}}, "patience"),
    ],
)
def test_what_no_run_can_have_written(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    """A checkpoint with contradictory parts is damaged, and the error names the place."""
    checkpoint = Checkpoint(tmp_path / "c.json")
    checkpoint.path.write_bytes(orjson.dumps(VALID | changes))
    with pytest.raises(CheckpointError, match="is damaged") as refused:
        checkpoint.load()
    assert why in str(refused.value)


class Ledgers(RuleBasedStateMachine):
    """A ledger under every legal and illegal move, saved and loaded after each."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.checkpoint = Checkpoint(Path(self.folder.name) / "c.json", lambda: NOON)
        self.states: list[ChunkState] = []

    @initialize()
    def begin(self) -> None:
        self.ledger = WHOLE.model_copy(update={"chunks": []}, deep=True)

    @rule(number=st.integers(-1, 5))
    def enter(self, number: int) -> None:
        record = WHOLE.chunks[0].model_copy(update={"number": number, "state": ChunkState.PLANNED})
        if number == len(self.states) + 1:
            self.ledger.add(record)
            self.states.append(ChunkState.PLANNED)
        else:
            with pytest.raises(IllegalMove):
                self.ledger.add(record)

    @rule(which=st.integers(0, 4), to=st.sampled_from(ChunkState), batch=st.none() | st.text(max_size=5))
    def move(self, which: int, to: ChunkState, batch: str | None) -> None:
        if not self.states:
            return
        place = which % len(self.states)
        if to in TRANSITIONS[self.states[place]]:
            self.ledger.move(place + 1, to, batch_id=batch)
            self.states[place] = to
        else:
            before = self.ledger.model_copy(deep=True)
            with pytest.raises(IllegalMove):
                self.ledger.move(place + 1, to, batch_id=batch)
            assert self.ledger == before

    @invariant()
    def written_down(self) -> None:
        if hasattr(self, "ledger"):
            assert [record.state for record in self.ledger.chunks] == self.states
            self.checkpoint.save(self.ledger)
            assert self.checkpoint.load() == self.ledger

    def teardown(self) -> None:
        self.folder.cleanup()


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(deadline=None, max_examples=25, stateful_step_count=15)


# ── packing ────────────────────────────────────────────────────────────────────────────────────────────────────────


@patient
@given(st.integers(0, API_MAX_REQUESTS), st.integers(0, API_MAX_BYTES))
def test_up_to_the_limit_and_no_further(requests: int, size: int) -> None:
    """A chunk is filled exactly up to the service's limits of requests and bytes, whatever it contains already."""
    there = ChunkSize(1, requests, size)
    rest = ChunkSize(1, API_MAX_REQUESTS - requests, API_MAX_BYTES - size)
    limits = Limits()
    assert limits.hold(there + rest)
    assert not limits.hold(there + rest + ChunkSize(requests=1))
    assert not limits.hold(there + rest + ChunkSize(bytes=1))
