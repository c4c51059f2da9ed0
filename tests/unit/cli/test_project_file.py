"""The settings file of a project: what it sets, what wins over it, and what it refuses."""

from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from floridify_batch.cli.main import app, report_error
from floridify_batch.cli.project_file import COMMAND_SETTINGS, PER_COMMAND, SETTINGS, project_file
from floridify_batch.errors import UsageError


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A word list; the project file goes beside it."""
    path = tmp_path / "words.txt"
    path.write_text("bank\n")
    return path


def write(words: Path, text: str, name: str = "batch-synth.toml") -> None:
    (words.parent / name).write_text(text)


def shown(words: Path, *options: str, **environment: str) -> dict[str, tuple[str, str]]:
    """The settings that `config` prints: the value and the origin of each."""
    result = CliRunner().invoke(app, ["config", str(words), *options], env={"COLUMNS": "300", **environment})
    assert result.exit_code == 0, result.exception
    lines = [line.rstrip() for line in result.stdout.splitlines()[2:]]
    cells = [[cell for cell in line.replace("   ", "  ").split("  ") if cell] for line in lines]
    return {name: (value.strip(), source.strip()) for name, value, source in cells}


def test_options_and_environment_win(words: Path) -> None:
    """A value of the file is a default: the environment wins over it, and an option over both."""
    write(words, '# ours\nmodel = "gpt-5-mini"\nlanguage = "fr"\nmax-cost = 20\n')
    settings = shown(words, "--language", "de", BATCH_SYNTH_MODEL="gpt-5-nano")
    assert settings["model"] == ("gpt-5-nano", "environment: BATCH_SYNTH_MODEL")
    assert settings["language"] == ("de", "option")
    assert settings["max-cost"] == ("20", f"{words.parent}/batch-synth.toml, line 4")
    assert settings["batch-size"] == ("as many as fit", "default")


def test_settings_that_follow_from_others(words: Path) -> None:
    """The database is that of the address, or the sandbox's counterpart; a sandbox has its own service and no key."""
    own = shown(words, MONGODB_URL="mongodb://host/dict", OPENAI_BASE_URL="https://example.org/v1")
    assert own["database"] == ("dict", "mongo-url")
    assert own["base-url"] == ("https://example.org/v1", "environment: OPENAI_BASE_URL")
    assert "API key" in own
    sandbox = shown(words, "--sandbox", MONGODB_URL="mongodb://host/dict", OPENAI_BASE_URL="https://example.org/v1")
    assert sandbox["database"] == ("dict_sandbox", "--sandbox")
    assert sandbox["base-url"] == ("the sandbox's", "--sandbox")
    assert sandbox["poll-interval"] == ("1", "--sandbox")
    assert "API key" not in sandbox
    assert shown(words, "--sandbox", "--poll-interval", "5")["poll-interval"] == ("5.0", "option")


def test_every_kind_of_setting(words: Path) -> None:
    """Lists, tables and numbers become options; folders start at the file; pyproject.toml has a table of its own."""
    write(
        words,
        '[project]\nname = "x"\n[tool.batch-synth]\ncomponents = ["synonyms", "examples"]\ntemplates = "prompts"\n'
        "no-preflight = true\npoll_interval = 2.5\nprice = { in = 0.05, out = 0.25 }\n"
        "[tool.batch-synth.count]\nsynonyms = 8\n[tool.batch-synth.request-option]\ntemperature = 0\n",
        "pyproject.toml",
    )
    settings = {name: value for name, (value, _) in shown(words).items()}
    assert settings["components"] == "synonyms,examples"
    assert settings["templates"] == str(words.parent / "prompts")
    assert settings["poll-interval"] == "2.5"
    assert settings["price"] == "in=0.05,out=0.25"
    assert (settings["count"], settings["request-option"]) == ("synonyms=8", "temperature=0")
    assert settings["no-preflight"] == "True"
    assert shown(words)["count"][1].endswith("pyproject.toml, line 9")


def test_the_files_own_name_comes_first(words: Path) -> None:
    """batch-synth.toml is read before pyproject.toml, and a pyproject.toml of other tools is left alone."""
    write(words, "[tool.other]\nx = 1\n", "pyproject.toml")
    assert project_file([words.parent]) is None
    write(words, "[tool.batch-synth]\nmodel = 'a'\n", "pyproject.toml")
    write(words, "model = 'b'\n")
    project = project_file([words.parent])
    assert project is not None
    assert project.settings["model"].value == "b"


def test_every_option_of_run_has_its_place() -> None:
    """An option of `run` is a setting, documented as one, or belongs to one command alone."""
    names = {each.name for each in get_command(app).commands["run"].params}  # type: ignore[attr-defined]
    assert names - {"words"} == {*SETTINGS, *PER_COMMAND}
    assert not set(SETTINGS) & set(PER_COMMAND)
    documented = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in SETTINGS if f"`{name.replace('_', '-')}`" not in documented] == []


def test_every_command_finds_the_projects_database() -> None:
    """A command with an option for the database takes it from the file: results never go to another one by default."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        options = {each.name for each in command.params}
        assert COMMAND_SETTINGS.get(name, frozenset()) <= options
        wanted = options & {"database", "mongo_url", "floridify_config"} if name not in ("help", "config") else set()
        assert wanted <= COMMAND_SETTINGS.get(name, frozenset()), name


REFUSED = [
    ('\nmodle = "x"\n', "line 2: unknown setting 'modle'. Did you mean model?"),
    ("zzz = 1", "line 1: unknown setting 'zzz'. Settings are components, model"),
    ("force = true", "line 1: 'force' is not read from this file; pass it on the command line."),
    ('openai_api_key = "x"', "line 1: keys are not read from this file. Remove the key, and set OPENAI_API_KEY."),
    ('model = "sk-secret"', "line 1: keys are not read from this file."),
    ('mongo-url = "mongodb://me:hush@host"', "line 1: passwords are not read from this file. Remove mongo-url"),
    ('batch_size = "ten"', "line 1: batch-size must be a number."),
    ("model = 5", "line 1: model must be a string in quotation marks."),
    ("count = 5", "line 1: count must be a table, such as { synonyms = 8 }."),
    ("model =", "not valid TOML"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_errors_name_the_line(words: Path, text: str, sentence: str) -> None:
    """An unknown name, a key, a password or a value of another type is refused with its line, without its value."""
    write(words, text)
    with pytest.raises(UsageError) as error:
        project_file([words.parent])
    assert sentence in str(error.value)
    assert not any(secret in str(error.value) for secret in ("sk-secret", "hush"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("batch-size = 0", "line 1"),
        ('components = "synonym"', "line 1: Unknown component 'synonym'. Did you mean synonyms?"),
        ('language = "klingonish"', "line 1: --language 'klingonish' is not a language"),
        ("max-cost = -1", "line 1: max-cost -1"),
        ('frequency-scale = "up"', "line 1"),
    ],
)
def test_a_value_that_its_option_refuses(
    words: Path, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error message of an option names the file and the line; the exit code is 2, and help works all the same."""
    write(words, text)
    with pytest.raises(Exception) as error:  # noqa: PT011  a usage error of either kind
        app(["run", str(words), "--dry-run"], standalone_mode=False)
    assert isinstance(error.value, Exception)
    assert report_error(error.value, debug=False) == 2
    assert sentence in capsys.readouterr().err
    assert CliRunner().invoke(app, ["run", str(words), "--help"]).exit_code == 0


def test_undo_takes_the_database_of_a_checkpoint(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`undo` of a run's ID looks in the project's database, of a checkpoint in that of the run."""
    write(words, 'database = "dictionary"\n')
    checkpoint = words.with_name("words.checkpoint.json")
    checkpoint.touch()
    monkeypatch.chdir(words.parent)
    undo = get_command(app).commands["undo"]  # type: ignore[attr-defined]
    found = [undo.make_context("undo", [each]).params["database"] for each in ("5f0c6a1b2e9d", str(checkpoint))]
    assert found == ["dictionary", None]


def test_a_resumed_run_keeps_its_settings(words: Path) -> None:
    """The file does not change the model or the limits of a run that exists: `resume` reads only addresses from it."""
    write(words, 'model = "gpt-5-mini"\nmax-cost = 1\n')
    result = CliRunner().invoke(app, ["resume", str(words)])
    assert "gpt-5-mini" not in str(result.exception)
    assert "words.txt is not a checkpoint" in str(result.exception)
