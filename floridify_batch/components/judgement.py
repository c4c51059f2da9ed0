"""The component `judgement`: how well definition and examples fit their sense, as another model sees it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from floridify_batch.components.answer import Answer, Item, Text, at_least_one, clip, kept
from floridify_batch.components.answer_shape import CERTAIN, LeanAnswer, without
from floridify_batch.components.change import Outcome, Provenance
from floridify_batch.components.prompt_variable import MAX_JUDGED_EXAMPLES, judged_examples
from floridify_batch.components.recipe import DEFINED, DefinitionRecipe
from floridify_batch.components.text_judgement import DEFINITIONS, EXAMPLES, text_digest
from floridify_batch.costs.answer_length import LIST_SPREAD
from floridify_batch.errors import UsageError
from floridify_batch.words.entry import JUDGEMENTS, Definition, Entry

MAX_REASON = 300


def _is_of_text(number: int) -> int:
    if not 1 <= number <= 1 + MAX_JUDGED_EXAMPLES:
        raise ValueError("there is no text of this number")
    return number


def _has_words(reason: str) -> str:
    if not any(map(str.isalpha, reason)):
        raise ValueError("the reason has no words")
    return reason


class TextJudgementItem(Item):
    """The score of one text by its number in the prompt, after the reason for it."""

    number: Annotated[int, AfterValidator(_is_of_text)]
    reason: Annotated[Text, clip(MAX_REASON), AfterValidator(_has_words)]
    score: Literal[1, 2, 3, 4, 5]


class JudgementResponse(Answer):
    """The judgements of a sense's texts."""

    judgements: Annotated[list[TextJudgementItem], kept(TextJudgementItem), clip(1 + MAX_JUDGED_EXAMPLES), at_least_one]


def outcome(_: Entry, definition: Definition, answer: JudgementResponse, __: Provenance) -> Outcome:
    """The judgement of each text of the prompt; a text that the answer leaves out has no score."""
    given = {each.number: each for each in reversed(answer.judgements)}
    judged: list[dict[str, Any]] = []
    for number, (component, digest) in enumerate(_judged_texts(definition), 1):
        each = given.get(number)
        score, reason = (each.score, each.reason) if each else (None, "")
        judged.append({"component": component, "digest": digest, "score": score, "reason": reason})
    return Outcome({JUDGEMENTS: judged})


def _judged_texts(definition: Definition) -> list[tuple[str, str]]:
    """The texts of a sense in the order of their numbers: the component and the digest of each."""
    sense = (definition.part_of_speech, definition.text)
    examples = ((EXAMPLES, text_digest(*sense, each)) for each in judged_examples(definition))
    return [(DEFINITIONS, text_digest(*sense)), *examples]


def share_named(text: str) -> float:
    """The share of senses in a text such as `5%` or `0.05`. Raises `UsageError`."""
    number = text.strip()
    try:
        share = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UsageError(f"--judge-sample {text}: expected a share of the senses, such as 5% or 0.05.")
    return share


@dataclass(frozen=True, slots=True)
class JudgementRecipe(DefinitionRecipe[JudgementResponse]):
    """The recipe of the judgements of a sense, which are outdated once one of its texts has changed."""

    def stored(self, entry: Entry, target: Definition) -> bool:  # noqa: ARG002  other senses do not matter
        """Whether every text is judged as it is now."""
        judged = {each.get("digest") for each in target.synthesis_judgements if isinstance(each, dict)}
        return all(digest in judged for _, digest in _judged_texts(target))

    def is_outdated(self, entry: Entry, target: Definition) -> bool:
        """Whether a text was added or changed since the judgement."""
        return bool(target.synthesis_judgements) and not self.stored(entry, target)

    def subject(self, entry: Entry, target: Definition) -> Iterable[str]:  # noqa: ARG002  as above
        """The definition and the examples."""
        return target.part_of_speech, target.text, *judged_examples(target)

    def quoted(self, entry: Entry, target: Definition) -> Iterable[str]:  # noqa: ARG002  as above
        """The examples."""
        return judged_examples(target)


RECIPE = JudgementRecipe(
    "judgement",
    JudgementResponse,
    field=JUDGEMENTS,
    variables=("word", "part_of_speech", "definition", "examples=judged_examples", "other_senses"),
    outcome=outcome,
    output_tokens=90,
    stored_answer=LeanAnswer(without(JudgementResponse, confidence=CERTAIN), 84),
    spread=LIST_SPREAD,
    output_cap=1500,
    needs=(*DEFINED, "examples"),
    temperature=0.0,
    quoted_tokens=45,
    on_request=True,
)
