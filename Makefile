# `make demo` and `make test` do all set-up themselves; CONTRIBUTING.md has the same in plain pip commands.
#
# Variables: VENV (.venv), PYTHON (found), QT (pyqt6 or pyside6), DEMO (folder of the demo's results),
#            FUZZ_SECONDS (of `make torture`, for each reader),
#            NAPARI_DDMD_DATA (../shared/data; folder that holds `brats/`, for the tests on real cases; skipped
#            without it).

SHELL := /bin/bash
VENV ?= .venv
QT ?= pyqt6
DEMO ?= demo
FUZZ_SECONDS ?= 45
NAPARI_DDMD_DATA ?= ../shared/data
PYTHON ?=
_FOLDER = CDPATH= cd -- "$(NAPARI_DDMD_DATA)" 2>/dev/null && pwd || echo "$(NAPARI_DDMD_DATA)"
override NAPARI_DDMD_DATA := $(if $(NAPARI_DDMD_DATA),$(shell $(_FOLDER)))
export NAPARI_DDMD_DATA PYTHON
BIN = $(VENV)/bin

.PHONY: help setup demo test lint format typecheck pytest audit torture clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       segment a synthetic case with the bundled model and leave a picture in $(DEMO)/"
	@echo "make test       style, types, and all tests but the long ones of faults"
	@echo "make torture    injects every fault that the tests know, and counts what was survived"
	@echo "make audit      looks for known faults in the packages that are installed (needs the network)"
	@echo "make lint | format | typecheck | pytest | clean"

setup:
	@scripts/setup.sh $(VENV) $(QT),dev

demo:
	@scripts/setup.sh $(VENV) $(QT) --windows-optional
	$(BIN)/python -m napari_ddmd demo --headless --out $(DEMO)
	@echo "The picture and all files are in $(abspath $(DEMO))"
	@if [ -t 1 ] && [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then $(BIN)/python -m napari_ddmd view $(DEMO)/sample-case; fi

test: lint typecheck pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit -q -c pyproject.toml -r napari_ddmd src_training benchmarks docs

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: setup
	$(BIN)/mypy

# Several tests at once, each of which computes in one thread. Compiled modules are kept, whatever the shell says: each
# of the processes that tests start would compile all of them again.
pytest: setup
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n auto --maxprocesses 4

audit: setup
	@scripts/audit.sh $(VENV)

torture: setup
	$(BIN)/bandit -q -c pyproject.toml -r napari_ddmd src_training benchmarks docs
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[fuzz]"
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n auto --maxprocesses 4 -m "fault or torture"
	@OMP_NUM_THREADS=1 $(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) --where-it-can

clean:
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
