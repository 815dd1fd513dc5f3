# Works with GNU make 3.81, which macOS ships, and newer. Every target sets up what it needs.

VENV := .venv
BIN := $(VENV)/bin
# Arguments of a program: make demo ARGS=--once, make mutate ARGS=--again
ARGS :=
# Arguments for pytest: make test PYTEST_ARGS="-k tutorial"
PYTEST_ARGS :=
# Two workers, a file stays with one of them: fixtures that start a server are then shared.
PARALLEL := -n 2 --dist loadfile

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)
SETUP := pyproject.toml scripts/environment.sh scripts/find-python.sh

.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench soak mutate compat-go screens lock clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo.stamp ## the tutorial, with a server and a sample API (ARGS=--once: walk and exit)
	@$(BIN)/gatewright demo $(ARGS)

test: $(VENV)/dev.stamp ## lint, types and all tests
	@sh scripts/system-packages.sh
	@sh scripts/node.sh
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

check: $(VENV)/dev.stamp ## lint, types and the fast tests: under a minute
	@sh scripts/node.sh
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(PYTEST_ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --warnings

bench: $(VENV)/demo.stamp ## the benchmarks (results in benchmarks/results)
	$(BIN)/python benchmarks/first_token.py
	$(BIN)/python benchmarks/fixture_start.py
	$(BIN)/python benchmarks/dashboard.py

soak: ## the long reliability runs
	@echo "There is no long reliability run yet."

mutate: $(VENV)/dev.stamp ## mutation testing of jose and guard: an hour (ARGS=--again: only what was not caught)
	@$(BIN)/python scripts/mutate.py $(ARGS)

compat-go: $(VENV)/dev.stamp ## clients written in Go against the server, as far as Go and its modules are at hand
	$(BIN)/python -m pytest tests/compat/go/check_go_clients.py $(PYTEST_ARGS)

screens: $(VENV)/dev.stamp ## the pictures of docs/screens, with Chromium
	@sh scripts/system-packages.sh
	$(BIN)/python -m pytest tests/browser/draw_screens.py $(PYTEST_ARGS)

lock: $(VENV)/dev.stamp ## requirements/*.txt from pyproject.toml (UPGRADE=--upgrade: newest versions)
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes \
		--requirement requirements/lock.txt
	$(UV_COMPILE) pyproject.toml --extra all --group build --group test --group check \
		--output-file requirements/dev.txt
	$(UV_COMPILE) pyproject.toml --extra all --group build --constraints requirements/dev.txt \
		--output-file requirements/demo.txt
	$(UV_COMPILE) pyproject.toml --constraints requirements/dev.txt --output-file requirements/base.txt
	$(UV_COMPILE) --group node --output-file requirements/node.txt
	$(UV_COMPILE) --group lock --output-file requirements/lock.txt

clean: ## remove what make made; data folders stay
	rm -rf $(VENV) dist mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find examples tests -type d -name node_modules -prune -exec rm -rf {} +
	find src tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/demo.stamp: requirements/demo.txt $(SETUP)
	@sh scripts/environment.sh requirements/demo.txt
	@touch $@

# The larger lock holds the smaller one: setting it up serves both.
$(VENV)/dev.stamp: requirements/dev.txt requirements/demo.txt $(SETUP)
	@sh scripts/environment.sh requirements/dev.txt
	@touch $(VENV)/demo.stamp $@
