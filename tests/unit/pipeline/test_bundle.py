"""Bundles: which words share packs, within the limits of a chunk, and what their prompts list."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from floridify_batch.components.failure import Failure, FailureReason
from floridify_batch.components.registry import SynthesisComponent as C
from floridify_batch.pipeline.brief import Brief, brief
from floridify_batch.pipeline.bundle import Bundler, WordOpenings
from floridify_batch.pipeline.chunk import Expected, Group, Limits, Planned, preflight_part
from floridify_batch.pipeline.plan import outlined
from floridify_batch.words.entry import Definition, Entry, Word, derived_id
from tests.plans import group, plan

ASKED = (C.CEFR_LEVEL, C.EXAMPLES, C.PRONUNCIATION)


def briefed(pack: int, templates: Path | None = None, components: Sequence[C] = ASKED) -> Brief:
    return replace(
        brief(components, model="gpt-6-luna", language_name="English", templates=templates), pack=pack, max_attempts=3
    )


def entry(number: int, senses: int) -> Entry:
    text = f"word{number}"
    definitions = tuple(
        Definition(derived_id(text, place), "noun", f"the sense {place} of {text}", providers=["wiktionary"])
        for place in range(senses)
    )
    return Entry(Word(derived_id(text), text, "en"), definitions, sources=definitions)


def bundled(
    asked: Brief, senses: Sequence[int], limits: Limits | None = None, failures: Mapping[str, Failure] | None = None
) -> list[Group]:
    bundler = Bundler(asked, limits or Limits())
    found: list[Group] = []
    for number, count in enumerate(senses):
        openings = outlined(entry(number, count), asked, failures or {}).openings()
        for bundle in bundler.add(WordOpenings(number, openings, failures or {})):
            found += bundler.groups(bundle)
    for bundle in bundler.finish():
        found += bundler.groups(bundle)
    return found


def expected(made: Group) -> list[Expected]:
    return [Expected(*orjson.loads(line)) for line in made.expected.splitlines()]


def test_without_packs() -> None:
    """Without packs, each word is planned as ever: its lines, their order and their expectations."""
    asked = briefed(1)
    made = bundled(asked, [1, 3])
    assert made == [group(number, plan(entry(number, count), asked, {}), {}) for number, count in enumerate([1, 3])]


@pytest.mark.parametrize(
    ("senses", "words", "lines"),
    [
        ([1] * 6, [3, 3], [2 + 3] * 2),  # a bundle ends where its packs are full
        ([3, 3], [1, 1], [2 + 1] * 2),
        ([2, 2, 2], [3], [4 + 3]),
        ([4, 1, 1], [3], [4 + 3]),
        ([2, 2], [2], [2 * 2 + 2]),  # one definition of each component is left over
    ],
)
def test_words_that_share_packs(senses: list[int], words: list[int], lines: list[int]) -> None:
    """Definitions of one word come first, then those of the next words, which stay together."""
    made = bundled(briefed(3), senses)
    assert [each.size.words for each in made] == words
    assert [each.size.lines for each in made] == [len(each.lines) for each in made] == lines
    assert sum(each.size.requests for each in made) == 2 * sum(senses) + len(senses)


@pytest.mark.parametrize("limits", [Limits(words=2), Limits(input_tokens=1500), Limits(requests=6)])
def test_limits(limits: Limits) -> None:
    """A bundle of several words is within the limits of a chunk."""
    made = bundled(briefed(6), [1] * 20, limits)
    assert sum(each.size.words for each in made) == 20
    assert all(limits.hold(each.size) or each.size.words == 1 for each in made)
    assert any(each.size.shared for each in made)


def test_expectations() -> None:
    """Each member is expected under its own id, word by word, with its place in the pack."""
    (made,) = bundled(briefed(3), [2, 1])
    assert [each.ordinal for each in expected(made)] == [0] * 5 + [1] * 3
    packs = {each.carrier for each in expected(made) if each.carrier}
    assert len(packs) == 2
    for pack in packs:
        members = [each for each in expected(made) if each.carrier == pack]
        assert [each.number for each in members] == [1, 2, 3]
        assert len({tuple(each.weights) for each in members}) == 1
    alone = {request.custom_id for number in (0, 1) for request in plan(entry(number, 2 - number), briefed(1), {})}
    assert {each.custom_id for each in expected(made)} == alone


def test_other_senses() -> None:
    """Senses of a word in the same pack are not listed as other senses; the others are."""
    (made,) = bundled(briefed(2, components=(C.CEFR_LEVEL,)), [3])
    first, last = (orjson.loads(line)["body"]["messages"][-1]["content"] for line in made.lines)
    assert first.count("Not meant: <<the sense 2 of word0>>") == 2
    assert "Not meant: <<the sense 0 of word0; the sense 1 of word0>>" in last


def test_retries() -> None:
    """A definition that failed in a pack is retried alone; those of a pack that was cut, in packs of half the size."""
    asked = briefed(6, components=(C.CEFR_LEVEL,))
    ids = [each.custom_id for each in plan(entry(0, 6), asked, {})]
    for reason, lines in ((FailureReason.MISSING, 6), (FailureReason.TRUNCATED, 2), (FailureReason.EXPIRED, 1)):
        failures: dict[str, Failure] = {each: Failure(each, reason, "", packed=6) for each in ids}
        (made,) = bundled(asked, [6], failures=failures)
        assert len(made.lines) == lines
        assert made.size.retried == 6


def test_own_templates(tmp_path: Path) -> None:
    """A user's templates share requests within a word only, whose common lines are sent once."""
    text = "Grade a sense of {{ word }}.\n\nGive its level in the CEFR.\n\nSense: {{ definition }}\n\nBe brief.\n"
    (tmp_path / "cefr_level.md").write_text(text)
    (tmp_path / "definitions.md").write_text("Define {{ word }}.")
    made = bundled(briefed(6, tmp_path, (C.CEFR_LEVEL,)), [2, 1, 3])
    assert [each.size.lines for each in made] == [1, 1, 1]
    prompt = orjson.loads(made[0].lines[0])["body"]["messages"][-1]["content"]
    assert prompt.count("Grade a sense of word0.") == prompt.count("Be brief.") == 1
    assert "1. Sense: the sense 0 of word0\n\n2. Sense: the sense 1 of word0" in prompt


def test_preflight() -> None:
    """A preflight has one line of each component, with all members of a pack, and keeps the words that share it."""
    (made,) = bundled(briefed(3), [2, 1])
    planned = Planned(made.ordinals, 0, made.expected, made.carried, made.size, made.model)
    part, lines, found = preflight_part(planned, b"".join(made.lines), {C.CEFR_LEVEL, C.PRONUNCIATION})
    assert found == {C.CEFR_LEVEL, C.PRONUNCIATION}
    assert (part.ordinals, part.size.words, part.size.requests, part.size.lines) == ([0, 1], 2, 4, 2)
    assert len(lines.splitlines()) == 2
    assert [Expected(*orjson.loads(line)).ordinal for line in part.expected.splitlines()] == [0, 0, 0, 1]
