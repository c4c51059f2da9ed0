"""Batch servers of other makes: how each is installed, configured and started on loopback.

All of them answer with the sandbox's Chat Completions endpoint, so that only their Files and Batches endpoints are
under test.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import orjson

from floridify_batch.database.server import free_port

KEY = "sk-loopback"
MODEL = "gpt-4o-mini"
_PATIENCE = 300.0

_OGX = """
version: 2
distro_name: loopback
apis: [batches, files, inference]
providers:
  inference:
  - {{provider_id: openai, provider_type: "remote::openai", config: {{api_key: {key}, base_url: "{backend}/v1"}}}}
  files:
  - provider_id: files
    provider_type: inline::localfs
    config:
      storage_dir: {folder}/files
      metadata_store: {{backend: sql_default, table_name: files}}
  batches:
  - provider_id: reference
    provider_type: inline::reference
    config: {{sqlstore: {{backend: sql_default, table_name: batches}}, max_concurrent_requests_per_batch: 8}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: {folder}/kv.db}}
    sql_default: {{type: sql_sqlite, db_path: {folder}/sql.db}}
  stores:
    metadata: {{namespace: registry, backend: kv_default}}
    inference: {{table_name: inference, backend: sql_default}}
    conversations: {{table_name: conversations, backend: sql_default}}
    prompts: {{table_name: prompts, backend: sql_default}}
registered_resources:
  models:
  - {{model_id: {model}, provider_id: openai, provider_model_id: {model}, model_type: llm, metadata: {{}}}}
"""

_AIBRIX = """
import sys

import aibrix.metadata.app as app
import httpx
from aibrix.batch.client.channel import HttpChannel
from aibrix.batch.client.sources.static import GatewayEndpointSource

key, backend, port = sys.argv[1:]


def source():
    made = GatewayEndpointSource(backend)
    made._channel = HttpChannel(backend, client=httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}))
    return made


app.NoopEndpointSource = source  # the dry run echoes requests; this one sends them to an endpoint
sys.argv = ["aibrix_metadata", "--host", "127.0.0.1", "--port", port, "--dry-run"]
app.main()
"""

_LITELLM = """
model_list:
- model_name: {model}
  litellm_params: {{model: openai/{model}, api_base: "{behind}/v1", api_key: {key}}}
files_settings:
- {{custom_llm_provider: openai, api_base: "{behind}/v1", api_key: {key}}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server with its own virtual environment; `model` is the name by which it serves the model."""

    name: str
    package: str
    model: str = MODEL

    def install(self, folder: Path) -> Path:
        """Create the virtual environment unless it exists, and return its folder of commands."""
        commands = folder / f"venv-{self.name}" / "bin"
        if not (commands / "installed").exists():
            subprocess.run([sys.executable, "-m", "venv", commands.parent], check=True)
            subprocess.run([commands / "pip", "install", "--quiet", self.package], check=True)
            (commands / "installed").touch()
        return commands

    def command(self, commands: Path, folder: Path, port: int, backend: str, behind: str) -> list[str | Path]:
        """Write the configuration, and return the command that starts the server."""
        values = {"key": KEY, "model": MODEL, "backend": backend, "folder": folder, "behind": behind}
        if self.name == "ogx":
            (folder / "ogx.yaml").write_text(_OGX.format(**values))
            return [commands / "ogx", "run", folder / "ogx.yaml", "--port", str(port), "--insecure"]
        if self.name == "aibrix":
            (folder / "aibrix_server.py").write_text(_AIBRIX)
            return [commands / "python", folder / "aibrix_server.py", KEY, backend, str(port)]
        (folder / "litellm.yaml").write_text(_LITELLM.format(**values))
        configuration = str(folder / "litellm.yaml")
        return [commands / "litellm", "--config", configuration, "--port", str(port), "--host", "127.0.0.1"]


OGX = Server("ogx", "ogx", f"openai/{MODEL}")
AIBRIX = Server("aibrix", "aibrix")
LITELLM = Server("litellm", "litellm[proxy]")


@contextmanager
def started(server: Server, commands: Path, folder: Path, backend: str, behind: str = "") -> Iterator[str]:
    """Run a server until the block ends, and yield its address without `/v1`."""
    port = free_port()
    folder.mkdir(parents=True)
    command = server.command(commands, folder, port, backend, behind)
    environment = {**os.environ, **_environment()}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait(process, f"http://127.0.0.1:{port}", folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _environment() -> Mapping[str, str]:
    local = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENAI_API_KEY": KEY}
    return local | {"STORAGE_TYPE": "local", "METASTORE_TYPE": "local"}


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            httpx2.get(f"{address}/v1/files", headers={"Authorization": f"Bearer {KEY}"}, timeout=5)
        except httpx2.HTTPError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-1000:]}")


def states(checkpoint: Path) -> str:
    """Return the counts of a checkpoint in one line."""
    ledger = orjson.loads(checkpoint.read_bytes())
    chunks = [chunk["state"] for chunk in ledger["chunks"]]
    return f"{len(ledger['processed_words'])} processed, {len(ledger['failed_words'])} failed, chunks {chunks}"
