# One image for web, worker, beat and one-off commands; docker-compose.yml says which is which.
# BASE may be any image of Debian with Python 3.11 or newer: script/images builds on one that it makes itself.
ARG BASE=docker.io/library/python:3.13-slim-bookworm

FROM ${BASE} AS tools
COPY requirements-build.txt /build/
RUN --mount=type=cache,target=/root/.cache \
    python3 -m venv /tools \
 && /tools/bin/pip install --disable-pip-version-check --quiet --require-hashes --only-binary :all: \
        -r /build/requirements-build.txt

# The packages that the bazaar needs, in one layer that changes only with requirements.txt. What no program reads
# is left out: tests, types, sources of translations, and descriptions of AWS' services that the hub does not use.
FROM tools AS packages
COPY requirements.txt /build/
RUN --mount=type=cache,target=/root/.cache \
    python3 -m venv --without-pip /venv \
 && /tools/bin/uv pip install --python /venv/bin/python3 --system-certs --link-mode copy --quiet --require-hashes \
        --no-build --compile-bytecode -r /build/requirements.txt \
 && cd /venv/lib/python3*/site-packages \
 && find . -type d -name tests -prune -exec rm -r {} + \
 && find . -type f \( -name "*.po" -o -name "*.pyi" -o -name "*.pxd" -o -name "*.h" \) -delete \
 && find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name "sso*" ! -name signin -exec rm -r {} + \
 && rm -f /venv/.lock

# The bazaar itself, as the wheel that a release has.
FROM tools AS wheel
WORKDIR /build
COPY pyproject.toml setup.py MANIFEST.in requirements.in README.md LICENSE ./
COPY bazaar bazaar
COPY foundation foundation
COPY hub hub
COPY compute_market compute_market
RUN /tools/bin/uv build --quiet --wheel --no-build-isolation --python /tools/bin/python3 --out-dir /dist . \
 && /tools/bin/uv pip install --quiet --no-deps --no-index --compile-bytecode --python /tools/bin/python3 --target /app /dist/*.whl \
 && sed -i '1s|.*|#!/venv/bin/python3|' /app/bin/bazaar \
 && rm -f /app/.lock

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Model Bazaar" \
      org.opencontainers.image.description="A self-hosted hub of open models, and a market for GPU time" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The folders are volumes' first content, so that a new volume belongs to the user of the image.
RUN echo "Acquire::Retries 3;" >/etc/apt/apt.conf.d/retries \
 && apt-get update \
 && apt-get install --yes --no-install-recommends git tzdata \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin bazaar \
 && install --directory --owner bazaar --group bazaar /data /run/bazaar /run/keys \
 && install --directory --mode 700 --owner bazaar --group bazaar /run/leases
COPY --from=packages /venv /venv
COPY --from=wheel /app /app
ENV PATH=/app/bin:/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    DJANGO_SETTINGS_MODULE=bazaar.settings.prod \
    BAZAAR_DATA_DIR=/data \
    BAZAAR_BIND=0.0.0.0:8000 \
    BAZAAR_LOG_FORMAT=json \
    PROMETHEUS_MULTIPROC_DIR=/run/bazaar
WORKDIR /data
USER bazaar
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python3", "-m", "bazaar.server.web"]
