"""Made-up users and models in any number, with real git repositories: to see how a large hub behaves.

Everything follows from its number, so a second run goes on where the first stopped.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from hub.accounts.models import Namespace, User
from hub.gitstore import Author, Ref, bulk
from hub.repos.attributes import initial
from hub.repos.models import Kind, Repository
from hub.revisions import indexing, refs
from hub.revisions.indexing import Facts
from hub.search import documents, index

PREFIX = "scale-"
NAMESPACES = 200
USERS_AT_ONCE = 2_000
MODELS_AT_ONCE = 500
AUTHOR = Author(name="Model Bazaar", email="model-bazaar@users.noreply.localhost")

ADJECTIVES = (
    "amber brisk calm deft early fleet grand humble inner jade keen lucid mild noble open plain".split()
)
FAMILIES = (
    ("qwen", "qwen2", "Qwen2ForCausalLM", "Qwen/Qwen-72B"),
    ("baichuan", "llama", "LlamaForCausalLM", "baichuan-inc/Baichuan2-7B-Base"),
    ("yi", "llama", "LlamaForCausalLM", "01-ai/Yi-6B"),
    ("internlm", "llama", "LlamaForCausalLM", "internlm/internlm2-7b"),
    ("bge", "bert", "BertModel", "BAAI/bge-large-zh-v1.5"),
    ("mindchat", "qwen2", "Qwen2ForCausalLM", "X-D-Lab/MindChat-Qwen-7B-v2"),
)
SIZES = ("0.5b", "1.8b", "4b", "7b", "13b", "34b", "72b")
LICENSES = ("apache-2.0", "mit", "gpl-3.0", "other", "cc-by-nc-4.0")
LANGUAGES = (("zh", "en"), ("zh",), ("en",), ("en", "fr", "de"), ("ja",), ("ko",))
TOPICS = ("chat", "medical", "law", "finance", "psychology", "code", "math", "roleplay", "translation")
WORDS = "通义千问 百川智能 心理咨询 书生浦语 大语言模型 知识问答 文本生成 代码助手 法律顾问 医疗健康".split()


def count_users() -> int:
    return User.objects.filter(namespace__key__startswith=f"{PREFIX}user-").count()


def make_users(total: int) -> Iterator[int]:
    """Have `total` made-up users, who cannot sign in; yields how many each batch added."""
    made = count_users()
    while made < total:
        numbers = range(made, min(made + USERS_AT_ONCE, total))
        names = [f"{PREFIX}user-{number:07d}" for number in numbers]
        with transaction.atomic(durable=True):
            owners = Namespace.objects.bulk_create(
                Namespace(name=name, key=name, kind=Namespace.Kind.USER) for name in names
            )
            locked = make_password(None)
            User.objects.bulk_create(User(namespace=owner, password=locked) for owner in owners)
        made += len(numbers)
        yield len(numbers)


def count_models() -> int:
    return Repository.objects.filter(kind=Kind.MODEL, namespace__key__startswith=f"{PREFIX}lab-").count()


def make_models(total: int, *, now: datetime) -> Iterator[int]:
    """Have `total` made-up models; yields how many each batch added. Their counters are made up too.

    Git's files are made durable once, at the end: after a power cut on the way start with an empty folder.
    """
    owners = _owners()
    made = count_models()
    if made >= total:
        return
    try:
        while made < total:
            numbers = range(made, min(made + MODELS_AT_ONCE, total))
            _insert([_make(number, owners, now) for number in numbers], now)
            made += len(numbers)
            yield len(numbers)
    finally:
        bulk.sync()
    if connection.vendor == "postgresql":
        # So many rows at once: until it has counted them, PostgreSQL plans for a few.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _insert(batch: list[tuple[Repository, Facts]], now: datetime) -> None:
    with transaction.atomic(durable=True):
        Repository.objects.bulk_create(repository for repository, _ in batch)
        refs.insert(
            (repository, Ref("refs/heads/main", repository.head_sha, repository.head_sha))
            for repository, _ in batch
        )
        indexing.insert_facts(batch, now=now)
        index.put(
            documents.document(
                repository, card=facts.card_data, tags=[tag.value for tag in facts.tags], text=facts.text
            )
            for repository, facts in batch
        )


def _owners() -> list[Namespace]:
    names = [f"{PREFIX}lab-{number:03d}" for number in range(NAMESPACES)]
    Namespace.objects.bulk_create(
        [Namespace(name=name, key=name, kind=Namespace.Kind.ORGANIZATION) for name in names],
        ignore_conflicts=True,
    )
    return list(Namespace.objects.filter(key__in=names).order_by("key"))


def _make(number: int, owners: list[Namespace], now: datetime) -> tuple[Repository, Facts]:
    """One model: its git repository is written, its rows are not."""
    dice = random.Random(number)  # noqa: S311 - content, not secrets
    family, model_type, architecture, base = dice.choice(FAMILIES)
    name = f"{dice.choice(ADJECTIVES)}-{family}-{dice.choice(SIZES)}-{number:06d}"
    owner = owners[number % len(owners)]
    languages, topics = dice.choice(LANGUAGES), dice.sample(TOPICS, 2)
    card = (
        f"---\nlicense: {dice.choice(LICENSES)}\nlanguage: [{', '.join(languages)}]\n"
        f"tags: [{', '.join(topics)}]\nbase_model: {base}\n---\n\n# {name}\n\n"
        f"A made-up model about {topics[0]} and {topics[1]}. {' '.join(dice.sample(WORDS, 3))}\n"
    )
    settings = f'{{"architectures": ["{architecture}"], "model_type": "{model_type}"}}\n'
    at = now - timedelta(minutes=dice.randrange(600_000))
    storage = hashlib.blake2b(f"{PREFIX}{number}".encode(), digest_size=16).hexdigest()
    made = bulk.write_repository(
        storage,
        default_branch="main",
        files={
            ".gitattributes": initial(Kind.MODEL),
            "README.md": card.encode(),
            "config.json": settings.encode(),
        },
        message="initial commit\n",
        author=AUTHOR,
        at=at,
    )
    fame = dice.paretovariate(1.2)
    repository = Repository(
        kind=Kind.MODEL,
        namespace=owner,
        name=name,
        key=name,
        full_name=f"{owner.name}/{name}",
        storage=storage,
        visibility="public",
        head_sha=made.commit,
        refs_version=refs.new_version(),
        created_at=at,
        updated_at=at + (now - at) * dice.random(),
        downloads_30d=min(int(fame * 20), 10**7),
        downloads_total=min(int(fame * 200), 10**8),
        likes=min(int(fame), 10**5),
        trending_score=round(min(fame * dice.random(), 10**4), 3),
    )
    return repository, indexing.facts_of(Kind.MODEL, made, made.commit)
