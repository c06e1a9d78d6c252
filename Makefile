# catena: what you can do with a checkout. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMP := $(VENV)/.installed
BUF_VERSION := 1.75.0
BUF := .tools/node_modules/.bin/buf
PACKAGES := shared shared/models coupler services/data-ingest services/calibrator \
	services/ensemble-runner services/forecaster services/explainer services/orbit-trainer deploy/flows
SOURCES := $(addsuffix /src,$(PACKAGES))
PROTO_DIR := shared/proto
PROTOS := $(sort $(shell cd $(PROTO_DIR) && find catena -name '*.proto'))
BASELINE := $(PROTO_DIR)/baseline.binpb

# Real data are used where they are; nothing here depends on them.
ifeq ($(origin CATENA_DATA),undefined)
ifneq ($(wildcard ../shared/data),)
export CATENA_DATA := $(abspath ../shared/data)
endif
endif

# One place for whatever catena keeps while it is tried out here.
DEMO_HOME := $(or $(CATENA_HOME),$(CURDIR)/.catena)

# First and exactly pinned: a plain `torch` may pull gigabytes of GPU libraries.
TORCH := $(shell grep '^torch==' constraints.txt)
# Two at a time; a file's tests stay together, for they share what is dear to start.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile
STARTED := $(shell date +%s)
TOOLS := hatchling editables pytest pytest-timeout pytest-xdist hypothesis trustme 'moto[server,s3]' ruff mypy import-linter \
	types-PyYAML types-protobuf grpc-stubs grpcio-tools xarray-regrid captum

.PHONY: help setup demo demo-ingest demo-forecast demo-explain demo-orbit demo-spinup test test-fast test-slow \
	lint lint-python lint-proto proto proto-baseline versions bench-calibration bench-ingest bench-ensemble bench-callmip \
	bench-intervals bench-forecast bench-training-speed bench-ungauged bench-explain bench-orbit bench-orbit-gpu bench-spinup clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv and install everything into it (once)

$(STAMP): constraints.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with `make setup PYTHON=...`")'
	@test -x $(BIN)/python || { echo "setup 1/3: virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "setup 2/3: $(TORCH) and the build tools"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(TORCH) hatchling editables -c constraints.txt
	@echo "setup 3/3: $(PACKAGES), and the tools for tests (a few minutes)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation \
		$(addprefix -e ./,$(PACKAGES)) $(TOOLS) -c constraints.txt
	@touch $@

demo: setup ## Calibrate a site end to end and write its report
	@CATENA_HOME=$(DEMO_HOME) bash deploy/demo.sh calibrate_site flux_sites/drivers \
		deploy/sites/us-moz.yaml deploy/sites/generated.yaml

demo-ingest: setup ## Ingest samples of real archives into one catalog and write its report
	@CATENA_HOME=$(DEMO_HOME) bash deploy/demo.sh ingest cmip6 \
		deploy/ingest/samples.yaml deploy/ingest/generated.yaml

demo-forecast: setup ## Forecast streamflow of a dozen basins and write the report of its skill
	@CATENA_HOME=$(DEMO_HOME) bash deploy/demo.sh train_forecaster camels_us \
		deploy/forecast/camels.yaml deploy/forecast/generated.yaml

demo-explain: setup ## Explain forecasts of a snow, a rain and a groundwater basin, with pictures
	@CATENA_HOME=$(DEMO_HOME) bash deploy/demo.sh explain_basins camels_us \
		deploy/explain/camels.yaml deploy/explain/generated.yaml

demo-orbit: setup ## Train a foundation model on a generated planet, for forecasts and downscaling
	@CATENA_HOME=$(DEMO_HOME) bash deploy/demo.sh finetune_orbit . \
		deploy/orbit/planet.yaml deploy/orbit/planet.yaml

demo-spinup: setup ## Replace a region's spin-up by an emulator, beside other methods
	@CATENA_HOME=$(DEMO_HOME) bash deploy/demo.sh spin_up_region land_model/pft_maps \
		deploy/spin_up/region.yaml deploy/spin_up/generated.yaml

test: lint ## Lint and all tests that CI runs
	@$(PYTEST) -m "not slow" tests
	@$(PYTEST) --no-loadscope-reorder -m "slow and not exhaustive" tests
	@echo "test: lint is clean and all tests passed, after $$(( $$(date +%s) - $(STARTED) )) s"

test-fast: setup ## The tests that take seconds
	@$(PYTEST) -m "not slow" tests

test-slow: setup ## The slow tests, with every mesh of processes, and drills without their safeties
	@$(PYTEST) --no-loadscope-reorder -m slow tests

lint: lint-python lint-proto ## ruff, mypy, import-linter, buf
	@echo "lint: clean"

lint-python: setup
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary $(foreach source,$(SOURCES),$(wildcard $(source)/catena/*/))
	@found=$$($(BIN)/lint-imports --no-cache 2>&1) || { echo "$$found"; exit 1; }

# buf reads descriptor images, so it needs no network and no copy of googleapis.
lint-proto: setup
	@if command -v npm > /dev/null; then \
		test -x $(BUF) || npm install --silent --no-audit --no-fund --prefix .tools @bufbuild/buf@$(BUF_VERSION); \
		image=$$(mktemp -d); trap 'rm -rf "$$image"' EXIT; \
		$(call protoc,--include_imports --include_source_info -o $$image/now.binpb); \
		cd $(PROTO_DIR); \
		../../$(BUF) lint $$image/now.binpb; \
		../../$(BUF) breaking $$image/now.binpb --against baseline.binpb; \
	elif [ "$${CI:-}" = true ]; then \
		echo "lint: buf could not be run, npm is missing" >&2; exit 1; \
	else \
		echo "lint: buf was NOT run, npm is missing (install Node.js to check the contracts)" >&2; \
	fi

# $(1): what to write. The include of google.rpc comes from the package that ships it.
protoc = $(BIN)/python -m grpc_tools.protoc -I$(PROTO_DIR) \
	-I"$$($(BIN)/python -c 'import google.rpc, pathlib; print(pathlib.Path(list(google.rpc.__path__)[0]).parents[1])')" \
	$(1) $(PROTOS)

proto: setup ## Generate the Python code of the contracts
	@$(call protoc,--python_out=shared/src --pyi_out=shared/src --grpc_python_out=shared/src)
	@echo "generated $(words $(PROTOS)) contracts into shared/src/catena/api"

proto-baseline: setup ## Make the present contracts the ones that must not be broken
	@$(call protoc,--include_imports -o $(BASELINE))
	@echo "wrote $(BASELINE)"

versions: setup ## Record what each job computes with, after its version was raised
	@cd tests && $(BIN)/python -m support.science

bench-calibration: setup ## Calibration against its targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/calibration.py

bench-ingest: setup ## Data ingest against its targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/ingest.py

bench-ensemble: setup ## Land models and ensembles against their targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/ensemble.py

bench-callmip: setup ## A CalLMIP submission against its targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/callmip.py

bench-intervals: setup ## Prediction intervals against their targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/intervals.py

bench-forecast: setup ## Streamflow forecasts against their targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/forecast.py

bench-training-speed: setup ## Training speed beside neuralhydrology, as one JSON line
	@$(BIN)/python -W ignore tests/bench/training_speed.py --anchor

bench-ungauged: setup ## Basins without a gauge against their targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/ungauged.py

bench-explain: setup ## Explanations against their targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/explain.py

bench-orbit: setup ## The foundation model against its targets on a CPU, as one JSON line
	@$(BIN)/python -W ignore tests/bench/orbit.py

bench-orbit-gpu: setup ## The foundation model on a GPU, as one JSON line
	@$(BIN)/python -W ignore tests/bench/orbit_gpu.py

bench-spinup: setup ## Spin-ups against their targets, as one JSON line
	@$(BIN)/python -W ignore tests/bench/spin_up.py

clean: ## Remove everything that was made here, the environment included
	@if [ -x $(BIN)/catena ]; then CATENA_HOME=$(DEMO_HOME) $(BIN)/catena down; fi
	rm -rf $(VENV) .tools .catena reports .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
