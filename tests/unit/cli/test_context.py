"""The context of a command: keys, certificates, file names, and the checkpoint that a command works on."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from floridify_batch.cli.context import (
    check_log_file,
    check_name,
    checkpoint_at,
    checkpoint_or_only,
    command_for,
    picked_number,
    secrets_of,
)
from floridify_batch.cli.floridify_config import FloridifyConfig
from floridify_batch.errors import CheckpointError, UsageError

LATIN1 = Path("w\udcf6rter.txt")
"""A file name in another encoding, as Python passes it on."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, and an environment without a key."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("value", ["sk-1", "sk-1\n", " sk-1", "sk-1\r\n", "\tsk-1 "])
def test_white_space_around_a_key_is_removed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A line break after a key is removed."""
    monkeypatch.setenv("OPENAI_API_KEY", value)
    assert secrets_of().api_key == "sk-1"


@pytest.mark.parametrize(
    "value", ["sk-very\nsecret", "sk-very secret", "sk-very\x07secret", "\u201csk-verysecret\u201d"]
)
def test_a_key_that_cannot_be_one_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A key with white space, control or non-ASCII characters is refused, and not shown."""
    monkeypatch.setenv("OPENAI_API_KEY", value)
    with pytest.raises(UsageError, match="OPENAI_API_KEY contains") as refused:
        secrets_of()
    assert "secret" not in str(refused.value)


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of white space only counts as not set, so that the configuration's is used."""
    monkeypatch.setenv("OPENAI_API_KEY", " \n")
    assert secrets_of().api_key is None
    assert secrets_of(None, FloridifyConfig(api_key="sk-2\n")).api_key == "sk-2"


def test_a_missing_certificate_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A certificate file that does not exist is named with its variable and its path."""
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    with pytest.raises(UsageError, match=r"SSL_CERT_FILE is set to .*ca\.pem, which does not exist"):
        secrets_of()
    (folder / "ca.pem").write_text("")
    assert secrets_of().api_key is None


def test_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy without the package for it is refused by the variable's name; its password is not shown."""
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("all_proxy", "socks5://ann:secret@127.0.0.1:9")
    with pytest.raises(UsageError, match=r"all_proxy is set to a SOCKS proxy, .*pip install socksio") as refused:
        secrets_of()
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    assert secrets_of().api_key is None


def test_a_name_that_is_not_utf8_is_refused(folder: Path) -> None:
    """A list or a checkpoint whose name is not UTF-8 is refused with a printable error."""
    for check in (check_name, checkpoint_at, checkpoint_or_only):
        with pytest.raises(UsageError, match=r"w\?rter\.txt is not valid UTF-8; rename the file"):
            check(LATIN1)
    assert list(folder.iterdir()) == []


def test_the_only_checkpoint(folder: Path) -> None:
    """The only checkpoint in the folder is the default; a sandbox's is used only if there is no other."""
    with pytest.raises(UsageError, match="No checkpoint in this folder"):
        checkpoint_or_only(None)
    (folder / "a.sandbox.checkpoint.json").touch()
    assert checkpoint_or_only(None).path == Path("a.sandbox.checkpoint.json")
    (folder / "a.checkpoint.json").touch()
    assert checkpoint_or_only(None).path == Path("a.checkpoint.json")
    (folder / "b.checkpoint.json").touch()
    with pytest.raises(UsageError, match=r"Several checkpoints in this folder; .*\(a\.checkpoint\.json, b\.checkpoint"):
        checkpoint_or_only(None)


def test_the_number_of_a_checkpoint() -> None:
    """A choice that is no number of the list is explained in a sentence, and the question is repeated."""
    with CliRunner().isolation(input="x\n0\n9\n 2 \n") as (_, err, _):
        assert picked_number(3) == 2
        shown = err.getvalue().decode()
    assert shown.count("Type a number from 1 to 3") == 3
    assert "integer" not in shown


def test_the_checkpoint_of_a_list(folder: Path) -> None:
    """A word list names its checkpoint, in any folder; a list without one is refused."""
    (folder / "a.checkpoint.json").touch()
    (folder / "b.txt").write_text("bank\n")
    assert checkpoint_or_only(Path("a.txt")).path == Path("a.checkpoint.json")
    assert checkpoint_or_only(Path("lists/a.txt")).path == Path("a.checkpoint.json")
    (folder / "c.sandbox.checkpoint.json").touch()
    assert checkpoint_or_only(Path("c.txt")).path == Path("c.sandbox.checkpoint.json")
    with pytest.raises(CheckpointError, match=r"b\.txt is not a checkpoint, .*batch-synth run b\.txt"):
        checkpoint_or_only(Path("b.txt"))
    (folder / "state").write_text("{}")
    assert checkpoint_or_only(Path("state")).path == Path("state")


def test_a_command_names_a_checkpoint_only_where_it_must(folder: Path) -> None:
    """The next command leaves out the checkpoint that it would find, and names it beside others or elsewhere."""
    sandbox, real = Path("words.sandbox.checkpoint.json"), Path("words.checkpoint.json")
    sandbox.touch()
    assert command_for("show bank", sandbox) == "batch-synth show bank"
    real.touch()
    assert command_for("show bank", sandbox) == f"batch-synth show bank --checkpoint {sandbox}"
    assert command_for("report", real) == "batch-synth report"
    assert (
        command_for("report", folder / "elsewhere" / real)
        == f"batch-synth report --checkpoint {folder}/elsewhere/{real}"
    )


def test_a_log_file_that_cannot_be_written(folder: Path) -> None:
    """A log file that cannot be written is refused before a run begins; one that can is kept."""
    with pytest.raises(UsageError, match="The log file"):
        check_log_file(folder)
    (folder / "run.log").write_text("before\n")
    check_log_file(folder / "run.log")
    check_log_file(None)
    assert (folder / "run.log").read_text() == "before\n"
