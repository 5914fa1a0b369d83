"""Clients find the hub by environment variables. Some read them once, when they are imported."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any


def variables(*, url: str, token: str, home: Path) -> dict[str, str]:
    """Environment variables that make the clients of all dialects use this hub, with empty caches."""
    hosts = [os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost"]
    return {
        "HF_ENDPOINT": url,
        "HF_TOKEN": token,
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_CACHE": str(home / "huggingface" / "hub"),
        "HF_XET_CACHE": str(home / "huggingface" / "xet"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "CSGHUB_DOMAIN": url,
        "CSGHUB_TOKEN": token,
        "CSGHUB_HOME": str(home / "csghub"),
        "MODELSCOPE_ENDPOINT": f"{url}/modelscope",
        "MODELSCOPE_API_TOKEN": token,
        "MODELSCOPE_CACHE": str(home / "modelscope"),
        "NO_PROXY": ",".join(filter(None, hosts)),
    }


def load_clients() -> None:
    """Let huggingface_hub read the real environment now, so that it can be given back later."""
    if importlib.util.find_spec("huggingface_hub") is not None:
        importlib.import_module("huggingface_hub.constants")


def remembered(env: dict[str, str]) -> list[tuple[Any, str, Any]]:
    """(object, attribute, value): what huggingface_hub has read already and must now read differently."""
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is None:
        return []
    home = Path(env["HF_HOME"])
    values = {
        "ENDPOINT": env["HF_ENDPOINT"],
        "HUGGINGFACE_CO_URL_TEMPLATE": env["HF_ENDPOINT"] + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(home),
        "HF_HUB_CACHE": env["HF_HUB_CACHE"],
        "HUGGINGFACE_HUB_CACHE": env["HF_HUB_CACHE"],
        "HF_ASSETS_CACHE": str(home / "assets"),
        "HUGGINGFACE_ASSETS_CACHE": str(home / "assets"),
        "HF_XET_CACHE": env["HF_XET_CACHE"],
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "HF_HUB_OFFLINE": False,
    }
    found: list[tuple[Any, str, Any]] = [
        (constants, name, value) for name, value in values.items() if hasattr(constants, name)
    ]
    api = getattr(sys.modules.get("huggingface_hub.hf_api"), "api", None)
    if api is not None:
        found.append((api, "endpoint", env["HF_ENDPOINT"]))
    return found


def forget(endpoint: str) -> None:
    """Clients that were first imported within the test keep no address of its hub."""
    constants = sys.modules.get("huggingface_hub.constants")
    api = getattr(sys.modules.get("huggingface_hub.hf_api"), "api", None)
    if constants is not None and api is not None and api.endpoint == endpoint:
        api.endpoint = constants.ENDPOINT
