# The chat's server. docker-compose.yml runs it; by itself it needs the variables of .env.example.
# Python is the version that the lock file is made for and the tests run on.

FROM python:3.11-slim AS packages

COPY requirements/prod.txt /prod.txt
# Wheels only: nothing is compiled, so no compiler is needed. Nothing comes in that has no hash.
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes --requirement /prod.txt


FROM python:3.11-slim

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin chat \
    # a new volume takes over this folder's owner
    && install --directory --owner chat /srv/static
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py ./
COPY core core
COPY presence presence
COPY chat chat
# Settings must load; none of these is kept, and none is used.
RUN python -m compileall -q . \
    && SECRET_KEY=unused DATABASE_URL=postgres:///unused REDIS_URL=redis://unused ENV_FILE= \
        python manage.py collectstatic --noinput --verbosity 0

USER chat
EXPOSE 8000
# SIGTERM: it takes no new sockets, sends the open ones away, and finishes what it accepted.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "core.server"]
