# Everything is made by scripts/setup.py, which keeps what is there. PORT=8600 make app serves elsewhere,
# MODELS=tiny make app does without the real models.
PYTHON ?= python3
PORT ?= 8501
MODELS ?= $(TRADEOFF_MODELS)
TEST = .venv-test/bin/python -m
# Compiled modules are kept, whatever the surroundings say: hundreds of child processes start sooner.
export PYTHONDONTWRITEBYTECODE =

.PHONY: app screenshots setup setup-train setup-test llama-bench peers test soak lint check format

app: setup
	@TRADEOFF_MODELS=$(MODELS) .venv/bin/python -m app.serve --port $(PORT)

setup:
	@$(PYTHON) scripts/setup.py app

setup-train:
	@$(PYTHON) scripts/setup.py train

setup-test:
	@$(PYTHON) scripts/setup.py test

llama-bench: setup
	@$(PYTHON) scripts/build_llama.py --llama-bench

peers:
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-peers.txt
	@.venv-peers/bin/python scripts/ifeval_reference.py
	@test ! -x .venv/bin/python || .venv/bin/python scripts/served_check.py --prompts 10
	@git diff --stat --exit-code tests/benchmarks/graders/ifeval_pairs.json

# Side by side on all cores; what asserts seconds follows alone, from the files that have any.
test: setup-test
	$(TEST) pytest -n auto --dist worksteal -m "not timing"
	$(TEST) pytest -m timing $$(grep -rl --include='*.py' pytest.mark.timing tests)

# Hours: what docs/reliability.md says of load, kills and hostile bytes. SECONDS=600 make soak is shorter.
SECONDS ?= 7200
soak: setup-test
	$(TEST) tests.load.kills --cycles 1000
	$(TEST) tests.load.fuzz --seconds 120
	$(TEST) tests.load.visitors --visitors 100 --seconds $(SECONDS) --afterwards 240

lint: setup-test
	$(TEST) ruff format --check .
	$(TEST) ruff check .
	$(TEST) mypy

check: lint
	$(TEST) pytest -n auto --dist worksteal -m "not slow" -q

format: setup-test
	$(TEST) ruff format .
	$(TEST) ruff check --fix .

screenshots: setup-test
	$(TEST) tests.e2e.screenshots
