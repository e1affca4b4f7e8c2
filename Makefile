# Every verb sets up what it needs first; a second run of the same verb starts at once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-all eval chaos check format lock setup clean

# Some systems switch bytecode off for all of Python; imports then cost 6 s instead of 3 s each time. Empty is as good as unset.
export PYTHONDONTWRITEBYTECODE :=
# PYTHON=python3.12 chooses the interpreter; deploy/find-python chooses else.
export PYTHON

BIN := .venv/bin
# $(call ready,run dev) brings .venv to the state of these locks, or does nothing.
ready = python="$$(deploy/find-python)" && "$$python" deploy/setup.py $(1)
# $(call timed,name,command) names what runs and says how long it took; a failure is remembered, and the rest still runs.
timed = echo "== $(1)"; time $(2) || failed="$$failed, $(1)"

help:  ## say what the verbs are
	@sed -nE 's/^([a-z-]+):.*##[[:space:]]*(.*)/\1|\2/p' Makefile | while IFS='|' read -r verb does; do printf 'make %-10s %s\n' "$$verb" "$$does"; done

demo:  ## answer three questions over real data and documents with real parts, one approval on the way
	@$(call ready,run)
	@$(BIN)/motet demo

test:  ## every test that needs no other engine, no weights and no patience; the rules of the house are in `make check`
	@$(call ready,dev)
	@$(BIN)/python -m pytest -n auto -m "not all" --ignore tests/test_house.py

test-all:  ## every test there is; ends with what could not be run here, and why
	@$(call ready,run dev peers)
	@$(BIN)/python -m pytest -n auto --timeout 900

eval:  ## try eight of the crew's own examples with the model, score the published run again, and write the report of both
	@$(call ready,run)
	@$(BIN)/python -m benchmarks.crew_evaluation

MINUTES := 20
chaos:  ## kill, freeze and starve a fleet at random for 20 minutes (MINUTES=, ARGS="--seed N --json") and check what is left
	@$(call ready,dev)
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(ARGS)

check:  ## lint, format, layers, types, sizes and the other rules of the house
	@$(call ready,dev)
	@TIMEFORMAT='   %1R s'; failed=''; \
	$(call timed,ruff check,$(BIN)/ruff check --quiet .); \
	$(call timed,ruff format,$(BIN)/ruff format --quiet --check .); \
	$(call timed,lint-imports,$(BIN)/lint-imports --no-logo); \
	$(call timed,pyright,$(BIN)/pyright); \
	$(call timed,house rules,$(BIN)/python -m pytest -q tests/test_house.py); \
	if [ -n "$$failed" ]; then echo "failed: $${failed#, }"; exit 1; fi

format:  ## let ruff mend what it can
	@$(call ready,dev)
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

LOCK = build/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11

lock:  ## resolve both locks anew: what they pin is kept while pyproject.toml allows it (UPGRADE=--upgrade renews all)
	@$(call ready,dev)
	@test -x build/uv/bin/uv || { $(BIN)/python -m venv --without-pip build/uv && \
	    $(BIN)/python -m pip --python build/uv/bin/python install --quiet uv; }
	$(LOCK) $(UPGRADE) --extra local --extra aes --group build -o requirements.lock pyproject.toml
	$(LOCK) $(UPGRADE) --extra local --extra aes --group build --group test --group check -o requirements-dev.lock pyproject.toml
	$(LOCK) $(UPGRADE) --extra local --extra aes --group build --group test --group check --group peers -o requirements-peers.lock pyproject.toml

setup:  ## only set up: the environment for every verb, so that the rest can run without a network
	@$(call ready,run dev)

clean:  ## remove the environment and everything made; what was fetched stays in pip's cache
	rm -rf .venv .venv-discarded build dist src/*.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
