"""The lines that fetch a repository, for each client that people have."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from hub.repos import kinds
from hub.repos.models import Kind, Repository
from hub.web import links


@dataclass(frozen=True, slots=True)
class Snippet:
    """`language` colours it: bash or python."""

    name: str
    text: str
    language: str = "bash"


def snippets(repository: Repository, *, hub: str, library: str, task: str, file: str) -> list[Snippet]:
    """`hub` is this hub's address as people reach it; `file` one file's path, for curl."""
    repo_id, kind = repository.full_name, repository.kind
    flag = "" if kind == Kind.MODEL else f" --repo-type {kind}"
    found = []
    if code := _library(repository, hub=hub, library=library, task=task):
        found.append(code)
    found.append(
        Snippet(
            "hf", f"pip install -U huggingface_hub\nexport HF_ENDPOINT={hub}\nhf download {repo_id}{flag}"
        )
    )
    found.append(Snippet("git", f"git lfs install\ngit clone {hub}/{kinds.path_of(kind, repo_id)}"))
    if kind in {Kind.MODEL, Kind.DATASET, Kind.SPACE}:
        csg_flag = "" if kind == Kind.MODEL else f" -t {kind}"
        found.append(
            Snippet(
                "csghub-cli",
                f"pip install csghub-sdk\nexport CSGHUB_DOMAIN={hub}\n"
                f"csghub-cli download {repo_id}{csg_flag}",
            )
        )
    if kind in {Kind.MODEL, Kind.DATASET}:
        noun = "--model" if kind == Kind.MODEL else "--dataset"
        found.append(
            Snippet(
                "ModelScope",
                f"pip install modelscope\nexport MODELSCOPE_ENDPOINT={hub}/modelscope\n"
                f"modelscope download {noun} {repo_id}",
            )
        )
    address = f"{hub}{links.at(repository, 'resolve', repository.default_branch, file)}"
    found.append(Snippet("curl", f"curl -L -O {address}"))
    return found


def _library(repository: Repository, *, hub: str, library: str, task: str) -> Snippet | None:
    repo_id = repository.full_name
    setting = f'import os\nos.environ["HF_ENDPOINT"] = "{hub}"  # {_("before the import below")}\n'
    if repository.kind == Kind.DATASET:
        return Snippet(
            "datasets",
            f'{setting}from datasets import load_dataset\n\ndata = load_dataset("{repo_id}")',
            "python",
        )
    if repository.kind != Kind.MODEL:
        return None
    if library == "sentence-transformers":
        return Snippet(
            library,
            f"{setting}from sentence_transformers import SentenceTransformer\n\n"
            f'model = SentenceTransformer("{repo_id}")',
            "python",
        )
    if library == "diffusers":
        return Snippet(
            library,
            f"{setting}from diffusers import DiffusionPipeline\n\n"
            f'pipe = DiffusionPipeline.from_pretrained("{repo_id}")',
            "python",
        )
    if library == "transformers" or not library:
        auto = "AutoModelForCausalLM" if task in {"text-generation", ""} else "AutoModel"
        return Snippet(
            "transformers",
            f"{setting}from transformers import {auto}, AutoTokenizer\n\n"
            f'tokenizer = AutoTokenizer.from_pretrained("{repo_id}")\n'
            f'model = {auto}.from_pretrained("{repo_id}", dtype="auto", device_map="auto")',
            "python",
        )
    return None
