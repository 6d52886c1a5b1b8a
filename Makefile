# The two commands of the README are `make run` and `make test`; each does its own set-up.
# They need python3 (3.11 or newer) with venv, make, and a package index that pip can reach.

VENV := .venv
PY := $(VENV)/bin/python
# The compiled build lies in an environment of its own; the tree itself stays pure Python.
COMPILED := .venv-compiled
SETTINGS := setup.cfg pyproject.toml
RUN_READY := $(VENV)/.ready-run
TEST_READY := $(VENV)/.ready-test
COMPILED_READY := $(COMPILED)/.ready
SOURCES := $(shell find proxy plugins -name '*.py')

.DEFAULT_GOAL := help
.PHONY: help run test peers lint coverage compile bench bench-idle bench-micro clean

help:
	@echo "make run          start the demo: a SIP server, sipmend before it, three broken clients"
	@echo "make test         lint, types and all tests, with real SIP peers where they can be had"
	@echo "make lint         ruff and mypy only"
	@echo "make coverage     the tests that need no peers, with branch coverage"
	@echo "make compile      the compiled build, in $(COMPILED): same behaviour, less CPU per message"
	@echo "make bench        calls per second and CPU per call, beside Kamailio in the same run"
	@echo "make bench-idle   10,000 idle WebSocket clients: memory for each, keep-alives, 1,000 cut off at once"
	@echo "make bench-micro  what one message costs in the pure core"
	@echo "make clean        remove the environment and everything generated"

run: $(RUN_READY)
	$(VENV)/bin/sipmend demo

test: $(TEST_READY) peers
	scripts/test.sh $(VENV) $(COMPILED)

coverage: $(TEST_READY)
	$(VENV)/bin/coverage erase
	$(VENV)/bin/coverage run -m pytest -m "not interop"
	$(VENV)/bin/coverage report

lint: $(TEST_READY)
	scripts/lint.sh $(VENV)

# The programs the tests talk to. Never fails: what cannot be installed is named, and its tests skip.
peers:
	scripts/install-peers.sh
	scripts/install-browser-tests.sh

compile: $(COMPILED_READY)

# With a third column for the compiled build, where that can be made.
bench: $(TEST_READY) peers
	-@scripts/can-compile.sh $(PY) && $(MAKE) --no-print-directory compile
	$(PY) bench/compare.py --compiled $(COMPILED)

bench-idle: $(TEST_READY)
	$(PY) bench/idle.py
	$(PY) bench/idle.py --clients 2000 --tls --most 60

bench-micro: $(TEST_READY)
	$(PY) bench/micro.py
	@[ ! -e $(COMPILED_READY) ] || { $(MAKE) --no-print-directory compile && $(COMPILED)/bin/python bench/micro.py; }

# A stamp is newer than the settings it was made from, so a changed dependency is installed by the next make.
$(RUN_READY): $(SETTINGS)
	scripts/make-venv.sh $(VENV) .
	@touch $@

$(TEST_READY): $(SETTINGS)
	scripts/make-venv.sh $(VENV) '.[test]'
	@touch $(RUN_READY) $@

$(COMPILED_READY): $(SOURCES) $(SETTINGS) setup.py scripts/build_backend.py | $(TEST_READY)
	scripts/make-compiled.sh $(COMPILED) $(PY)
	@touch $@

clean:
	rm -rf $(VENV) $(COMPILED) .tox build dist *.egg-info work htmlcov .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis tests/interop/browser/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
