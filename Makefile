# Everything works on a fresh clone with Python >= 3.11 and make. Try: make demo
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Compiling what it imports is nearly half of the work of a short process, and tests start hundreds: compiled
# files are kept, beside the environment, and also where the shell forbids them in the tree.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.venv/bytecode

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-parts test-calls test-long test-again faults soak coverage mutants check check-types check-form format bench bench-quick session-types k8s k8s-check k8s-pin clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## an environment in .venv, and the command gateway in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "gateway: Python 3.11 or newer is needed; say which with make PYTHON=..."; exit 64; }
	@echo "making .venv (about a minute)"
	@$(PYTHON) -m venv .venv
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
	  --constraint constraints.txt --editable '.[dev]'
	@touch $@
	@echo "made: $(BIN)/gateway (try: make demo)"

demo: $(READY) ## one whole call between simulated ends; leaves sound, picture and JSON in out/demo
	@$(BIN)/gateway simulate --spawn --scenario demo --out out/demo

run: $(READY) ## serve calls; simulated when no OPENAI_API_KEY is set
	@if [ -z "$$OPENAI_API_KEY" ] && [ -z "$$GATEWAY_SIMULATED" ]; then \
	  url="http://127.0.0.1:$${GATEWAY_PORT:-8080}"; \
	  token="$${GATEWAY_ADMIN_TOKEN:-$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(18))')}"; \
	  echo "OPENAI_API_KEY is not set: serving simulated calls."; \
	  call="$(BIN)/gateway simulate"; \
	  [ "$${GATEWAY_PORT:-8080}" = 8080 ] || call="$$call --url $$url"; \
	  echo "  a call           $$call (in another terminal)"; \
	  echo "  console          $$url/console, token of this run: $$token"; \
	  echo "  browser phone    the button Phone on the console makes a link"; \
	  GATEWAY_ADMIN_TOKEN="$$token" exec $(BIN)/gateway serve --simulated; \
	else exec $(BIN)/gateway serve; fi

test: $(READY) ## every test; those of k8s/ need promtool, prometheus and kubectl
	@$(BIN)/pytest --forks 5 --call-forks 5

test-parts: $(READY) ## every test but those of whole calls
	@$(BIN)/pytest --ignore=tests/e2e --forks 4

test-calls: $(READY) ## whole calls, which take the time that calls take
	@$(BIN)/pytest tests/e2e --forks 6

test-long: $(READY) ## what takes longer: each scenario on its other path, longer searches, a busy day
	@SEARCH_TIMES=10 $(BIN)/pytest -m "long or search" --ignore=tests/faults --forks 4 --call-forks 4

test-again: $(READY) ## what failed last, one by one
	@$(BIN)/pytest --last-failed --last-failed-no-failures=none

coverage: $(READY) ## coverage of each module, and which fell below its floor
	@mkdir -p out
	@$(BIN)/pytest --ignore=tests/e2e -n 2 --dist worksteal --cov --cov-report=json:out/coverage.json
	@$(BIN)/python tests/form/coverage_floor.py out/coverage.json

faults: $(READY) ## every fault with real processes, and what the caller heard: out/faults.txt
	@mkdir -p out && rm -f out/faults.txt
	@$(BIN)/pytest tests/faults -m "long or not long"
	@cat out/faults.txt

soak: $(READY) ## thirty calls for SOAK_MINUTES=20: memory, descriptors, tasks, threads; out/soak.png
	@$(BIN)/python tests/faults/soak.py --minutes $${SOAK_MINUTES:-20} --out out

mutants: $(READY) ## change the product at random and count what the tests notice (an hour)
	@$(BIN)/python tests/mutants/mutate.py --count $${MUTANTS:-100}

check: $(READY) ## format, lint, types, import contracts, form
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check-types check-form

check-types: $(READY)
	@$(BIN)/mypy

check-form: $(READY)
	@$(BIN)/lint-imports
	@$(BIN)/python tests/form/gates.py
	@$(BIN)/python tests/form/session_types.py --check
	@$(MAKE) --no-print-directory k8s-check

format: $(READY) ## put every file into shape
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(READY) ## what a call costs: out/bench.json, and tables; needs valgrind
	@PYTHONPATH=tests $(BIN)/python -m bench run --out out/bench.json

bench-quick: $(READY) ## instructions of a call beside tests/bench/baseline.json; needs valgrind
	@PYTHONPATH=tests $(BIN)/python -m bench quick

session-types: $(READY) ## write the session's types from the openai package
	@$(BIN)/python tests/form/session_types.py

k8s: $(READY) ## write alert rules and dashboards from k8s/generate
	@$(BIN)/python k8s/generate

k8s-check: $(READY) ## say which of those files is stale
	@$(BIN)/python k8s/generate --check

k8s-pin: $(READY) ## write digests of images into Dockerfile and OVERLAY=example; needs docker
	@$(BIN)/python k8s/generate/pin.py "$${OVERLAY:-example}"

clean: ## remove what was made
	@rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
