# `make` shows what there is. PORT=, HOST= (run), ARGS= (test), PYTHON= (first installation).

PYTHON ?= python3
REQUIREMENTS ?= requirements/local.txt
PIP_COMPILE = .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links
# mypy's Django plugin loads the settings, and connects to nothing.
SETTINGS = SECRET_KEY=unused DATABASE_URL=postgres:///unused REDIS_URL=redis://unused

.DEFAULT_GOAL := help
.PHONY: audit bench help run test long peers faults check format lock
.DELETE_ON_ERROR:

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' Makefile | expand -t 10

run: .venv/run.stamp  ## start the chat with all that it needs; Ctrl-C stops it
	@END_WITH=$$PPID exec .venv/bin/python manage.py run

test: .venv/dev.stamp  ## run the tests; ARGS=tests/core runs some
	@exec .venv/bin/python -m pytest $(ARGS)

long: .venv/dev.stamp  ## run the tests that prove something by its volume, or measure
	@exec .venv/bin/python -m pytest -m long $(ARGS)

peers: .venv/dev.stamp  ## run the tests against nginx, PgBouncer and PostgreSQL from Debian
	@exec .venv/bin/python -m pytest tests/peers $(ARGS)

faults: .venv/dev.stamp  ## break everything under load; ARGS="--only 1,5 --seed 2", --help
	@exec .venv/bin/python -m tests.faults $(ARGS)

bench: .venv/dev.stamp  ## measure against the tutorial's chat; ARGS="--json FILE", --help
	@status=0; .venv/bin/python -m bench.compare $(ARGS) || status=1; \
	$(if $(ARGS),,.venv/bin/python -m bench.storm || status=1;) exit $$status

check: .venv/dev.stamp  ## format, lint (Python, JavaScript, templates), types, import layers, migrations
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/oxlint --quiet .
	.venv/bin/djlint --quiet .
	$(SETTINGS) .venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/python manage.py makemigrations --check --dry-run

audit: .venv/dev.stamp  ## ask for known weaknesses of the packages; needs the network
	@exec .venv/bin/python requirements/audit.py $(ARGS)

format: .venv/dev.stamp  ## put the code in shape
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: .venv/dev.stamp  ## write requirements/*.txt from pyproject.toml
	$(PIP_COMPILE) -o requirements/prod.txt
	$(PIP_COMPILE) --group local -o requirements/local.txt
	$(PIP_COMPILE) --group dev -o requirements/dev.txt

# A stamp says that its lock file is installed in full: it is written last, and an interrupted
# installation leaves none. What tests need includes what running needs.
.venv/run.stamp: $(REQUIREMENTS)
	@PYTHON='$(PYTHON)' sh requirements/install.sh $(REQUIREMENTS) $@

.venv/dev.stamp: requirements/dev.txt
	@PYTHON='$(PYTHON)' sh requirements/install.sh requirements/dev.txt .venv/run.stamp $@
