# make run          set up, run the whole pipeline on the profile `shell`, end with a table and a report
# make quick        unit tests             make test    unit and integration tests: what CI runs
# make long         trainings, kill loops  make lint    what pre-commit and CI check
# make bench        ratios of one run      make docs    the site, into site/
# make study        more arms, 3 seeds            make base    makes the shell game's base again
# make experiments  hours of CPU: what garbled scripts cost
VENV := .venv
BIN := $(VENV)/bin
PROFILE ?= shell
PYTHON ?= python3
WORKERS ?= auto
PACKAGES := --quiet --constraint constraints.txt --editable ".[dev]"
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
export HF_HUB_OFFLINE ?= 1

.PHONY: run study base setup quick test long experiments bench docs lint clean

run: setup
	$(BIN)/python -m flows.full_pipeline --profile $(PROFILE) $(ARGS)

study: setup
	$(BIN)/storm study --profile $(PROFILE) $(ARGS)

base: setup
	$(BIN)/python -m tests.experiments.ship_base $(ARGS)

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv \
		&& $(BIN)/uv pip install --python $(BIN)/python $(PACKAGES) \
		|| $(BIN)/python -m pip install $(PACKAGES)
	touch $@

quick: setup
	$(PYTEST) -m 'not integration and not long' $(ARGS)

test: setup
	$(PYTEST) -m 'not long' $(ARGS)

long: setup
	$(PYTEST) -m long $(ARGS)

experiments: setup
	$(BIN)/python -m tests.experiments.garbled_scripts $(ARGS)

bench: setup
	$(BIN)/python -m tests.bench $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict $(ARGS)

clean:
	rm -rf $(VENV) site artifacts/[a-z]*/
