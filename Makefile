# The two commands of the README are `make demo` and `make test`. They need python3 (3.10 to 3.13) with pip or
# venv, make and a package index; no root, no Redis, no Docker, no Java.
SHELL := /bin/sh
PY ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
say := printf '\033[1m==>\033[0m %s\n'
ifdef NO_COLOR
say := printf '==> %s\n'
endif
# uv does not compile byte code by itself, and without it `import feast` takes twice as long in every process.
install = $(BIN)/python -m uv pip install --python $(BIN)/python --compile-bytecode
beside = $(BIN)/python -m uv pip install --python $(VENV)-bench/bin/python --compile-bytecode

.DEFAULT_GOAL := help
.PHONY: help demo demo-spark test slow bench bench-redis bench-spark bench-gate bench-report bench-calibrate coverage zoo lint format types docs check lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.demo  ## the story on real flights and a real Redis-compatible server
	@$(BIN)/feast-skew demo

demo-spark: $(VENV)/.dev  ## the same story on Feast's Spark store, through spark-submit; Java comes along
	@$(BIN)/feast-skew demo --engine spark

test: $(VENV)/.dev  ## the tests, without the slow ones
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q

slow: $(VENV)/.dev  ## only the slow tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -q -m slow || [ $$? = 5 ]  # 5: there is none

bench: $(VENV)-bench/.made  ## the measurements of statistics, one after another
	@$(VENV)-bench/bin/python benchmarks/throughput.py

bench-redis: $(VENV)-bench/.redis  ## the measurements of docs/benchmarks.md; WRITE=--write fills them in
	@$(VENV)-bench/bin/python benchmarks/online_read.py $(WRITE)
	@$(VENV)-bench/bin/python benchmarks/latency.py $(WRITE)
	@$(VENV)-bench/bin/python benchmarks/validate.py $(WRITE)

bench-spark: $(VENV)/.dev  ## the engine on Spark beside that of one process; WRITE=--write as above
	@$(BIN)/python benchmarks/spark.py $(WRITE)

bench-gate: $(VENV)/.dev  ## plan and lint: edits that are caught, and how long they take; WRITE=--write as above
	@$(BIN)/python benchmarks/plan_edits.py $(WRITE)
	@$(BIN)/python benchmarks/plan.py $(WRITE)
	@$(BIN)/python benchmarks/lint.py

bench-report: $(VENV)/.dev  ## size of the HTML report and when it can be used, in Chromium; WRITE=--write as above
	@$(BIN)/python benchmarks/report.py $(WRITE)

bench-calibrate: $(VENV)/.dev  ## limits of calibrate on nights that they have not seen, on real flights; WRITE=--write as above
	@$(BIN)/python benchmarks/calibrate.py $(WRITE)

coverage: $(VENV)/.dev  ## whether tests and bounds keep their promises, by simulation
	@$(BIN)/python benchmarks/coverage.py --write

zoo: $(VENV)/.dev  ## which causes are found and named, on real flights; WRITE=--write puts the tables into docs/zoo.md
	@$(BIN)/python benchmarks/zoo.py $(WRITE)

lint: $(VENV)/.dev  ## style, and whether the code is formatted
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.dev  ## format the code and repair what can be repaired
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

types: $(VENV)/.dev  ## strict typing
	@$(BIN)/mypy

docs: $(VENV)/.dev  ## whether README and docs name only what exists
	@$(BIN)/python -m pytest -q tests/architecture/test_docs.py

check: lint types test  ## everything that has to pass before a change lands

lock: $(VENV)/.dev  ## resolve the locked versions again
	@$(say) "resolving requirements*.lock for Python 3.10 to 3.13"
	@set -e; lock() { out=$$1; shift; $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.10 --no-emit-index-url \
	    --custom-compile-command "make lock" pyproject.toml -o $$out "$$@"; }; \
	lock requirements.lock --extra demo; \
	lock requirements-dev.lock --extra dev -c requirements.lock

clean:  ## remove the environment and all that was made
	@rm -rf $(VENV) $(VENV)-bench $(VENV)-tfdv $(TOOLS) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	@rm -rf feature_repo/data/features feature_repo/data/registry.db
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian has a python3 whose venv lacks pip; there uv, put beside the environment, makes it.
$(VENV)/.made:
	@$(PY) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' || \
	    { echo "feast-skew needs Python 3.10 to 3.13; name one by: make PY=python3.12" >&2; exit 2; }
	@$(say) "making the environment $(VENV) (1 of 3)"
	@rm -rf $(VENV)
	@$(PY) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV) $(TOOLS); \
	    $(PY) -m pip install -q --disable-pip-version-check --target $(TOOLS) uv && \
	    PYTHONPATH=$(TOOLS) $(PY) -m uv venv -q --seed -p "$$($(PY) -c 'import sys; print(sys.executable)')" $(VENV); }
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@touch $@

$(VENV)/.demo: $(VENV)/.made requirements.lock pyproject.toml
	@$(say) "installing Feast, Arrow and a Valkey server (2 of 3; about 150 MB the first time)"
	@$(install) -r requirements.lock
	@$(say) "installing feast-skew itself (3 of 3)"
	@$(install) -q --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.demo requirements-dev.lock
	@$(say) "installing what the tests and checks need, Spark and a JDK included (about 600 MB the first time)"
	@$(install) -r requirements-dev.lock
	@touch $@

$(VENV)-bench/.made: $(VENV)/.made requirements.lock benchmarks/requirements.txt pyproject.toml
	@$(say) "installing the peers of benchmarks/requirements.txt beside"
	@$(BIN)/python -m uv venv -q --clear -p $(BIN)/python $(VENV)-bench
	@$(beside) -q -r requirements.lock -r benchmarks/requirements.txt
	@$(beside) -q --no-deps -e .
	@touch $@

# GLIDE has no wheel for some machines, TFDV none for some versions of Python; the measurements say which they had to skip.
$(VENV)-bench/.redis: $(VENV)-bench/.made
	@$(say) "installing GLIDE, and TFDV into an environment of its own (about 2 GB)"
	@$(beside) -q -c requirements.lock 'feast[redis,glide]' || $(say) "GLIDE cannot be installed here: it is skipped"
	@$(BIN)/python -m uv venv -q --clear -p $(BIN)/python $(VENV)-tfdv
	@$(BIN)/python -m uv pip install -q --python $(VENV)-tfdv/bin/python -r benchmarks/requirements-tfdv.txt || \
	    { rm -rf $(VENV)-tfdv; $(say) "TFDV cannot be installed here: it is skipped"; }
	@touch $@
