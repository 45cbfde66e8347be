# Two commands for a fresh machine: `make demo` and `make test`. Everything they need is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types unit test-slow test-browser test-timm test-torchvision test-keras test-openvino timm-families odd counts probes reference install clean

demo: $(VENV)/.installed
	$(BIN)/convlens demo

test: lint types unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check src tests benchmarks tools docs/*.py
	$(BIN)/ruff format --check src tests benchmarks tools docs/*.py
	$(BIN)/oxlint --deny-warnings src/convlens/report/templates
	$(BIN)/oxfmt --check src/convlens/report/templates
	$(BIN)/codespell src tests docs benchmarks tools README.md Makefile pyproject.toml

types: $(VENV)/.installed-dev
	$(BIN)/mypy

# A file of tests stays in one process: its fixtures are made once.
unit: $(VENV)/.installed-dev
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-slow: $(VENV)/.installed-dev
	$(BIN)/pytest -m slow

# Pages in headless Chromium; Debian and Ubuntu have it as the package `chromium`.
test-browser: $(VENV)/.installed-dev
	@command -v chromium chromium-browser google-chrome > /dev/null || \
		{ echo "no Chromium on this machine; on Debian: apt-get install chromium" >&2; exit 2; }
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[browser]'
	$(BIN)/pytest -m browser tests

# timm asks for torchvision, which does not import beside a CPU build of torch: it is installed without its requirements
# into a folder of its own, and finds a stand-in with the few names that it imports.
TIMM := $(VENV)/timm
WITH_TIMM := PYTHONPATH=$(TIMM):tests/timm/stand_in

test-timm: $(TIMM)/.installed
	$(WITH_TIMM) $(BIN)/pytest -m timm tests/timm

# Which of timm's families work, and why others do not; takes some minutes.
timm-families: $(TIMM)/.installed
	$(WITH_TIMM) $(BIN)/python benchmarks/timm_families.py

$(TIMM)/.installed: $(VENV)/.installed-dev constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --no-deps --upgrade \
		--target $(TIMM) timm huggingface_hub pyyaml tqdm hf-xet click
	@touch $@

# torchvision's networks, all of Python: its operators in C++ do not load beside a CPU build of torch, and are left out.
TORCHVISION := $(VENV)/torchvision

test-torchvision: $(TORCHVISION)/.installed
	PYTHONPATH=$(TORCHVISION) $(BIN)/pytest -m torchvision tests/torchvision

$(TORCHVISION)/.installed: $(VENV)/.installed-dev constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --no-deps --upgrade \
		--target $(TORCHVISION) torchvision
	@touch $@

# Weights that Keras itself writes, and what it answers with them; it runs on torch.
KERAS := $(VENV)/keras

test-keras: $(KERAS)/.installed
	KERAS_BACKEND=torch PYTHONPATH=$(KERAS) $(BIN)/pytest -m keras tests/keras

$(KERAS)/.installed: $(VENV)/.installed-dev constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --no-deps --upgrade \
		--target $(KERAS) keras absl-py ml_dtypes namex optree packaging
	@touch $@

# Models in OpenVINO, which is large and needed by nothing else.
OPENVINO := $(VENV)/openvino

test-openvino: $(OPENVINO)/.installed
	PYTHONPATH=$(OPENVINO) $(BIN)/pytest -m openvino tests/openvino

$(OPENVINO)/.installed: $(VENV)/.installed-dev constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --no-deps --upgrade \
		--target $(OPENVINO) openvino openvino-telemetry
	@touch $@

# The zoo's table of parameters, multiply-adds and receptive fields, from the captured graphs; takes some minutes.
counts: $(VENV)/.installed
	$(BIN)/python -m convlens.tasks.zoo > counts.tmp && mv counts.tmp src/convlens/zoo/counts.tsv

# What networks with published weights answer to a fixed input, for those sets that are on this machine.
probes: $(VENV)/.installed-dev
	$(BIN)/python docs/make_probes.py > probes.tmp && mv probes.tmp src/convlens/zoo/probes.tsv

# What people bring, as it really is: one line for each input, met or refused with its sentence.
odd: $(VENV)/.installed-dev
	PYTHONPATH=. $(BIN)/python tools/odd_inputs.py

# docs/cli.md and docs/options.md, from the program and the recipe.
reference: $(VENV)/.installed
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_studies.py

install: $(VENV)/.installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "convlens needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make PYTHON=python3.12 demo" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
