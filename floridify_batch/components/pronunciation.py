"""The component `pronunciation`: a respelling and the IPA transcription of a word."""

from floridify_batch.components.answer import Answer, Statement, Text
from floridify_batch.components.change import Collection, Insert, Outcome, Provenance, Replaced
from floridify_batch.components.recipe import WordRecipe, is_defined
from floridify_batch.components.synthesis_entry import in_entry
from floridify_batch.costs.answer_length import Spread
from floridify_batch.words.entry import Entry


class PronunciationResponse(Answer):
    """The pronunciation of a word: respelled for readers, and in IPA."""

    phonetic: Text
    ipa: Statement


def outcome(entry: Entry, _: Entry, answer: PronunciationResponse, provenance: Provenance) -> Outcome:
    """A pronunciation document, and its id in the synthesis entry."""
    identity = provenance.derived_id(0)
    fields = {
        "word_id": entry.word.id,
        "phonetic": answer.phonetic,
        "ipa": answer.ipa,
        "model_info": provenance.model_info(answer.confidence),
        # Floridify's models of July 2025 have no field for the model there, so the stamp says that a model made it.
        "synthesis": {"pronunciation": provenance.stamp.id},
    }
    insert = Insert(Collection.PRONUNCIATIONS, identity, fields)
    before = entry.pronunciation_id
    old = (before,) if before and before != identity else ()
    replaced = Replaced(Collection.PRONUNCIATIONS, entry.id, old, provenance.replace_edited)
    replaces = (replaced,) if old or provenance.replace else ()
    return in_entry(entry, {"pronunciation_id": identity}, inserts=(insert,), replaces=replaces)


RECIPE = WordRecipe(
    "pronunciation",
    PronunciationResponse,
    field="pronunciation_id",
    variables=("word", "language=language_code", "sense"),
    outcome=outcome,
    output_tokens=25,
    spread=Spread(0.8, 1.3),
    output_cap=400,
    needs=("definitions",),
    makes=Collection.PRONUNCIATIONS,
    condition=is_defined,
    floridify_template="synthesize/pronunciation.md",
)
