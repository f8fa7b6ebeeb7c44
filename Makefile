# Everything is made by scripts/setup.py, which keeps what is there. PORT=8600 make app serves elsewhere.
PYTHON ?= python3
PORT ?= 8501
TEST = .venv-test/bin/python -m

.PHONY: app screenshots setup setup-train setup-test llama-bench test check format

app: setup
	@.venv/bin/python -m app.serve --port $(PORT)

setup:
	@$(PYTHON) scripts/setup.py app

setup-train:
	@$(PYTHON) scripts/setup.py train

setup-test:
	@$(PYTHON) scripts/setup.py test

llama-bench: setup
	@$(PYTHON) scripts/build_llama.py --llama-bench

test: setup-test
	$(TEST) pytest

check: setup-test
	$(TEST) ruff format --check .
	$(TEST) ruff check .
	$(TEST) mypy
	$(TEST) pytest -m "not slow" -q

format: setup-test
	$(TEST) ruff format .
	$(TEST) ruff check --fix .

screenshots: setup-test
	$(TEST) tests.e2e.screenshots
