"""Settings common to all stages. The stages dev, test and prod differ in a few lines."""

from __future__ import annotations

from urllib.parse import urlsplit

import bazaar
from bazaar import cross_origin, hosts, logs, paths
from bazaar.server import sockets
from bazaar.settings import derived
from foundation import environment as env

# Before anything is written: database, keys and private repositories are for the bazaar's own user alone.
paths.keep_private()
DATA_DIR = paths.make_private(paths.data_folder())
SECRET_KEY = derived.secret(DATA_DIR)

DEBUG = False
# The address people and programs use, where it differs from the Host header a request carries.
PUBLIC_URL = derived.public_url()
# Names that a request may call this server by. A page of another site could otherwise point its own name at
# this machine (DNS rebinding) and read what the hub shows to the person who visits it.
ALLOWED_HOSTS = env.words("BAZAAR_ALLOWED_HOSTS") or hosts.own_names(PUBLIC_URL)
# Address of the hub in messages that are sent outside of a request (webhooks), unless PUBLIC_URL is set.
LOCAL_URL = f"http://127.0.0.1:{env.text('BAZAAR_PORT', default='8000')}"

INSTALLED_APPS = [
    "bazaar.operators.OperatorConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "template_partials",
    "corsheaders",
    "bazaar",
    "hub.accounts",
    "hub.repos",
    "hub.xet",
    "hub.lfs",
    "hub.revisions",
    "hub.search",
    "hub.downloads",
    "hub.community",
    "hub.catalogue",
    "hub.audit",
    "hub.web",
    "compute_market.ledger",
    "compute_market.offers",
    "compute_market.matching",
    "compute_market.leases",
    "compute_market.demo",
    "compute_market.web",
]

MIDDLEWARE = [
    "bazaar.edge.EdgeMiddleware",
    "bazaar.hosts.KnownHostMiddleware",
    "bazaar.middleware.RawPathMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "bazaar.security.ContentSecurityPolicyMiddleware",
    "bazaar.middleware.BodyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "bazaar.pages.RefusalPagesMiddleware",
]

# ---- pages of other origins (bazaar/cross_origin.py) -----------------------------------------------
# Whose scripts may read the wires for programs. They bring no cookies, so they see what their token may see.
_origins = env.words("BAZAAR_CORS_ORIGINS", default="*")
CORS_ALLOW_ALL_ORIGINS = "*" in _origins
CORS_ALLOWED_ORIGINS = [] if CORS_ALLOW_ALL_ORIGINS else _origins
CORS_ALLOW_CREDENTIALS = False
CORS_URLS_REGEX = cross_origin.PROGRAM_PATHS
CORS_ALLOW_HEADERS = cross_origin.ALLOWED_HEADERS
CORS_EXPOSE_HEADERS = cross_origin.EXPOSED_HEADERS

ROOT_URLCONF = "bazaar.urls"
WSGI_APPLICATION = "bazaar.wsgi.application"
# Clients post to exact addresses; a slash redirect would turn their POST into a GET.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bazaar.context.site",
            ],
        },
    },
]

FORM_RENDERER = "bazaar.form_rendering.PageFormRenderer"
CSRF_FAILURE_VIEW = "bazaar.pages.csrf_failed"

DATABASES = {"default": derived.database(DATA_DIR)}
# On PostgreSQL, a transaction of `migrate` waits for a lock, and one statement runs, for at most so long.
MIGRATE_LOCK_SECONDS = env.integer("BAZAAR_MIGRATE_LOCK_SECONDS", default=2, at_least=1)
MIGRATE_STATEMENT_SECONDS = env.integer("BAZAAR_MIGRATE_STATEMENT_SECONDS", default=120, at_least=1)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [paths.ROOT / "bazaar" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = derived.folder(DATA_DIR / "static")
WHITENOISE_USE_FINDERS = True

# Bodies are read as streams by the doors that take large ones; this bounds the parsed rest.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
# The same number bounds the files of a form (foundation/uploads.py), so they are held in memory. The second
# figure leaves room for what a form sends besides.
FILE_UPLOAD_HANDLERS = [
    "foundation.uploads.BoundedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
]
FILE_UPLOAD_MAX_MEMORY_SIZE = 4 * DATA_UPLOAD_MAX_MEMORY_SIZE
# A thousand paths may be asked about at once, each a field of a form.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# ---- operating -----------------------------------------------------------------------------------
# What Prometheus sends as its Bearer token to read /metrics from another machine.
# Mail: without a server no mail is sent, and the settings of users offer none.
EMAIL_HOST = env.text("BAZAAR_SMTP_HOST")
EMAIL_PORT = env.integer("BAZAAR_SMTP_PORT", default=587, at_least=1)
EMAIL_HOST_USER = env.text("BAZAAR_SMTP_USER")
EMAIL_HOST_PASSWORD = env.text("BAZAAR_SMTP_PASSWORD")
_SMTP_SECURITY = env.choice("BAZAAR_SMTP_SECURITY", ("STARTTLS", "TLS", "NONE"), default="STARTTLS")
EMAIL_USE_TLS, EMAIL_USE_SSL = _SMTP_SECURITY == "STARTTLS", _SMTP_SECURITY == "TLS"
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.text("BAZAAR_MAIL_FROM") or f"bazaar@{urlsplit(PUBLIC_URL).hostname or 'localhost'}"

METRICS_TOKEN = env.text("BAZAAR_METRICS_TOKEN")
LOG_LEVEL = env.choice("BAZAAR_LOG_LEVEL", logs.LEVELS, default="INFO")
LOGGING = logs.configuration(
    level=LOG_LEVEL,
    as_json=env.text("BAZAAR_LOG_FORMAT") == "json",
    error_dsn=derived.error_dsn(),
)
# The file in which the supervisor of `script/server` names parts that do not run; empty: no supervisor.
PARTS_FILE = env.text("BAZAAR_PARTS_FILE")
# The other variables of OpenTelemetry are read by its library.
TRACES_ARE_SENT = bool(env.text("OTEL_EXPORTER_OTLP_ENDPOINT"))
LOG_ACCESS = env.flag("BAZAAR_LOG_ACCESS", default=True)
# True in prod: X-Forwarded-For is set by a front server. Otherwise any client may have set it.
BEHIND_FRONT_SERVER = False
REDIS_URL = derived.redis_url(DATA_DIR)
# Separates deployments, and parallel test runs, that share one Redis.
REDIS_PREFIX = env.text("BAZAAR_REDIS_PREFIX", default="bazaar")
# Answers that took long are kept there (ADR 0187). Another store of Django's may take its place.
CACHES = {"default": {"BACKEND": "foundation.cache.Cache"}}
CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = derived.broker(REDIS_URL, REDIS_PREFIX)
# Tasks are wake-ups that a periodic task replaces; their sender does not wait for a Redis that is away.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A worker waits for its Redis for as long as that takes (ADR 0203).
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["foundation.answers.AnswerRenderer"],
    "DEFAULT_PARSER_CLASSES": ["foundation.inputs.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "foundation.described.AnswerSchema",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Model Bazaar",
    "VERSION": bazaar.__version__,
    # From 3.1 on, schemas are those of JSON Schema: what validates JSON validates answers.
    "OAS_VERSION": "3.1.0",
    "PATH_CONVERTER_OVERRIDES": {"row_id": int},
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "foundation.described.name_enumerations",
        "hub.api.native.description.complete",
        "compute_market.api.description.complete",
        "bazaar.deprecations.mark",
    ],
    "ENUM_NAME_OVERRIDES": {
        "OrderType": [("limit", "limit"), ("market", "market")],
        "WatchedType": "hub.api.native.bodies.WATCHED_TYPES",
        "RepositoryKind": "hub.repos.models.Kind",
        "NamespaceKind": "hub.accounts.models.Namespace.Kind",
        "Visibility": "hub.accounts.models.Visibility",
        "Role": "hub.accounts.models.Role",
    },
}

# ---- the hub -------------------------------------------------------------------------------------
GIT_ROOT = DATA_DIR / "git"
# A folder of this node's own, where GIT_ROOT is on a file system that several nodes mount.
GIT_FRONT_DIR = derived.git_fronts()
BLOB_ROOT = DATA_DIR / "blobs"
# The bucket that holds object bytes instead of BLOB_ROOT; None keeps them on this disk.
S3 = derived.object_store()
CONTENT_SECURITY_POLICY = derived.content_policy(S3)
TEMP_ROOT = DATA_DIR / "tmp"
# Files above this many bytes go to LFS whatever they are.
LFS_THRESHOLD_BYTES = env.integer("BAZAAR_LFS_THRESHOLD_BYTES", default=10 * 1024 * 1024)
# One LFS object holds at most this much; clients that can send parts do so above the second figure.
LFS_OBJECT_BYTES_MAX = env.integer("BAZAAR_LFS_OBJECT_BYTES_MAX", default=500 * 1024**3)
LFS_PARTS_ABOVE_BYTES = env.integer("BAZAAR_LFS_PARTS_ABOVE_BYTES", default=4 * 1024**3)
LFS_PART_BYTES = env.integer("BAZAAR_LFS_PART_BYTES", default=16 * 1024**2)
# Seconds for which a signed upload or download address is valid.
LFS_GRANT_SECONDS = env.integer("BAZAAR_LFS_GRANT_SECONDS", default=6 * 3600)
# Stored bytes that no commit refers to are kept for this time.
LFS_GRACE_HOURS = env.integer("BAZAAR_LFS_GRACE_HOURS", default=48)
# The largest push: bytes of its pack, as sent. Large files belong in LFS.
GIT_PUSH_BYTES_MAX = env.integer("BAZAAR_GIT_PUSH_BYTES_MAX", default=4 * 1024**3)
# Files and folders of one commit, counted by path. Every list and comparison of commits may visit each.
GIT_TREE_ENTRIES_MAX = env.integer("BAZAAR_GIT_TREE_ENTRIES_MAX", default=300_000)
# Quotas of a new namespace; 0 means no limit.
DEFAULT_STORAGE_QUOTA_BYTES = env.integer("BAZAAR_STORAGE_QUOTA_BYTES", default=0)
# Bytes that one user may have proposed to repositories of others, and that no branch there holds yet; 0: no
# limit.
PROPOSED_BYTES_MAX = env.integer("BAZAAR_PROPOSED_BYTES_MAX", default=10 * 1024**3)
DEFAULT_REPOSITORY_QUOTA = env.integer("BAZAAR_REPOSITORY_QUOTA", default=0)
REPOSITORY_RESTORE_DAYS = env.integer("BAZAAR_REPOSITORY_RESTORE_DAYS", default=30)
# Prefix of new access tokens.
TOKEN_PREFIX = derived.token_prefix()
SIGN_UP_OPEN = env.flag("BAZAAR_SIGN_UP_OPEN", default=True)
# New accounts an hour from one address (IPv6: one /64 network); 0 means no limit.
SIGN_UPS_PER_HOUR = env.integer("BAZAAR_SIGN_UPS_PER_HOUR", default=10)
# Calls a minute of the hub's APIs, by user and by address of those who show no token; 0 means no limit.
RATE_USER = env.integer("BAZAAR_RATE_USER", default=30_000)
RATE_ANONYMOUS = env.integer("BAZAAR_RATE_ANONYMOUS", default=6_000)
# True if these limits also apply to programs on this machine.
RATE_LIMIT_LOOPBACK = env.flag("BAZAAR_RATE_LOOPBACK", default=False)
WEBHOOKS_MAY_CALL_PRIVATE_ADDRESSES = env.flag("BAZAAR_WEBHOOKS_PRIVATE", default=False)
# Workers that may call webhooks at one time. Each call waits for the server of somebody else.
WEBHOOK_CALLS_AT_ONCE = env.integer("BAZAAR_WEBHOOK_CALLS_AT_ONCE", default=1)
# Mounts at which the Hugging Face wire is served besides the root.
# Behind nginx: the `internal` location that serves the blob folder; empty, we send files ourselves.
ACCEL_REDIRECT_PREFIX = env.text("BAZAAR_ACCEL_REDIRECT_PREFIX")
HF_MOUNTS = ("hf", "csg", "ms")

# ---- Xet -------------------------------------------------------------------------------------------
# How long a token, and the address of a part of a xorb, can be used.
XET_TOKEN_SECONDS = env.integer("BAZAAR_XET_TOKEN_SECONDS", default=60 * 60)
XET_RANGE_SECONDS = env.integer("BAZAAR_XET_RANGE_SECONDS", default=60 * 60)
# Time for which clients may rely on a deduplication answer; less than XET_KEEP_DAYS.
XET_ANSWER_SECONDS = env.integer("BAZAAR_XET_ANSWER_SECONDS", default=24 * 60 * 60)
# Clients name for three weeks what they once sent, so unused xorbs are kept longer than that.
XET_KEEP_DAYS = env.integer("BAZAAR_XET_KEEP_DAYS", default=28)
# For so long an unused xorb can be taken back after that.
XET_QUARANTINE_DAYS = env.integer("BAZAAR_XET_QUARANTINE_DAYS", default=7)
# Every stored byte is read and verified again in about so many days.
XET_SCRUB_DAYS = env.integer("BAZAAR_XET_SCRUB_DAYS", default=30, at_least=1)
# Bytes of a user's uploads that are read back and hashed within an hour; repeated ones count four times.
XET_VERIFY_BYTES_PER_HOUR = env.integer("BAZAAR_XET_VERIFY_BYTES_PER_HOUR", default=1024**4)
# Hash a large file while its xorbs arrive, each xorb after it is stored (ADR 0219).
XET_HASH_AHEAD = env.flag("BAZAAR_XET_HASH_AHEAD", default=True)
# Cut large files that came by LFS into chunks, so that Xet clients download them as such.
XET_CONVERT_LFS = env.flag("BAZAAR_XET_CONVERT_LFS", default=False)

# ---- the compute market --------------------------------------------------------------------------
MARKET_SHARDS = env.integer("BAZAAR_MARKET_SHARDS", default=2, at_least=1)
MARKET_REGIONS = env.words("BAZAAR_MARKET_REGIONS", default="cn-east,cn-north,us-west")
MARKET_TIERS = env.words("BAZAAR_MARKET_TIERS", default="reserved,spot")
# An agent sends a heartbeat this often; after three missed ones its node stops trading, and later its
# leases are lost.
MARKET_HEARTBEAT_SECONDS = env.integer("BAZAAR_MARKET_HEARTBEAT_SECONDS", default=20, at_least=1)
MARKET_POLL_SECONDS = env.integer("BAZAAR_MARKET_POLL_SECONDS", default=30, at_least=1)
MARKET_NODE_STALE_SECONDS = env.integer("BAZAAR_MARKET_NODE_STALE_SECONDS", default=60)
MARKET_LEASE_LOST_SECONDS = env.integer("BAZAAR_MARKET_LEASE_LOST_SECONDS", default=180)
# Time within which an agent must start a lease that has begun.
MARKET_PROVISION_SECONDS = env.integer("BAZAAR_MARKET_PROVISION_SECONDS", default=300)
# For so long heartbeats of a minute that is over may still be on their way into the database.
MARKET_METER_GRACE_SECONDS = env.integer("BAZAAR_MARKET_METER_GRACE_SECONDS", default=5)
# A provider that breaks a lease off pays this share of what it did not deliver, from its bond.
MARKET_CREDIT_BPS = env.integer("BAZAAR_MARKET_CREDIT_BPS", default=1000)
# Credits that a provider must have posted as a bond for each GPU that is declared and not measured.
MARKET_DECLARED_BOND = env.integer("BAZAAR_MARKET_DECLARED_BOND", default=100)
MARKET_PREEMPT_NOTICE_MINUTES = env.integer("BAZAAR_MARKET_PREEMPT_NOTICE_MINUTES", default=5)
MARKET_LOG_BYTES_MAX = env.integer("BAZAAR_MARKET_LOG_BYTES_MAX", default=1024 * 1024)
# The socket on which the tunnels receive connections from the web server, and the address below which each
# port of a lease has a host name: https://leases.example.org gives https://17--8888.leases.example.org.
# Empty: ports are below /leases/ of the hub only.
MARKET_TUNNEL_SOCKET = sockets.tunnel_socket(DATA_DIR)
# The port in the ssh addresses of leases that clients see; 0: there is no ssh.
MARKET_SSH_PORT = env.integer("BAZAAR_SSH_PORT", default=2222)
MARKET_LEASES_URL = env.text("BAZAAR_LEASES_URL").rstrip("/")
# The exchange's share of a trade, in hundredths of a percent, from the resting and from the incoming side.
MARKET_MAKER_FEE_BPS = env.integer("BAZAAR_MARKET_MAKER_FEE_BPS", default=5)
MARKET_TAKER_FEE_BPS = env.integer("BAZAAR_MARKET_TAKER_FEE_BPS", default=10)
MARKET_OPEN_ORDERS_MAX = env.integer("BAZAAR_MARKET_OPEN_ORDERS_MAX", default=10_000)
MARKET_BULK_MAX = 1000
# The demo market, where `demo_market` has made one: whether it is kept alive, and whether it trades.
MARKET_DEMO = env.flag("BAZAAR_MARKET_DEMO", default=True)
MARKET_DEMO_TRADES = env.flag("BAZAAR_MARKET_DEMO_TRADES", default=True)
# Calls a minute, by user and by address of those who show no key.
MARKET_RATE_USER = env.integer("BAZAAR_MARKET_RATE_USER", default=30_000)
MARKET_RATE_ANONYMOUS = env.integer("BAZAAR_MARKET_RATE_ANONYMOUS", default=3_000)
# Event streams that one address may have open in one web process. Beside it an account has at most 20.
MARKET_STREAMS_PER_ADDRESS = env.integer("BAZAAR_MARKET_STREAMS_PER_ADDRESS", default=100)
MARKET_BATCH_SIZE = env.integer("BAZAAR_MARKET_BATCH_SIZE", default=1000, at_least=1)
# Time after which another worker takes over a shard whose worker has stopped responding.
MARKET_CLAIM_SECONDS = env.integer("BAZAAR_MARKET_CLAIM_SECONDS", default=10)
MARKET_SNAPSHOT_COMMANDS = env.integer("BAZAAR_MARKET_SNAPSHOT_COMMANDS", default=20_000, at_least=1)
