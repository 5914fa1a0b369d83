"""The cards of the catalogue, in English and Chinese."""

from __future__ import annotations

from typing import Any

import yaml

from hub.catalogue.entries import Entry, Sizes

NOTICE = """\
> **The weights here are stand-ins.** They load and run, and what they say means nothing: a few thousand random
> numbers under the tensor names of the original, so that software can be tried without hundreds of gigabytes.
> The figures below are the original's. Replace the files by the real ones to use the model.
>
> **此处的权重只是占位。** 张量名称与原模型的结构一致，数值是随机的，可以加载运行，但输出没有意义。下表为原模型的真实参数；请换成真实文件后使用。
"""
SAMPLE_NOTICE = """\
> **The rows here are a sample that we wrote** in the form of the original, so that software can be tried.
>
> **此处的数据是我们按原格式编写的样例**，仅供试用软件。
"""
SPACE_NOTICE = """\
> This hub keeps the files of spaces and does not run them. 本站保存 Space 的文件，但不运行。
"""


def card(entry: Entry) -> str:
    """The README of a repository."""
    front = yaml.dump(metadata(entry), allow_unicode=True, sort_keys=False, default_flow_style=False)
    body = {"model": _model, "dataset": _dataset, "space": _space}[entry.kind](entry)
    return f"---\n{front}---\n\n{body.strip()}\n"


def metadata(entry: Entry) -> dict[str, Any]:
    data: dict[str, Any] = {"license": entry.license}
    if entry.license_name:
        data["license_name"] = entry.license_name
    if entry.languages:
        data["language"] = list(entry.languages)
    if entry.kind == "model":
        data["library_name"] = entry.library
        data["pipeline_tag"] = entry.task or "text-generation"
        data["tags"] = [*entry.tags, *(["chat"] if entry.chat else []), "stand-in"]
        if entry.sizes is not None:
            data["parameters"] = entry.sizes.parameters
        if entry.base:
            data["base_model"] = entry.base
    else:
        data["tags"] = [*entry.tags, "stand-in"]
    data.update(entry.extra)
    return data


def _head(entry: Entry, notice: str) -> str:
    paper = f"\nPaper 论文：https://arxiv.org/abs/{entry.arxiv}\n" if entry.arxiv else ""
    return f"# {entry.name}\n\n{notice}\n{entry.en}\n\n{entry.zh}\n{paper}\n"


def _model(entry: Entry) -> str:
    assert entry.sizes is not None
    remote = (
        f"The original ships its own code (`{entry.remote}`); the stand-in has the nearest architecture that "
        f"transformers knows, `{entry.family}`. 原模型自带代码，占位权重采用 transformers 中最接近的结构。\n\n"
        if entry.remote
        else ""
    )
    base = f"Made from 底座模型：[{entry.base}](/{entry.base})\n\n" if entry.base else ""
    return f"""{_head(entry, NOTICE)}{base}{remote}## Architecture of the original 原模型结构

{_table(entry, entry.sizes)}
## Use 使用

```python
{_usage(entry)}
```
"""


def _table(entry: Entry, sizes: Sizes) -> str:
    rows = [
        ("Parameters 参数量", sizes.parameters + (f" ({entry.active} active 激活)" if entry.active else "")),
        ("Layers 层数", f"{sizes.layers}"),
        ("Hidden size 隐藏维度", f"{sizes.hidden:,}"),
        ("Attention heads 注意力头", f"{sizes.heads} ({sizes.key_value_heads} key-value 键值头)"),
        ("Feed-forward size 前馈维度", f"{sizes.feed_forward:,}"),
        ("Vocabulary 词表", f"{sizes.vocabulary:,}"),
        ("Context 上下文", f"{sizes.context:,}"),
    ]
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)


def _usage(entry: Entry) -> str:
    auto = "AutoModelForCausalLM" if entry.library == "transformers" else "AutoModel"
    return f"""from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{entry.id}")
model = {auto}.from_pretrained("{entry.id}")"""


def _dataset(entry: Entry) -> str:
    return f"""{_head(entry, SAMPLE_NOTICE)}## Use 使用

```python
from datasets import load_dataset

rows = load_dataset("{entry.id}", data_files="data/sample.jsonl")
```
"""


def _space(entry: Entry) -> str:
    return _head(entry, SPACE_NOTICE)
