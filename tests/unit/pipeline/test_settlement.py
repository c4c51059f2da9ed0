"""Settlement: every expected request ends as an answer or as a failure, whatever the service returned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from floridify_batch.components.cefr_level import CEFRLevelResponse
from floridify_batch.components.failure import Failure, FailureReason, Unanswered
from floridify_batch.components.requests import custom_id, parse_answer
from floridify_batch.costs.usage import Usage
from floridify_batch.errors import CheckpointError, UsageError
from floridify_batch.pipeline.chunk import Expected
from floridify_batch.pipeline.settlement import AnswerIndex, WordOutcome, indexed_answers, refuse_invented, settle
from floridify_batch.words.entry import derived_id

patient = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])

IDS = [custom_id("bank", derived_id(number), "cefr_level") for number in range(5)]
EXPECTED = [Expected(ordinal, identity, 1, 0) for ordinal, identity in zip((0, 0, 1, 3, 3), IDS, strict=True)]
NO_LINE = Unanswered(FailureReason.MISSING, "no answer file holds it")
GOOD = '{"reasoning":"Common.","level":"A1","confidence":0.9}'


def body(content: str = GOOD, finish: str = "stop", tokens: int = 10) -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": content, "refusal": None}, "finish_reason": finish}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 1},
    }


def line(identity: Any, response: Any, error: Any = None) -> bytes:
    return orjson.dumps({"id": "batch_req_1", "custom_id": identity, "response": response, "error": error})


def answered(identity: Any, content: str = GOOD, **more: Any) -> bytes:
    return line(identity, {"status_code": 200, "request_id": "r", "body": body(content, **more)})


def refused(identity: str, status: Any, message: str = "no") -> bytes:
    return line(identity, {"status_code": status, "request_id": "r", "body": {"error": {"message": message}}})


def expired(identity: str, code: Any = "batch_expired") -> bytes:
    return line(identity, None, {"code": code, "message": "This request could not be executed in time."})


def parse(_: str, answer: Mapping[str, Any]) -> CEFRLevelResponse:
    return parse_answer(CEFRLevelResponse, answer)


class Settled:
    """The answers and failures of EXPECTED after these lines."""

    def __init__(self, folder: Path, output: Sequence[bytes], errors: Sequence[bytes] = ()) -> None:
        paths = (folder / "output.jsonl", folder / "errors.jsonl")
        for path, lines in zip(paths, (output, errors), strict=True):
            path.write_bytes(b"".join(each + b"\n" for each in lines))
        self.usage, self.unmetered = Usage(), 0
        with indexed_answers(paths, self._pay) as index:
            self.index: AnswerIndex = index
            self.outcomes: list[WordOutcome] = list(settle(EXPECTED, index, parse, NO_LINE))
        self.answers = [each for outcome in self.outcomes for each in outcome.answers]
        self.failures = {each.custom_id: each for outcome in self.outcomes for each in outcome.failures}

    def _pay(self, _: str, usage: Usage | None, *__: object) -> None:
        self.unmetered += usage is None
        self.usage += usage or Usage()

    @property
    def answered_ids(self) -> list[str]:
        return [each.custom_id for each in self.answers]


def alone(folder: Path, answer: bytes) -> Failure:
    """Return the failure of the first request after this line."""
    return Settled(folder, [answer]).failures[IDS[0]]


def test_in_any_order(tmp_path: Path) -> None:
    """Answers arrive in any order, and are settled word by word in the order of the requests."""
    lines = [answered(IDS[place]) for place in (3, 0, 4, 2, 1)]
    settled = Settled(tmp_path, lines[:2], lines[2:])
    assert settled.answered_ids == IDS
    assert [outcome.ordinal for outcome in settled.outcomes] == [0, 1, 3]


def test_no_files_at_all(tmp_path: Path) -> None:
    """A batch without files, such as a rejected one, fails each request with the batch's status."""
    unanswered = Unanswered(FailureReason.REJECTED, "model_not_found: no such model")
    with indexed_answers([tmp_path / "output.jsonl", tmp_path / "errors.jsonl"], lambda *_: None) as index:
        outcomes = list(settle(EXPECTED, index, parse, unanswered))
    failures = [each for outcome in outcomes for each in outcome.failures]
    assert [each.custom_id for each in failures] == IDS
    assert {(each.reason, each.detail) for each in failures} == {(FailureReason.REJECTED, unanswered.detail)}


def test_a_line_is_judged_by_its_status(tmp_path: Path) -> None:
    """A line is judged by its status, not by the file that contains it."""
    settled = Settled(tmp_path, [refused(IDS[0], 500)], [answered(IDS[1])])
    assert settled.answered_ids == [IDS[1]]
    assert settled.failures[IDS[0]].status == 500


def test_one_bad_line_among_good_ones(tmp_path: Path) -> None:
    """A line without a response fails its own request only."""
    lines = [answered(IDS[0]), expired(IDS[1]), *map(answered, IDS[2:])]
    settled = Settled(tmp_path, lines)
    assert settled.answered_ids == [IDS[0], *IDS[2:]]
    assert settled.failures[IDS[1]].reason is FailureReason.EXPIRED


@pytest.mark.parametrize(
    ("code", "reason"), [("batch_expired", FailureReason.EXPIRED), ("batch_cancelled", FailureReason.CANCELLED)]
)
def test_out_of_time(tmp_path: Path, code: str, reason: FailureReason) -> None:
    """A request that an expired or cancelled batch did not reach is retried, and its failure names the reason."""
    failure = alone(tmp_path, expired(IDS[0], code))
    assert (failure.reason, failure.repeatable) == (reason, True)
    assert failure.detail == "This request could not be executed in time."


@pytest.mark.parametrize("status", [400, 404, 429, 500, 0])
def test_http_errors_keep_the_services_words(tmp_path: Path, status: int) -> None:
    """A request that the service refused is reported with its status and in the service's words."""
    failure = alone(tmp_path, refused(IDS[0], status, "The model is overloaded."))
    assert (failure.reason, failure.status) == (FailureReason.HTTP, status)
    assert failure.detail == "The model is overloaded."


@pytest.mark.parametrize(
    ("response", "error", "message"),
    [
        (None, None, "the service gave no reason"),
        (None, {"code": "request_timeout"}, "request_timeout"),
        (None, "broken", "broken"),
        ({"status_code": 500, "body": None}, None, "the service gave no reason"),
        ({"status_code": 500, "body": "Bad gateway"}, None, "Bad gateway"),
        ({"status_code": None, "body": {"error": {"code": "odd"}}}, None, "odd"),
        ({}, None, "the service gave no reason"),
    ],
)
def test_lines_that_say_little(tmp_path: Path, response: Any, error: Any, message: str) -> None:
    """A line with little detail is still the failure of its request, with that detail."""
    failure = alone(tmp_path, line(IDS[0], response, error))
    assert (failure.reason, failure.detail) == (FailureReason.HTTP, message)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answered(IDS[0], "{}"), FailureReason.MALFORMED),
        (answered(IDS[0], GOOD[:-2], finish="length"), FailureReason.TRUNCATED),
        (answered(IDS[0], GOOD, finish="content_filter"), FailureReason.REFUSED),
        (answered(IDS[0])[:-9], FailureReason.MALFORMED),
        (line(IDS[0], {"status_code": 200, "body": None}), FailureReason.MALFORMED),
    ],
)
def test_unusable_answers(tmp_path: Path, answer: bytes, reason: FailureReason) -> None:
    """An unusable or truncated answer is a failure with its reason."""
    assert alone(tmp_path, answer).reason is reason


BODY_TEXT = orjson.dumps(body()).decode()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(line(IDS[0], body()), id="the response is the completion"),
        pytest.param(orjson.dumps({"custom_id": IDS[0], "status_code": 200, "body": body()}), id="no response"),
        pytest.param(orjson.dumps({"custom_id": IDS[0], **body()}), id="the line is the completion"),
        pytest.param(line(IDS[0], {"status_code": 0, "body": body()}), id="status 0"),
        pytest.param(line(IDS[0], {"status_code": 201, "body": body()}), id="status 201"),
        pytest.param(line(IDS[0], {"status_code": True, "body": body()}), id="status true"),
        pytest.param(line(IDS[0], {"status_code": "200 OK", "body": body()}), id="status with its phrase"),
        pytest.param(line(IDS[0], {"status_code": "9" * 5000, "body": body()}), id="status of 5,000 digits"),
        pytest.param(line(IDS[0], {"status_code": 200, "body": orjson.dumps(BODY_TEXT).decode()}), id="body twice"),
        pytest.param(line(IDS[0].upper(), {"status_code": 200, "body": body()}), id="id in capitals"),
        pytest.param(line(f" {IDS[0]}\t", {"status_code": 200, "body": body()}), id="id with spaces"),
        pytest.param(answered(IDS[0])[:-1] + b',"x":' + b"9" * 6000 + b"}", id="a number of 6,000 digits"),
    ],
)
def test_forms_of_other_services(tmp_path: Path, answer: bytes) -> None:
    """An answer in another service's form is used, and its usage is billed."""
    settled = Settled(tmp_path, [answer])
    assert settled.answered_ids == [IDS[0]]
    assert (settled.usage, settled.unmetered) == (Usage(10, 0, 1), 0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answered(IDS[0])[:-9], id="a cut line"),
        pytest.param(line(IDS[0], None), id="neither response nor error"),
        pytest.param(line(IDS[0], {"status_code": 200, "body": None}), id="no body"),
        pytest.param(line(IDS[0], {"status_code": 200, "body": BODY_TEXT[:-30]}), id="a cut body"),
        pytest.param(line(IDS[0], {"status_code": 200, "body": {"output": []}}), id="a body without choices"),
        pytest.param(line(IDS[0], {}), id="an empty response"),
        pytest.param(line(IDS[0], [body()]), id="a list"),
    ],
)
def test_unreadable_answers_are_unmetered(tmp_path: Path, answer: bytes) -> None:
    """A line that is not an error is charged with an unknown cost if it cannot be read, never with nothing."""
    settled = Settled(tmp_path, [answer])
    assert list(settled.failures) == IDS
    assert settled.unmetered == 1


@pytest.mark.parametrize("answer", [refused(IDS[0], 500), refused(IDS[0], 0), refused(IDS[0], "429"), expired(IDS[0])])
def test_errors_are_free(tmp_path: Path, answer: bytes) -> None:
    """A request that ended with an error is not charged."""
    settled = Settled(tmp_path, [answer])
    assert (settled.usage, settled.unmetered) == (Usage(), 0)


@pytest.mark.parametrize(
    "error",
    [
        {"error": "overloaded"},
        {"detail": "overloaded"},
        {"detail": [{"msg": "overloaded"}]},
        {"message": "overloaded"},
        {"errors": [{"message": "overloaded"}]},
        {"error": {"error": {"message": "overloaded"}}},
        "overloaded",
    ],
)
def test_reasons_in_other_forms(tmp_path: Path, error: Any) -> None:
    """The service's reason is kept, in whatever form the body of a refused request states it."""
    failure = alone(tmp_path, line(IDS[0], {"status_code": 400, "body": error}))
    assert (failure.kind, failure.detail) == ("http 400", "overloaded")


def test_bodies_as_strings(tmp_path: Path) -> None:
    """A body that a server writes as a JSON string is read as an object, in answers and in errors."""
    lines = [answered(IDS[0]), refused(IDS[1], 400, "no such model")]
    as_strings = []
    for parsed in map(orjson.loads, lines):
        parsed["response"]["body"] = orjson.dumps(parsed["response"]["body"]).decode()
        as_strings.append(orjson.dumps(parsed))
    first, second = Settled(tmp_path, lines), Settled(tmp_path, as_strings)
    assert first.outcomes == second.outcomes
    assert first.usage == second.usage


def test_long_reasons_are_cut(tmp_path: Path) -> None:
    """A page of text as an answer is shortened in its failure, so that it does not fill the disk."""
    assert len(alone(tmp_path, refused(IDS[0], 500, "x" * 9_000)).detail) == 300


def test_a_usable_line_wins(tmp_path: Path) -> None:
    """A usable answer takes precedence over all other lines with its id."""
    for lines in ([expired(IDS[0]), answered(IDS[0])], [answered(IDS[0]), expired(IDS[0])]):
        settled = Settled(tmp_path, lines)
        assert settled.answered_ids == [IDS[0]]
        assert settled.index.repeated == 1


def test_the_first_of_two_answers(tmp_path: Path) -> None:
    """Of two different answers to one request the first is used, and both are billed."""
    settled = Settled(tmp_path, [answered(IDS[0]), answered(IDS[0], GOOD.replace("A1", "C2"), tokens=7)])
    assert [each.answer.level for each in settled.answers] == ["A1"]
    assert settled.usage == Usage(17, 0, 2)


def test_unusable_answers_are_paid_for(tmp_path: Path) -> None:
    """The bill includes unusable answers, since the service bills them."""
    settled = Settled(tmp_path, [answered(IDS[0], "{}"), answered(IDS[1], finish="length"), expired(IDS[2])])
    assert settled.usage == Usage(20, 0, 2)


def test_lines_of_others(tmp_path: Path) -> None:
    """Lines with an unknown id, or none, are counted and otherwise ignored."""
    settled = Settled(tmp_path, [b"{", b"[]", b'"x"', b"7", b'{"custom_id":"stranger"}', b"", answered(IDS[0])])
    assert settled.answered_ids == [IDS[0]]
    assert (settled.index.lines, settled.index.unreadable) == (6, 4)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(b"", id="emptied"),
        pytest.param(answered(IDS[0])[:-9], id="cut short"),
        pytest.param(b"x" * 999, id="overwritten"),
        pytest.param(answered(IDS[1]), id="another's answer"),
    ],
)
def test_a_file_that_changes(tmp_path: Path, now: bytes) -> None:
    """If an answer file changes after it was indexed, nothing is read from it: the run stops and names the file."""
    path = tmp_path / "output.jsonl"
    path.write_bytes(answered(IDS[0]))
    with indexed_answers([path], lambda *_: None) as index:
        path.write_bytes(now)
        with pytest.raises(
            CheckpointError, match=f"{path} is damaged .the file changed while it was in use.*, then resume"
        ):
            list(settle(EXPECTED, index, parse, NO_LINE))


def test_attempts_are_carried_on(tmp_path: Path) -> None:
    """A failure has its attempt and its cap doublings, from which the next attempt follows."""
    with indexed_answers([], lambda *_: None) as index:
        (outcome,) = settle([Expected(9, IDS[0], 3, 2)], index, parse, NO_LINE)
    assert (outcome.failures[0].attempt, outcome.failures[0].cap_doublings) == (3, 2)
    assert not (tmp_path / "output.jsonl").exists()


def test_invalid_custom_id(tmp_path: Path) -> None:
    """A request with an ID that cannot be parsed fails alone."""
    (tmp_path / "output.jsonl").write_bytes(answered("odd"))
    with indexed_answers([tmp_path / "output.jsonl"], lambda *_: None) as index:
        (outcome,) = settle([Expected(0, "odd", 1, 0)], index, parse, NO_LINE)
    assert outcome.failures[0].reason is FailureReason.MALFORMED


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(line([IDS[0]], None), id="an id that is a list"),
        pytest.param(line({"id": IDS[0]}, None), id="an id that is an object"),
        pytest.param(expired(IDS[0], code=["batch_expired"]), id="an error code that is a list"),
        pytest.param(
            line(IDS[0], {"status_code": 200, "body": {"choices": [], "usage": "lots"}}), id="a usage that is a text"
        ),
        pytest.param(
            line(IDS[0], {"status_code": 200, "body": {"choices": [], "usage": {"prompt_tokens": "12"}}}),
            id="a count that is a text",
        ),
    ],
)
def test_nonsense_in_a_line(tmp_path: Path, nonsense: bytes) -> None:
    """An invalid line affects its own request at most: a paid batch can always be settled."""
    settled = Settled(tmp_path, [nonsense, *map(answered, IDS[1:])])
    assert settled.answered_ids == IDS[1:]
    assert list(settled.failures) == [IDS[0]]


identities = st.one_of(
    st.sampled_from(IDS), st.text(max_size=3), st.none(), st.integers(0, 9), st.lists(st.sampled_from(IDS), max_size=1)
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(0, 600), st.text(max_size=4))
counts = st.one_of(scalars, st.lists(scalars, max_size=1), st.floats(0, 9))
usages = st.one_of(
    counts, st.fixed_dictionaries({}, optional={"prompt_tokens": counts, "prompt_tokens_details": counts})
)
responses = st.one_of(
    scalars,
    st.lists(scalars, max_size=2),
    st.fixed_dictionaries(
        {},
        optional={
            "status_code": st.one_of(st.just(200), scalars),
            "body": st.one_of(
                scalars,
                st.just(body()),
                st.just(body("{}")),
                st.fixed_dictionaries(
                    {}, optional={"error": scalars, "choices": st.lists(scalars, max_size=2), "usage": usages}
                ),
            ),
        },
    ),
)
codes = st.one_of(scalars, st.lists(scalars, max_size=1))
failures = st.one_of(scalars, st.fixed_dictionaries({}, optional={"code": codes, "message": codes}))
lines = st.one_of(
    st.sampled_from(IDS).map(answered),
    st.sampled_from(IDS).map(expired),
    st.builds(line, identities, responses, failures),
    st.tuples(st.sampled_from(IDS), st.integers(0, 200)).map(lambda cut: answered(cut[0])[: cut[1]]),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")),
)


@patient
@given(st.lists(lines, max_size=8), st.lists(lines, max_size=4))
def test_nothing_is_lost(tmp_path: Path, output: list[bytes], errors: list[bytes]) -> None:
    """For any lines, in any order, duplicated, truncated or garbled, each expected request has exactly one outcome."""
    settled = Settled(tmp_path, output, errors)
    ends = [*settled.answered_ids, *settled.failures]
    assert sorted(ends) == sorted(IDS)
    assert sum(len(outcome.failures) for outcome in settled.outcomes) == len(settled.failures)


@patient
@given(st.permutations([answered(IDS[0]), expired(IDS[0]), answered(IDS[1]), refused(IDS[2], 500), b"{", b"[]"]))
def test_the_order_of_lines_changes_nothing(tmp_path: Path, shuffled: list[bytes]) -> None:
    """The same lines in another order have the same outcome."""
    settled = Settled(tmp_path, shuffled)
    assert settled.answered_ids == IDS[:2]
    assert [each.reason for each in settled.failures.values()] == [
        FailureReason.HTTP,
        FailureReason.MISSING,
        FailureReason.MISSING,
    ]


def test_invented_answers_stay_out_of_real_databases(tmp_path: Path) -> None:
    """One line with the sandbox's fingerprint is enough to refuse a file, except in a database for such answers."""
    path = tmp_path / "output.jsonl"
    marked = {"status_code": 200, "request_id": "r", "body": body() | {"system_fingerprint": "fp_sandbox"}}
    path.write_bytes(answered(IDS[0]) + b"\n" + line(IDS[1], marked) + b"\n")
    with indexed_answers([path], lambda *_: None) as index:
        with pytest.raises(UsageError, match="a sandbox's inventions"):
            refuse_invented(index, "floridify")
        refuse_invented(index, "floridify_sandbox")
    path.write_bytes(answered(IDS[0]) + b"\n")
    with indexed_answers([path], lambda *_: None) as index:
        refuse_invented(index, "floridify")


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": "200", "body": body()},
        {"body": body()},
        {"status_code": None, "body": body()},
        {"status_code": 200, "body": orjson.dumps(body()).decode()},
        orjson.dumps({"status_code": 200, "body": body()}).decode(),
    ],
)
def test_odd_forms_of_an_answer(tmp_path: Path, response: Any) -> None:
    """An answer is used though its status is a string or missing, or its body or response is a JSON string."""
    settled = Settled(tmp_path, [line(IDS[0], response)])
    assert settled.answered_ids == IDS[:1]
    assert settled.usage.input == 10


def test_a_status_in_a_string(tmp_path: Path) -> None:
    """A refusal whose status is a string is final or transient like any other."""
    assert alone(tmp_path, refused(IDS[0], "400")).status == 400


def test_a_lone_surrogate(tmp_path: Path) -> None:
    """An answer with an escaped lone surrogate is malformed, not missing: it is billed, and its failure can be kept."""
    odd = answered(IDS[0]).replace(b"Common", b"\\ud800")
    settled = Settled(tmp_path, [odd])
    assert settled.failures[IDS[0]].reason is FailureReason.MALFORMED
    assert settled.usage.input == 10
    message = refused(IDS[1], 400, "REASON").replace(b"REASON", b"\\ud800")
    assert orjson.dumps(Settled(tmp_path, [message]).failures[IDS[1]].detail)
    foreign = answered(IDS[0]).replace(IDS[0].encode(), b"\\ud800")
    assert Settled(tmp_path, [foreign]).index.unreadable == 1


def test_an_error_beside_a_charged_line(tmp_path: Path) -> None:
    """Of an error and a line that was charged, but has no answer, the charged one counts: its cost is unknown."""
    charged = line(IDS[0], {"status_code": 200, "body": None})
    for lines in ([refused(IDS[0], 500), charged], [charged, refused(IDS[0], 500)]):
        settled = Settled(tmp_path, lines)
        assert settled.failures[IDS[0]].reason is FailureReason.MALFORMED


def test_an_answer_beside_an_empty_one(tmp_path: Path) -> None:
    """An answer counts, though a line with the same id and an empty body comes first."""
    settled = Settled(tmp_path, [line(IDS[0], {"status_code": 200, "body": {}}), answered(IDS[0])])
    assert settled.answered_ids == [IDS[0]]
