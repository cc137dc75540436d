# Each target creates what it needs first (.venv with Hummingbot and this package) and skips it when nothing changed.

SECONDS ?= 60
KILLS ?= 200
SEED ?= 1
PYTHON := .venv/bin/python

.PHONY: demo test check lint bench load chaos chaos-table fuzz kills fix docs environment judges judges-environment older older-environment browser-environment broker-environment \
	recording screenshot

demo: environment  ## a real bot makes a market on the simulator for SECONDS, PERP=1 with futures; then its books are compared
	@$(PYTHON) -m backpack_connector.demo --seconds $(SECONDS) $(if $(filter-out 0,$(PERP)),--perp)

test: environment judges-environment browser-environment broker-environment  ## all tests: pure ones first, end-to-end last
	@$(PYTHON) -m pytest

check: lint test  ## what must hold before a commit

lint: environment  ## format, lint and types; `make fix` repairs the first two
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

judges: environment judges-environment  ## what others wrote judges the simulator: OpenAPI file, ccxt, bpx-py, schemathesis
	@$(PYTHON) -m pytest tests/judges

older: environment older-environment  ## the tests of the connectors on Hummingbot 20260126, which ships none for Backpack
	@.venv-older/bin/python -m pytest tests/registration/test_in_this_process.py tests/spot tests/perpetual tests/candles

chaos: environment  ## RUNS random runs of both connectors while the simulator breaks everything; SEED of the first; PEER=builtin
	@$(PYTHON) -m tests.chaos --seed $(SEED) $(if $(RUNS),--runs $(RUNS)) $(if $(PEER),--peer $(PEER))

chaos-table: environment  ## writes docs/reliability.md's table: RUNS runs for each fault, ours and Hummingbot's own
	@$(PYTHON) -m tests.chaos --table --seed $(SEED) $(if $(RUNS),--runs $(RUNS))
	@$(PYTHON) -m tests.documentation

bench: environment  ## measures every path against the built-in connector and a floor, PEERS=1 ccxt and bpx-py too, and writes
	@# BENCHMARKS.md and the tables of README and docs/speed.md; RESUME=1 goes on; ROWS=... prints some rows, RENEW=1 writes them; QUICK=1
	@$(if $(filter-out 0,$(PEERS)),bash .ci/judges-environment)
	@$(PYTHON) -m tests.benchmarks $(if $(ROWS),--rows $(ROWS)) $(if $(filter-out 0,$(QUICK)),--quick) \
		$(if $(filter-out 0,$(RESUME)),--resume) $(if $(filter-out 0,$(RENEW)),--renew) \
		$(if $(filter-out 0,$(PEERS)),--peers .venv-judges/bin/python)
	@$(PYTHON) -m tests.documentation

load: environment  ## how many depth frames a second one simulator with 90 markets and 20 bots holds; BENCHMARKS.md shows it
	@$(PYTHON) -m tests.load; code=$$?; $(PYTHON) -m tests.documentation && exit $$code

fuzz: environment  ## every parser and connect input for SECONDS in all, guided by coverage; TARGET for one of them
	@$(PYTHON) -m tests.fuzz --seconds $(SECONDS) $(if $(TARGET),--target $(TARGET))

kills: environment  ## a trading bot is killed KILLS times with SIGKILL at random moments, then its books are compared
	@$(PYTHON) -m tests.kills --kills $(KILLS) --seed $(SEED)

screenshot: environment browser-environment  ## takes the picture of the simulator's page that README shows
	$(PYTHON) -m tests.page.screenshot

recording: environment  ## runs a demo and takes the picture of it that README shows
	$(PYTHON) -m tests.demo_picture

docs: environment  ## writes the parts of README.md and ARCHITECTURE.md that the code determines
	$(PYTHON) -m tests.client.generated
	$(PYTHON) -m tests.client.reference
	$(PYTHON) -m tests.mcp_server.snapshots
	$(PYTHON) -m tests.cli.reference
	$(PYTHON) -m tests.documentation

fix: environment
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

environment:
	@bash .ci/environment

judges-environment: environment
	@bash .ci/judges-environment

older-environment: environment
	@bash .ci/older-environment

browser-environment:
	@bash .ci/browser-environment

broker-environment:
	@bash .ci/broker-environment
