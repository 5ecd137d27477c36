# `make verify` and `make test` set up all they need in .venv: Python 3.11 or later with venv and pip, nothing else.
# Another build of torch: make test TORCH=torch==2.13.0+cpu (see PyTorch's installation page for where it is found).
PYTHON ?= python3
TORCH ?= $(shell sed -n '/^torch==/p' requirements.txt)
BIN := .venv/bin
READY := .venv/.ready
export MPLBACKEND ?= Agg

.PHONY: verify test full lint types bench clean

verify: $(READY)
	$(BIN)/python -m examples --profile quick --out report/figures
	$(BIN)/python -m proofs --html report/index.html --json report/ledger.json --figures report/figures
	@echo "report: report/index.html"

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

full: $(READY)
	$(BIN)/python -m pytest
	$(BIN)/python -m examples --profile full --out report/figures
	$(BIN)/python -m proofs --effort full --html report/index.html --json report/ledger.json --figures report/figures

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/basedpyright alignmath proofs solvers examples benchmarks

bench: $(READY)
	$(BIN)/python -m benchmarks.determinants --json benchmarks/results/determinants.json
	$(BIN)/python -m benchmarks.descent --json benchmarks/results/descent.json
	$(BIN)/python -m benchmarks.derivation --json benchmarks/results/derivation.json
	$(BIN)/python -m benchmarks.kernels --json benchmarks/results/kernels.json
	$(BIN)/python -m benchmarks.posterior --json benchmarks/results/posterior.json
	$(BIN)/python -m benchmarks.min_norm --json benchmarks/results/min_norm.json
	$(BIN)/python -m benchmarks.training --json benchmarks/results/training.json
	$(BIN)/python -m benchmarks.page benchmarks/results

clean:
	rm -rf .venv report figures build *.egg-info .pytest_cache .hypothesis .ruff_cache benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch first, from the pin; the project last, as a plain path.
$(READY): requirements.txt setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11; run make PYTHON=python3.11 (or later)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)
