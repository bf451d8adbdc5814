# make run    set up, run the whole pipeline on the embedded profile, end with a table and a report
# make test   all that must hold          make quick  the fast tests only
# make bench  ratios measured in one run  make lint   what pre-commit and CI check
VENV := .venv
BIN := $(VENV)/bin
PROFILE ?= shell
PYTHON ?= python3
export HF_HUB_OFFLINE ?= 1

.PHONY: run setup test quick bench lint clean

run: setup
	$(BIN)/python -m flows.full_pipeline --profile $(PROFILE) $(ARGS)

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m storm.training.warm_up_deepspeed
	touch $@

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

quick: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow' $(ARGS)

bench: setup
	$(BIN)/python -m tests.bench

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) artifacts/[a-z]*/
