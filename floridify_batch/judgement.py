"""The judgement of a definition and its examples, as a function of the library."""

from floridify_batch.components.judgement import RECIPE, JudgementResponse
from floridify_batch.definition_conversion import DefinitionLike, WordLike
from floridify_batch.synthesis import AnyConnector, Call, ask_about


async def judge_definition(
    word: str | WordLike,
    definition: DefinitionLike,
    ai: AnyConnector,
    state_tracker: object = None,
    *,
    language: str | None = None,
) -> JudgementResponse:
    """Return a score from 1 to 5 with a reason for a definition (number 1) and for each of its `examples`."""
    return await ask_about(RECIPE, word, definition, Call(ai, language, None, state_tracker))
