# The two commands of the README are `make run` and `make test`; each does its own set-up.
# They need python3 (3.11 or newer) with venv, make, and a package index that pip can reach.

VENV := .venv
PY := $(VENV)/bin/python
SETTINGS := setup.cfg pyproject.toml
RUN_READY := $(VENV)/.ready-run
TEST_READY := $(VENV)/.ready-test

.DEFAULT_GOAL := help
.PHONY: help run test peers lint bench bench-micro clean

help:
	@echo "make run          start the demo: a SIP server, sipmend before it, three broken clients"
	@echo "make test         lint, types and all tests, with real SIP peers where they can be had"
	@echo "make lint         ruff and mypy only"
	@echo "make bench        calls per second and CPU per call, beside Kamailio in the same run"
	@echo "make bench-micro  what one message costs in the pure core"
	@echo "make clean        remove the environment and everything generated"

run: $(RUN_READY)
	$(VENV)/bin/sipmend demo

test: $(TEST_READY) peers
	scripts/test.sh $(VENV)

lint: $(TEST_READY)
	scripts/lint.sh $(VENV)

# The programs the tests talk to. Never fails: what cannot be installed is named, and its tests skip.
peers:
	scripts/install-peers.sh

bench: $(TEST_READY) peers
	$(PY) bench/compare.py

bench-micro: $(TEST_READY)
	$(PY) bench/micro.py

# A stamp is newer than the settings it was made from, so a changed dependency is installed by the next make.
$(RUN_READY): $(SETTINGS)
	scripts/make-venv.sh $(VENV) .
	@touch $@

$(TEST_READY): $(SETTINGS)
	scripts/make-venv.sh $(VENV) '.[test]'
	@touch $(RUN_READY) $@

clean:
	rm -rf $(VENV) .tox build dist *.egg-info work htmlcov .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
