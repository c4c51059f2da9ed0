"""Entries of one text."""

from floridify_batch.words.entry import Definition, Entry, Word, as_homographs, derived_id

METAL = Definition(derived_id("metal"), "noun", "a metal")


def lead(number: int, *definitions: Definition) -> Entry:
    return Entry(Word(derived_id("lead", number), "lead", "en", number), definitions)


def test_homographs_know_of_each_other() -> None:
    """Words of one spelling are homographs, and know whether another one is defined; a single word is not one."""
    found = as_homographs([lead(1, METAL), lead(2)])
    assert [(each.homograph, each.sibling_defined) for each in found] == [(True, False), (True, True)]
    assert as_homographs([lead(1, METAL)]) == [lead(1, METAL)]


def test_a_blank_definition_defines_nothing() -> None:
    """A homograph whose definitions are all blank does not count as defined."""
    found = as_homographs([lead(1, Definition(derived_id("blank"), "noun", " ")), lead(2, METAL)])
    assert [each.sibling_defined for each in found] == [True, False]


def test_one_homograph_is_defined() -> None:
    """Of homographs without definitions only the first gets a request for some: each would be the same question."""
    blank = Definition(derived_id("blank"), "noun", " ")
    assert [each.sibling_defined for each in as_homographs([lead(1, blank), lead(2), lead(3)])] == [False, True, True]
