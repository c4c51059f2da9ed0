"""Floridify's configuration file: what is read from it, in which order, and what is refused."""

from pathlib import Path

import pytest

from floridify_batch.cli.context import database_named
from floridify_batch.cli.floridify_config import Deployment, FloridifyConfig, read_config
from floridify_batch.errors import UsageError


def config(folder: Path, text: str, deployment: Deployment | None = None) -> FloridifyConfig:
    """The configuration of a file with this text."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path, deployment)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ('[openai]\nmodel = "gpt-5"\n[models]\nopenai_model = "gpt-4o"', "gpt-5"),
        ('[models]\nopenai_model = "gpt-4o"', "gpt-4o"),
        ('[openai]\napi_key = "sk"', None),
    ],
)
def test_model(tmp_path: Path, text: str, model: str | None) -> None:
    """[openai] model has precedence over [models] openai_model."""
    assert config(tmp_path, text).model == model


def test_base_url(tmp_path: Path) -> None:
    """The address of a proxy is read, so that its key is not sent to OpenAI."""
    text = '[openai]\napi_key = " sk-1 "\nbase_url = "https://proxy.example/v1"'
    read = config(tmp_path, text)
    assert (read.base_url, read.api_key) == ("https://proxy.example/v1", "sk-1")


LEGACY = '[database]\nproduction_url = "mongodb://far/f"\ndevelopment_url = "mongodb://localhost:27018/f"\nname = "f"'


@pytest.mark.parametrize(
    ("deployment", "url"),
    [
        (Deployment(), "mongodb://localhost:27018/f"),
        (Deployment(docker=True), "mongodb://host.docker.internal:27018/f"),
        (Deployment(production=True), "mongodb://far/f"),
        (Deployment(production=True, docker=True), "mongodb://far/f"),
    ],
)
def test_addresses_of_2025(tmp_path: Path, deployment: Deployment, url: str) -> None:
    """Of the two addresses in a file of 2025, that of the deployment is used, as in Floridify's loader."""
    read = config(tmp_path, LEGACY, deployment)
    assert (read.mongo_url_or(None), read.database) == (url, "f")
    both = config(tmp_path, LEGACY + '\nruntime_url = " mongodb://now/f "', deployment)
    assert both.mongo_url_or(None) == "mongodb://now/f"
    assert both.mongo_url_or("mongodb://given") == "mongodb://given"


@pytest.mark.parametrize(
    ("text", "given", "name"),
    [
        ('runtime_url = "mongodb://h/other"', None, "floridify"),
        ('runtime_url = "mongodb://h/other"\nname = "mine"', None, "mine"),
        ('runtime_url = "mongodb://h/other"\nname = "mine"', "mongodb://h/given", "given"),
    ],
)
def test_the_name_of_the_database(tmp_path: Path, text: str, given: str | None, name: str) -> None:
    """The file's name of the database, or Floridify's usual one, wins over the file's address, not over a given one."""
    assert database_named(None, given, config(tmp_path, f"[database]\n{text}")) == name


def test_a_database_without_an_address(tmp_path: Path) -> None:
    """A [database] section without an applicable address is refused, unless an address is given otherwise."""
    for setting in ('name = "f"', 'production_url = "mongodb://far"', 'runtime_url = ""'):
        read = config(tmp_path, f"[database]\n{setting}")
        with pytest.raises(UsageError, match="neither runtime_url nor development_url"):
            read.mongo_url_or(None)
        assert read.mongo_url_or("mongodb://given") == "mongodb://given"
    assert config(tmp_path, '[openai]\napi_key = "sk"').mongo_url_or(None) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://h", "mongodb://h/?tls=true&tlsCAFile={ca}"),
        ("mongodb://h/f?w=majority", "mongodb://h/f?w=majority&tls=true&tlsCAFile={ca}"),
        ("mongodb://h/?tls=false", "mongodb://h/?tls=false"),
        ("mongodb://h/?ssl=true", "mongodb://h/?ssl=true&tlsCAFile={ca}"),
        ("mongodb+srv://h", "mongodb+srv://h/?tlsCAFile={ca}"),
        ("mongodb://h/?tls=true&tlsCAFile=/own.pem", "mongodb://h/?tls=true&tlsCAFile=/own.pem"),
    ],
)
def test_tls(tmp_path: Path, url: str, expected: str) -> None:
    """Required TLS and the certificate beside the file hold for any address without TLS options, a given one, too."""
    (tmp_path / "mongodb-ca.pem").write_text("certificate")
    text = f'[database]\nruntime_url = "{url}"\nruntime_tls_required = true'
    required = config(tmp_path, text)
    assert required.mongo_url_or(None) == expected.format(ca=tmp_path / "mongodb-ca.pem")
    other = config(tmp_path, '[database]\nruntime_url = "mongodb://other"\nruntime_tls_required = true')
    assert other.mongo_url_or(url) == required.mongo_url_or(None)


def test_no_tls(tmp_path: Path) -> None:
    """Without required TLS, an address is unchanged, regardless of files beside the configuration."""
    (tmp_path / "mongodb-ca.pem").write_text("certificate")
    text = '[database]\nruntime_url = "mongodb://h/f"\nruntime_tls_required = false'
    assert config(tmp_path, text).mongo_url_or(None) == "mongodb://h/f"


def test_an_unreadable_file(tmp_path: Path) -> None:
    """A file that is missing or not TOML is refused without quoting its content."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="not valid TOML") as refused:
        config(tmp_path, 'api_key = "sk-secret')
    assert "sk-secret" not in str(refused.value)
