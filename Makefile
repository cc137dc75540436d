# Each target creates what it needs first (.venv with Hummingbot and this package) and skips it when nothing changed.

SECONDS ?= 60
SEED ?= 1
PYTHON := .venv/bin/python

.PHONY: demo test check chaos chaos-table fix docs environment

demo: environment  ## a real bot makes a market on the simulator for SECONDS, PERP=1 with futures; then its books are compared
	@$(PYTHON) -m backpack_connector.demo --seconds $(SECONDS) $(if $(filter-out 0,$(PERP)),--perp)

test: environment  ## all tests: pure ones first, end-to-end last
	@$(PYTHON) -m pytest

check: environment  ## what must hold before a commit; `make fix` repairs the first two
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

chaos: environment  ## RUNS random runs of both connectors while the simulator breaks everything; SEED of the first; PEER=builtin
	@$(PYTHON) -m tests.chaos --seed $(SEED) $(if $(RUNS),--runs $(RUNS)) $(if $(PEER),--peer $(PEER))

chaos-table: environment  ## writes README's table of survived faults: RUNS runs for each fault, ours and Hummingbot's own
	@$(PYTHON) -m tests.chaos --table --seed $(SEED) $(if $(RUNS),--runs $(RUNS))

docs: environment  ## writes the parts of README.md and ARCHITECTURE.md that the code determines
	$(PYTHON) -m tests.documentation

fix: environment
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

environment:
	@bash .ci/environment
