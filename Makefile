# kefu: every command of the project. `make` prints this help.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH := 2.13.0
export TOKENIZERS_PARALLELISM = false
export HF_HUB_DISABLE_TELEMETRY = 1
export BENTOML_DO_NOT_TRACK = True
export MLFLOW_DISABLE_TELEMETRY = true

.DEFAULT_GOAL := help
.PHONY: help install run train serve test behaviour lint audit format types bench bench-load openapi clients faults clean

help: ## Print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: install ## Install, train on the shipped data if need be, and serve the bot at http://127.0.0.1:3000
	$(BIN)/python -m pipelines all
	$(BIN)/python -m serving

install: $(INSTALLED) ## Make the virtual environment with everything in it

# The CPU build of torch: a local file or mirror that pip knows, else PyTorch's own index, else whatever PyPI gives.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -c "import torch" 2>/dev/null \
	  || $(BIN)/pip install --quiet "torch==$(TORCH)+cpu" 2>/dev/null \
	  || $(BIN)/pip install --quiet "torch==$(TORCH)" --index-url https://download.pytorch.org/whl/cpu \
	  || $(BIN)/pip install --quiet "torch==$(TORCH)"
	$(BIN)/pip install --quiet --constraint constraints.txt ".[dev]"
	@rm -rf build kefu.egg-info
	@touch $(INSTALLED)

train: install ## Run all jobs, from the data to the promoted bundle; fresh steps are skipped
	$(BIN)/python -m pipelines all

serve: install ## Serve the current bundle
	$(BIN)/python -m serving

test: install ## Install and run all tests
	$(BIN)/python -m pytest

behaviour: install ## Play the behaviour cases against the current bundle and print which hold
	$(BIN)/python -m tests.behaviour

lint: install ## Check style, the doors between the packages, and for insecure code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml data models pipelines serving

audit: install ## Look up known vulnerabilities of all dependencies, where the advisory service can be reached
	@if $(BIN)/python -c "import requests; requests.get('https://api.osv.dev', timeout=10)" 2>/dev/null; then \
	  $(BIN)/pip-audit --vulnerability-service osv --requirement constraints.txt --no-deps --disable-pip; \
	else echo "api.osv.dev cannot be reached: known vulnerabilities were NOT looked up"; fi

format: install ## Let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install ## Check the types of the four packages
	$(BIN)/mypy

bench: install ## Measure speed: analyze, /chat and /score on the current bundle
	$(BIN)/python -m serving.bench

openapi: install ## Write serving/openapi.json; RECORD='URL KEY' first asks that service every example
	$(BIN)/python -m serving.openapi $(RECORD)

bench-load: install ## Measure /chat under load, beside a plain FastAPI app (needs wrk; some six minutes)
	$(BIN)/python -m serving.bench_load

clients: openapi ## Generate the Python and TypeScript clients from serving/openapi.json
	PYTHON=$(PYTHON) serving/clients/generate.sh serving/openapi.json serving/clients

faults: install ## Kill, fill, cut and flood a server with the current bundle (3 minutes), and print what came of it
	$(BIN)/python -m serving.faults

clean: ## Remove every artefact, but not the virtual environment
	rm -rf artifacts build kefu.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
