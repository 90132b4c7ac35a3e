PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test test-model check bench prove guards fuzz

install: .venv/installed

# Hash-checked, without an index's address; the project itself without dependencies of its own.
.venv/installed: requirements/dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: install
	$(BIN)/caas-worker demo $(ARGS)

# PGBOUNCER=1, or the path of the program: with the workers behind PgBouncer.
test: install
	$(if $(PGBOUNCER),CAAS_TEST_PGBOUNCER=$(PGBOUNCER) )$(BIN)/python -m pytest $(ARGS)

# The protocol's models, by spin and gcc, which the distribution has: see docs/explanation/models.md.
test-model: install
	CAAS_TEST_MODEL=1 $(BIN)/python -m pytest tests/model $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/squawk $(filter-out %.rollback.sql,$(wildcard migrations/0*.sql))
	$(BIN)/sqlfluff lint --quiet migrations triggers views caas_worker/sql
	$(BIN)/python -m docs.generate --check
	$(BIN)/python -m pytest tests/unit tests/docs

bench: install
	$(BIN)/python -m benchmarks $(ARGS)

# The central property over many more generated histories than `make test` has.
prove: install
	CAAS_TEST_EXAMPLES=$(or $(EXAMPLES),20000) $(BIN)/python -m pytest tests/proof $(ARGS)

# Many more generated requests against the HTTP service than `make test` sends.
fuzz: install
	CAAS_TEST_REQUESTS=$(or $(REQUESTS),5000) $(BIN)/python -m pytest tests/service/test_documented.py -s $(ARGS)

# Takes each guard away in turn, and writes docs/explanation/guards.md: which test fails then.
guards: install
	$(BIN)/python -m tests.proof.guards $(ARGS)
