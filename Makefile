# Two commands: `make demo` runs the main job, `make test` runs the tests. Both set up .venv first.
# `make test-all` adds the slow tests; `make test-oldest` runs each quick test of a room once, on the
# oldest versions; `make mutants` tests the tests of theory, `make mutants ROOM=scaling EVERY=3`
# those of another room with a third of its mutants. `make test-models` runs what needs torch and
# transformers. `make ahead-of-time` compiles every kernel for accelerators that are not here: after a
# change of kernels, some minutes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
WORKERS ?= 3
INSTALLED := $(VENV)/.installed
ROOM ?= theory
EVERY ?= 1

# Workers take parts of the tests, so that what one module prepares is prepared once, and then steal.
# Three on 2 cores: tests that start, kill and await processes leave a fifth of the cores idle; those of
# the oldest versions leave none.
TESTS = -m pytest -n $(WORKERS) --dist worksteal --durations 15
# On the oldest versions: each quick test of a room, with its first parameters. Pages, sizes, notebooks
# and benchmarks are held by the newest ones alone.
OF_ROOMS := $(filter-out tests/benchmarks/,$(sort $(dir $(wildcard tests/*/test_*.py))))
OLDEST := .venv-oldest
# torch is large and its newest build may need a GPU's libraries: a small venv with a pinned one.
MODELS := .venv-models
# Compilers of accelerators are plugins of JAX, which a venv for running must not have.
AHEAD := .venv-ahead-of-time

.PHONY: demo test test-slow test-all test-oldest test-models mutants bench ahead-of-time coverage notebooks docs \
	expected-divergence phase-diagram shared-balance lint install install-oldest install-models clean

demo: install
	$(BIN)/tokenspace sweep sweeps/demo.toml --out $(OUT)/results
	$(BIN)/tokenspace check $(OUT)/results
	$(BIN)/tokenspace fit
	$(BIN)/tokenspace figures --results $(OUT)/results --out $(OUT)/figures
	$(BIN)/tokenspace report $(OUT)/results --out $(OUT)/report.html
	@echo "results: $(OUT)/results   figures: $(OUT)/figures   report: $(OUT)/report.html   (open the report first)"

test: install
	$(BIN)/python $(TESTS) -m "not slow"

test-slow: install
	$(BIN)/python $(TESTS) -m slow

test-all: install
	$(BIN)/python $(TESTS)

test-oldest: WORKERS = 2
test-oldest: install-oldest
	$(OLDEST)/bin/python $(TESTS) -m "not slow and not once" --first-case $(OF_ROOMS)

test-models: install-models
	$(MODELS)/bin/python -m pytest --durations 5 tests/tokens/collect

mutants: $(VENV)/.mutants
	$(BIN)/python tests/mutants.py $(ROOM) --every $(EVERY) --workers $(WORKERS)

bench: install
	$(BIN)/tokenspace bench

ahead-of-time: $(AHEAD)/.installed
	$(AHEAD)/bin/python -m tokenspace_benchmarks.ahead_of_time
	$(AHEAD)/bin/python -m tokenspace_benchmarks.table README.md
	JAX_PLATFORMS=cpu $(AHEAD)/bin/python -m pytest tests/benchmarks/test_ahead_of_time.py \
		tests/benchmarks/test_compiling.py tests/kernels/test_compiled.py

coverage: install
	$(BIN)/tokenspace coverage --out docs/coverage.csv

notebooks: install
	$(BIN)/python notebooks/build.py

docs: install
	$(BIN)/pdoc --docformat google --output-directory docs/api tokenspace

expected-divergence: install
	$(BIN)/python docs/expected_divergence.py $(OUT)/expected_divergence

phase-diagram: install
	$(BIN)/tokenspace sweep sweeps/phase_diagram.toml --out $(OUT)/phase_diagram
	$(BIN)/tokenspace figures --results $(OUT)/phase_diagram --out $(OUT)/phase_diagram \
		--figure phase_diagram --x psi_cross --y psi_within
	cp $(OUT)/phase_diagram/phase_diagram.png docs/

shared-balance: install
	$(BIN)/python docs/shared_balance.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(INSTALLED)

install-oldest: $(OLDEST)/.installed

install-models: $(MODELS)/.installed

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

$(VENV)/.mutants: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	touch $@

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e '.[dev]'
	touch $@

$(MODELS)/.installed: pyproject.toml constraints.txt constraints-models.txt
	test -x $(MODELS)/bin/python || $(PYTHON) -m venv $(MODELS)
	$(MODELS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-c constraints-models.txt -e '.[models]' hypothesis pytest
	touch $@

$(AHEAD)/.installed: pyproject.toml constraints.txt constraints-ahead-of-time.txt
	test -x $(AHEAD)/bin/python || $(PYTHON) -m venv $(AHEAD)
	$(AHEAD)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-c constraints-ahead-of-time.txt -e '.[dev,ahead-of-time]'
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) $(MODELS) $(AHEAD) build demo *.egg-info
