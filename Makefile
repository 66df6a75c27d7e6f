# Two commands: `make demo` runs the main job, `make test` runs the tests. Both set up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
WORKERS ?= 2
INSTALLED := $(VENV)/.installed

.PHONY: demo test bench notebooks docs lint install clean

demo: install
	$(BIN)/tokenspace sweep sweeps/demo.toml --out $(OUT)/results
	$(BIN)/tokenspace check $(OUT)/results
	$(BIN)/tokenspace fit
	$(BIN)/tokenspace figures --results $(OUT)/results --out $(OUT)/figures
	$(BIN)/tokenspace report $(OUT)/results --out $(OUT)/report.html
	@echo "results: $(OUT)/results   figures: $(OUT)/figures   report: $(OUT)/report.html   (open the report first)"

test: install
	$(BIN)/python -m pytest -n $(WORKERS)

bench: install
	$(BIN)/tokenspace bench

notebooks: install
	$(BIN)/python notebooks/build.py

docs: install
	$(BIN)/pdoc --docformat google --output-directory docs/api tokenspace

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build demo *.egg-info
