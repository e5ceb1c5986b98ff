# `make demo`, `make test` and `make tables` set up everything they need in .venv; nothing is installed outside this folder.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all test-lowest tables ranking tables-avmnist tables-image-text lint clean

demo: $(READY)
	$(BIN)/simmlm demo demo

# One process per core, each with one thread. Make it COVERAGE="--cov" to see which lines no test runs; it takes a third longer.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto
COVERAGE ?=
FAST := not slow and not gpu and not server and not browser
test: $(READY) lint
	$(PYTEST) -m "$(FAST)" $(COVERAGE)

# A file of tests stays in one process: its fixtures are expensive. What is not installed is skipped, see CONTRIBUTING.md.
test-all: $(READY) lint
	$(PYTEST) --dist loadfile -m "not gpu" $(COVERAGE)

# The tests of `make test` with the lowest versions that pyproject.toml declares. What two packages of different age deprecate
# in each other is no concern of this project, the versions of constraints.txt are not there, and NumPy 1 rounds an interval
# differently in its last digit. On Linux this torch brings its CUDA packages, 7 GB: TORCH=2.13.0 takes that one. SUITE names folders of tests.
LOWEST := .venv-lowest
SUITE ?=
TORCH ?=
UNFIT := pinned_packages_can_be_installed or interval_of_its_own_report
test-lowest: $(LOWEST)/.ready
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n auto -m "$(FAST)" -k "not ($(UNFIT))" \
	  -W ignore::DeprecationWarning -W ignore::SyntaxWarning $(SUITE)

# Trains SimMLM, its ablations and its peers, and writes docs/results.md; on a GPU: make tables SIZE=gpu.
SIZE ?= cpu
tables: $(READY)
	$(BIN)/python -m tests.benchmarks.tables --size $(SIZE)

# What makes more modalities help; writes docs/results_ranking.md from the same cases and experts.
ranking: $(READY)
	$(BIN)/python -m tests.benchmarks.ranking --size $(SIZE)

# The same for tasks of classes: AVMNIST is the file of `simmlm prepare avmnist`, EMOJI a folder or emoji.npz; without one the
# cases are drawn, and the page goes to .work.
AVMNIST ?=
EMOJI ?=
CLASS_TABLES := OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.class_tables
tables-avmnist: $(READY)
	$(CLASS_TABLES) avmnist $(if $(AVMNIST),--data $(AVMNIST))

tables-image-text: $(READY)
	$(CLASS_TABLES) image_text $(if $(EMOJI),--data $(EMOJI))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch comes first and alone: asked for by another package, pip would take the newest build with its CUDA packages.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(LOWEST)/.ready: pyproject.toml constraints.txt .ci/lowest_versions.py
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) .ci/lowest_versions.py $(TORCH) > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --no-compile --constraint $(LOWEST)/constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .venv-lowest* .labelserver .ohif .axe .mnist demo .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
