# Needs Python 3.11 or later, make and the package registries; everything else is made in .venv.
PYTHON ?= python3
BIN := .venv/bin
# More than two cores: many tests wait for clocks, processes and disks.
WORKERS ?= 3
# Each worker takes the tests of a file in a row, which share servers and databases, and helps the other at the end.
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal --durations 10
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

# A shell with an empty database of its own, which goes when the shell does.
FRESH := unset HUB_DATABASE_URL; HUB_ENV=development; HUB_VAR=$$(mktemp -d); export HUB_ENV HUB_VAR; \
	trap 'rm -rf "$$HUB_VAR"' EXIT

.DEFAULT_GOAL := help
.PHONY: help setup demo test check soak bench format schema migration lock

help: ## Show what can be made.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1	\2/' | expand -t 18

setup: .venv/.installed ## Make .venv and install what the lock file names.

.venv/.locked: requirements-dev.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"Python is {v[0]}.{v[1]}: install 3.11 or later, or name one, as in make PYTHON=python3.12 setup.")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.installed ## Fill a generated shop, serve it, print addresses and tokens.
	$(BIN)/hub demo

test: .venv/.installed ## Run all tests against an embedded PostgreSQL of their own.
	$(PYTEST)

check: .venv/.installed ## Format, lint, types, import rules, migrations, printed schema.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(FRESH); $(BIN)/hub migrate && $(BIN)/alembic check
	$(BIN)/hub schema | diff -u schema/schema.graphql - \
		|| { echo 'schema/schema.graphql is not what the code prints: run make schema and read the change.' >&2; exit 1; }
	$(BIN)/hub schema --events | diff -u schema/events.json - \
		|| { echo 'schema/events.json is not what the code prints: run make schema and read the change.' >&2; exit 1; }

soak: .venv/.installed ## Run the time-boxed attacks for a minute each, and whole what make test samples.
	HUB_SOAK_SECONDS=60 $(PYTEST) --timeout 900 -m soak

bench: .venv/.installed ## Measure every bench once.
	$(BIN)/hub bench all

format: .venv/.installed ## Format and mend what can be mended without thought.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: .venv/.installed ## Print the GraphQL schema and that of webhook bodies into their files.
	$(BIN)/hub schema > schema/schema.graphql.new
	mv schema/schema.graphql.new schema/schema.graphql
	$(BIN)/hub schema --events > schema/events.json.new
	mv schema/events.json.new schema/events.json

migration: .venv/.installed ## Write the migration that the tables lack: make migration m="what it changes".
	@$(FRESH); test -n "$(m)" || { echo 'A migration needs a message: make migration m="what it changes".' >&2; exit 1; }; \
		$(BIN)/alembic upgrade head && $(BIN)/alembic revision --autogenerate -m "$(m)"

lock: .venv/.installed ## Resolve the dependencies anew and write the lock files.
	$(BIN)/python -m pip install --quiet uv
	$(UV_COMPILE) --upgrade pyproject.toml -o requirements.txt
	$(UV_COMPILE) --upgrade pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
