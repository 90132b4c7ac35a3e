# One small image for worker, service, cron and migrations: docker build -t caas-worker .
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/run.lock requirements/build.lock requirements/
RUN python -m venv /opt/caas \
    && /opt/caas/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/run.lock \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/build.lock
COPY pyproject.toml README.md ./
COPY caas_worker caas_worker
COPY migrations migrations
COPY triggers triggers
COPY views views
RUN /opt/build/bin/python -m hatchling build -t wheel -d /dist \
    && /opt/caas/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin caas
COPY --from=build /opt/caas /opt/caas
ENV PATH=/opt/caas/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /tmp
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["caas-worker", "health"]
ENTRYPOINT ["caas-worker"]
CMD ["run"]
