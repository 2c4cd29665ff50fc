# Two commands do everything on a fresh machine: `make paper` and `make test`.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install paper test soak chaos check bench lint types locks clean

VENV := .venv
PY := $(VENV)/bin/python
RUN ?=

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.trading  ## make .venv with everything that trading, training and backtests need

paper: $(VENV)/.trading  ## trade the simulated MT5 terminal live, no account needed (RUN="--speed 60 …")
	@$(PY) trading.py --paper $(RUN)

test: $(VENV)/.development  ## all tests but the long ones (under 10 minutes)
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(RUN)

soak: $(VENV)/.development  ## the long tests
	@$(PY) -m pytest -m soak $(RUN)

chaos: $(VENV)/.development  ## 30 simulated days under faults at 20 times the field rate (RUN="--days 2 …")
	@$(PY) scripts/chaos.py $(RUN)

check: $(VENV)/.development  ## what CI runs: lint, types, tests
	@$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(VENV)/.development  ## speed, beside its peers, as JSON lines
	@$(PY) benchmarks/run.py $(RUN)

locks:  ## resolve requirements*.in into pinned, hashed requirements*.txt (needs uv)
	@for name in requirements requirements-train requirements-gpu requirements-dev \
	    benchmarks/requirements-{backtesting,vectorbt,nautilus,freqtrade}; do
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --custom-compile-command "make locks" $$name.in -o $$name.txt
	done
	uv pip compile -q --python-platform windows --python-version 3.12 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make locks" deploy/requirements-bridge.in -o deploy/requirements-bridge.txt

clean:  ## remove the environment, caches and reports; state, models and settings stay
	@rm -rf $(VENV) .kernels benchmarks/.venv .pytest_cache .mypy_cache .ruff_cache .hypothesis reports
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.trading: requirements-train.txt
	@scripts/make_venv.sh $(VENV) requirements-train.txt
	touch $@

$(VENV)/.development: requirements-dev.txt
	@scripts/make_venv.sh $(VENV) requirements-dev.txt
	touch $@ $(VENV)/.trading
