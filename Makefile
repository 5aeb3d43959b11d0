# Everything happens inside this folder: tools in .tools, packages in .venv, data and caches in .run.
PYTHON ?= python3
export TMPDIR := $(CURDIR)/.run/tmp
export PYTHONPYCACHEPREFIX := $(CURDIR)/.tools/bytecode
unexport PYTHONDONTWRITEBYTECODE
export UV_PYTHON_DOWNLOADS := never
export UV_CACHE_DIR := $(CURDIR)/.tools/cache
export UV_LINK_MODE := hardlink
RUN := .venv/bin
READY := .venv/.siaga-ready
$(shell mkdir -p .run/tmp)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench faults migration fmt clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 19

demo: $(READY) ## a whole crisis, from the register to the minister's answer sheet; stays up until Ctrl-C
	@exec $(RUN)/siaga demo $(ARGS)

test: $(READY) ## every test, on real servers (ARGS="tests/reports -x" for some of them)
	@exec $(RUN)/pytest -n 2 --dist worksteal $(ARGS)

check: $(READY) ## style, types, imports, migrations
	@$(RUN)/ruff check alerts workers tests && $(RUN)/mypy
	@$(RUN)/lint-imports --cache-dir .run/cache/imports --no-logo
	@exec $(RUN)/python -m tests.support.migrations check

bench: $(READY) ## measured against the limit and the naive way (ARGS=fanout for one path)
	@exec $(RUN)/siaga bench $(or $(ARGS),all) --json

faults: $(READY) ## servers and workers killed, frozen and flushed: the long runs (FAULTS_SEED=n repeats one)
	@exec $(RUN)/pytest -m "long or breaks_servers" -s -o faulthandler_timeout=3600 $(ARGS)

migration: $(READY) ## a new migration from the models: make migration NAME=add_flights
	@exec $(RUN)/python -m tests.support.migrations new "$(NAME)"

fmt: $(READY) ## let ruff format and fix what it can
	@$(RUN)/ruff check --fix --quiet alerts workers tests; $(RUN)/ruff format alerts workers tests

clean: ## delete all that make made here
	rm -rf .venv .tools .run

.tools/bin/uv:
	@$(PYTHON) -B .ci/preflight.py && PIP_USER=0 $(PYTHON) -B -m pip install --quiet --no-cache-dir --disable-pip-version-check \
	  --root-user-action=ignore --upgrade --target .tools uv==0.13.9

$(READY): .tools/bin/uv pyproject.toml uv.lock
	@$(PYTHON) -B .ci/preflight.py && .tools/bin/uv sync --frozen --quiet --python "$$($(PYTHON) -B -c 'import sys; print(sys.executable)')"
	@touch $@
