"""Words that are kept as the text in which they are written."""

import orjson
import pytest
from hypothesis import given, strategies as st

from floridify_batch.words.word_log import WordLog

words = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(['","', '\\"', ",\n    "])
)


@given(words, words)
def test_a_log_is_its_list(before: list[str], after: list[str]) -> None:
    """A log holds, compares and writes any words as a list would, in whichever way they were added."""
    log = WordLog.of(before)
    for word in after:
        log.append(word)
    listed = before + after
    assert (list(log), len(log)) == (listed, len(listed))
    assert log == listed == WordLog(listed)
    assert hash(log) == hash(WordLog(listed))
    assert orjson.loads(log.json()) == listed
    assert b'{\n  "x": ' + log.json() + b"\n}" == orjson.dumps({"x": listed}, option=orjson.OPT_INDENT_2)


def test_many_words() -> None:
    """More words than one read block are returned in order, by iteration and by index."""
    listed = [f"word{number}" for number in range(20_000)]
    log = WordLog.of(listed)
    assert list(log) == listed
    assert (log[0], log[-1], log[5:7]) == ("word0", "word19999", ["word5", "word6"])
    assert repr(WordLog(["a"])) == "['a']"
    assert WordLog.of(log) is log


@pytest.mark.parametrize("nonsense", [None, {"a": 1}, "word", [1], ["a", None]])
def test_what_is_no_list_of_words(nonsense: object) -> None:
    """Any other value in a checkpoint is refused."""
    with pytest.raises(ValueError, match="not a list of words"):
        WordLog.of(nonsense)
