"""A repository's info, alone and in lists, and what lists are narrowed by."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType, field

from hub.api.structs import Answer


class LfsSibling(Answer, rename="camel"):
    """`pointer_size` is null where the index does not know it."""

    sha256: str
    size: int
    pointer_size: int | None


class Sibling(Answer):
    """A file. With `blobs` each has its size and its blob; `lfs` is there for a file that is in LFS."""

    rfilename: str
    size: int | UnsetType = UNSET
    blob_id: str | UnsetType = field(name="blobId", default=UNSET)
    lfs: LfsSibling | UnsetType = UNSET


class Hardware(Answer):
    current: str | None
    requested: str | None


class Runtime(Answer, rename="camel"):
    """The state of a space. No space runs here."""

    stage: Literal["NO_APP_FILE"]
    hardware: Hardware
    storage: str | None
    gc_timeout: int | None


class ModelId(Answer):
    id: str


class BaseModels(Answer):
    relation: str
    models: list[ModelId]


class SecurityStatus(Answer, rename="camel"):
    scans_done: bool
    files_with_issues: list[str]


class RepositoryInfo(Answer, kw_only=True):
    """A repository, with the members that a call asks for, in the order asked (`Ordered`).

    A member without a value is left out. `row_id`, `id` and a model's `model_id` are always there. A field of
    type `Any` has what the repository's card says, whatever its form.
    """

    row_id: str = field(name="_id")
    id: str
    model_id: str | UnsetType = field(name="modelId", default=UNSET)
    author: str | UnsetType = UNSET
    sha: str | UnsetType = UNSET
    last_modified: str | UnsetType = field(name="lastModified", default=UNSET)
    created_at: str | UnsetType = field(name="createdAt", default=UNSET)
    private: bool | UnsetType = UNSET
    gated: Literal["auto", "manual", False] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    downloads: int | UnsetType = UNSET
    downloads_all_time: int | UnsetType = field(name="downloadsAllTime", default=UNSET)
    likes: int | UnsetType = UNSET
    trending_score: float | UnsetType = field(name="trendingScore", default=UNSET)
    used_storage: int | UnsetType = field(name="usedStorage", default=UNSET)
    xet_enabled: bool | UnsetType = field(name="xetEnabled", default=UNSET)
    description: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    library_name: str | UnsetType = UNSET
    pipeline_tag: str | UnsetType = UNSET
    safetensors: dict[str, Any] | UnsetType = UNSET
    gguf: dict[str, Any] | UnsetType = UNSET
    config: dict[str, Any] | UnsetType = UNSET
    transformers_info: dict[str, Any] | UnsetType = field(name="transformersInfo", default=UNSET)
    card_data: dict[str, Any] | UnsetType = field(name="cardData", default=UNSET)
    model_index: Any | UnsetType = field(name="model-index", default=UNSET)
    widget_data: Any | UnsetType = field(name="widgetData", default=UNSET)
    mask_token: Any | UnsetType = UNSET
    sdk: Any | UnsetType = UNSET
    models: list[str] | UnsetType = UNSET
    datasets: list[str] | UnsetType = UNSET
    citation: Any | UnsetType = UNSET
    paperswithcode_id: Any | UnsetType = UNSET
    siblings: list[Sibling] | UnsetType = UNSET
    subdomain: str | UnsetType = UNSET
    runtime: Runtime | UnsetType = UNSET
    inference_provider_mapping: dict[str, str] | UnsetType = field(
        name="inferenceProviderMapping", default=UNSET
    )
    base_models: BaseModels | UnsetType = field(name="baseModels", default=UNSET)
    children_model_count: dict[str, int] | UnsetType = field(name="childrenModelCount", default=UNSET)
    spaces: list[str] | UnsetType = UNSET
    security_status: SecurityStatus | UnsetType = field(name="securityRepoStatus", default=UNSET)
    title: Any | UnsetType = UNSET
    emoji: Any | UnsetType = UNSET


class Tag(Answer):
    """A tag of a kind's public repositories. `count` says how many have it."""

    id: str
    label: str
    type: str
    count: int


class NoTemplates(Answer):
    """The hub offers no templates for spaces."""

    templates: list[str]
