"""The sample senses with which users' templates are rendered before anything is planned: a full and a bare one."""

from floridify_batch.words.entry import Definition, Word, derived_id

SAMPLE_WORD = Word(derived_id("sample"), "bank", "en")
SAMPLE_DEFINITIONS = (
    Definition(
        derived_id("sample", 1),
        "noun",
        "the land beside a river",
        synonyms=["shore", "edge"],
        antonyms=["bed"],
        cognates=["Ufer"],
        cefr_level="B1",
        frequency_band=2,
        language_register="neutral",
        domain="geography",
        region="UK",
        grammar_patterns=[{"pattern": "on the ~", "description": "beside it"}],
        collocations=[{"text": "steep bank", "type": "adjective + noun", "frequency": 0.4}],
        usage_notes=[{"type": "grammar", "text": "Often plural."}],
        word_forms=[{"form_type": "plural", "text": "banks"}],
        providers=["wiktionary"],
        meaning_cluster={"id": "bank_slope", "slug": "bank_slope", "name": "Bank slope", "description": "", "order": 0},
        example_texts=["We sat on the bank of the river."],
    ),
    Definition(derived_id("sample", 2), "", "a place for money"),
)
