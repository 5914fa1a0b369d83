# One image for web, worker, beat and one-off commands; docker-compose.yml says which is which.
FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt

FROM python:3.13-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home bazaar \
 && install --directory --owner bazaar --group bazaar /data /run/bazaar \
 && install --directory --mode 700 --owner bazaar --group bazaar /run/leases
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY bazaar bazaar
COPY foundation foundation
COPY hub hub
COPY compute_market compute_market
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/app \
    MALLOC_ARENA_MAX=2 \
    DJANGO_SETTINGS_MODULE=bazaar.settings.prod \
    BAZAAR_DATA_DIR=/data \
    BAZAAR_BIND=0.0.0.0:8000 \
    BAZAAR_LOG_FORMAT=json \
    PROMETHEUS_MULTIPROC_DIR=/run/bazaar
RUN python bazaar/messages.py && python -m compileall -q bazaar foundation hub compute_market
USER bazaar
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "bazaar.server.web"]
