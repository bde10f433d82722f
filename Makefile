# make demo    the example shop, with a worker and a mailbox, on http://127.0.0.1:5000
# make test    every test; ARGS="..." goes to pytest
# make test-fast  those that need no server and start no process (half a minute)
# make fuzz    hostile and odd input for as long as it takes (some minutes)
# make chaos   5,000 tasks, 100 kills of processes, 60 outages of the database and of
#              SQS, and what came of it (ten minutes)
# make bench   side by side with Celery and others, into docs/ (half an hour, alone)
# make bench-quick  the same in small, printed only (some minutes)
# make docs-settings  docs/settings.rst, from the settings in the code
# All need Python 3.10 or newer and nothing else; they install into .venv.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED = $(VENV)/installed

.PHONY: demo test test-fast fuzz chaos bench bench-quick docs-settings lint install clean

demo: $(INSTALLED)-demo
	@exec $(BIN)/python -m example_app.demo --port $(PORT)

test: $(INSTALLED)-test
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(INSTALLED)-test
	$(BIN)/python -m pytest -m fast tests/unit tests/contract $(ARGS)

fuzz: $(INSTALLED)-test
	$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=long $(ARGS)

chaos: $(INSTALLED)-test
	$(BIN)/python -m pytest tests/chaos --database=postgresql \
		--chaos-tasks=2500 --chaos-kills=50 --chaos-outages=30 $(ARGS)

# The peers have an environment of their own, the rest of it is the same.
bench bench-quick: VENV = .venv-bench
bench:
	@$(MAKE) --no-print-directory VENV=$(VENV) $(VENV)/installed-bench
	$(BIN)/python -m benchmarks $(ARGS)

bench-quick:
	@$(MAKE) --no-print-directory VENV=$(VENV) $(VENV)/installed-bench
	$(BIN)/python -m benchmarks --quick $(ARGS)

docs-settings: $(INSTALLED)-test
	$(BIN)/python -m devtools.settings_page

lint: $(INSTALLED)-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(INSTALLED)-demo

# The order is the recipe of README.rst, "Installing beside Nereid": m9s-nereid
# asks for a second build of trytond, so it comes without its dependencies.
$(INSTALLED)-%: pyproject.toml constraints.txt example_app/pyproject.toml \
		$(wildcard tests/tryton/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@$(PIP) install -c constraints.txt -e '.[nereid-parts,$*]'
	@$(PIP) install -c constraints.txt --no-deps m9s-nereid m9s-nereid-base
	@$(PIP) install -c constraints.txt --no-deps -e ./example_app
	@if [ "$*" != demo ]; then \
		$(PIP) install -c constraints.txt --no-deps -e ./tests/tryton; fi
	@touch $@

clean:
	rm -rf $(VENV) .venv-bench data build dist *.egg-info
