# make demo    the example shop, with a worker and a mailbox, on http://127.0.0.1:5000
# make test    every test; ARGS="..." goes to pytest
# make test-fast  those that need no server and start no process (half a minute)
# make test-python3.12  on that Python what depends on it (two minutes); another
#              Python likewise, and all of them with test-pythons
# make test-lowest  the same with the lowest versions of all dependencies
# make test-tryton8  what needs no Nereid, on Tryton 8.0
# make test-versions  what CI runs besides `make test`: a part of the tests on each other
#              Python, with the lowest versions, and `make coverage`
# make coverage  how many lines the tests of unit, contract and integration reach, and
#              whether it is enough (some minutes)
# make fuzz    hostile and odd input for as long as it takes (some minutes)
# make fuzz-rows  2,000 sequences of steps on the rows, on each database (ten minutes)
# make chaos   5,000 tasks, 100 kills of processes, 60 outages of the database and of
#              SQS, and what came of it (ten minutes)
# make bench   side by side with Celery and others, into docs/ (half an hour, alone)
# make bench-quick  the same in small, printed only (some minutes)
# make dist    what is uploaded, into dist/, checked
# make docs    the pages, into docs/_build/index.html; a warning is an error
# make docs-settings docs-commands  the pages that are made from the code
# All need Python 3.10 or newer and nothing else; they install into .venv.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED = $(VENV)/installed
CONSTRAINTS = constraints.txt
# Installing a folder writes into it, so two environments take turns (make -j).
TAKE_TURNS := $(if $(shell command -v flock),flock pyproject.toml)

# The Pythons that the package is for, by its classifiers, and the one of .venv.
PYTHONS := $(shell sed -n 's/.*:: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml)
MAIN_PYTHON = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# Tracing threads fails before Python 3.12, so the newest one measures coverage.
MEASURED := $(lastword $(PYTHONS))
# Tryton 7.0 has two distributions; one Python has m9s-trytond, Nereid's own build.
M9S_VENV = .venv-python$(firstword $(PYTHONS))

# What depends on the Python and on the versions of what is installed: how methods
# and decorators work, processes, threads and signals, the brokers.
SHORT = tests/unit tests/contract tests/integration/test_deferral.py \
	tests/integration/test_flask_tryton.py \
	tests/acceptance/test_forks.py \
	tests/acceptance/test_worker_command.py::test_mail_through_the_command \
	tests/acceptance/test_worker_command.py::test_processes_are_recycled \
	tests/acceptance/test_worker_command.py::TestCutOff

.PHONY: demo test test-fast test-pythons test-versions test-lowest test-short \
	test-tryton8 test-core coverage measure fuzz fuzz-rows chaos bench bench-quick docs \
	docs-settings docs-commands lint install clean

demo: $(INSTALLED)-demo
	@exec $(BIN)/python -m example_app.demo --port $(PORT)

test: $(INSTALLED)-test
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(INSTALLED)-test
	$(BIN)/python -m pytest -m fast tests/unit $(ARGS)

test-pythons: $(addprefix test-python,$(filter-out $(MAIN_PYTHON),$(PYTHONS)))

test-python%: $(INSTALLED)-test
	@python=$$(devtools/find_python $*) && $(MAKE) --no-print-directory test-short \
		VENV=.venv-python$* PYTHON="$$python"

# What CI runs besides `make test`. The longest begins first. It runs what test-short
# does on its Python, and more.
test-versions: coverage test-lowest test-tryton8 \
	$(addprefix test-python,$(filter-out $(MAIN_PYTHON) $(MEASURED),$(PYTHONS)))

coverage: $(INSTALLED)-test
	@python=$$(devtools/find_python $(MEASURED)) && \
		$(MAKE) --no-print-directory measure \
		VENV=.venv-coverage PYTHON="$$python"

test-lowest: $(INSTALLED)-test
	@python=$$(devtools/find_python $(firstword $(PYTHONS))) && \
		$(MAKE) --no-print-directory test-short \
		VENV=.venv-lowest PYTHON="$$python" CONSTRAINTS=constraints-lowest.txt

test-tryton8: $(INSTALLED)-test
	@$(MAKE) --no-print-directory test-core VENV=.venv-tryton8

# ministack is that of .venv.
test-short measure test-core: export PATH := $(PATH):$(CURDIR)/.venv/bin
PYTEST = pytest -q -o cache_dir=$(VENV)/cache
test-short: $(INSTALLED)-test-short
	$(BIN)/python -m $(PYTEST) $(SHORT) $(ARGS)

# What needs no Nereid, which exists for Tryton 7.0 only.
CORE = tests/contract tests/acceptance/test_module_case.py \
	tests/acceptance/test_host_examples.py \
	$(addprefix tests/integration/test_,$(addsuffix .py,absent_rows access attempts \
	cancel commands dead_letters deferral flask_tryton pausing pointers priorities \
	queue_views rows task_actions workers))
# And of that what depends on the driver of PostgreSQL, which is another one in 8.0,
# without what looks into the pool of 7.0.
CORE_POSTGRESQL = tests/contract/test_database_broker.py tests/acceptance/test_forks.py \
	$(addprefix tests/integration/test_,$(addsuffix .py,cancel connections deferral \
	interruptions pausing rows time_limits unique_rows)) \
	--deselect tests/integration/test_connections.py::$(OF_THE_POOL)
OF_THE_POOL = test_connections_that_were_lost_are_not_missed_by_trytonds_pool
test-core: $(INSTALLED)-tryton8
	$(BIN)/python -m $(PYTEST) -o empty_parameter_set_mark=xfail \
		--database=sqlite $(CORE) $(ARGS)
	$(BIN)/python -m $(PYTEST) -o empty_parameter_set_mark=xfail \
		--database=postgresql $(CORE_POSTGRESQL) $(ARGS)

# On one database, in one process, and what is written for each on the other, too.
# An interrupted thread may be inside coverage and leave its lock held, so what
# interrupts threads is left out, and what takes long and reaches no more lines.
MEASURE = $(BIN)/coverage run --data-file=$(VENV)/coverage --append \
	-m $(PYTEST) -o empty_parameter_set_mark=xfail
UNMEASURED = time_limits after_commit cancel_endpoint cancel_races delays encryption \
	hostile_messages key_rotation keys lease origin owner owner_cookie priorities \
	redrive relay retry secrets sending sessions sqs_delivery
measure: $(INSTALLED)-test-short
	rm -f $(VENV)/coverage
	$(BIN)/python -m $(PYTEST) $(filter tests/acceptance/%,$(SHORT))
	$(MEASURE) --database=sqlite tests/unit tests/contract tests/integration \
		$(UNMEASURED:%=--ignore=tests/integration/test_%.py)
	$(MEASURE) --database=postgresql tests/integration/test_rows.py \
		tests/integration/test_absent_rows.py tests/integration/test_identity.py \
		tests/integration/test_connections.py tests/integration/test_workers.py \
		tests/integration/test_unique_rows.py tests/integration/test_groups.py
	$(BIN)/coverage report --data-file=$(VENV)/coverage
	$(BIN)/coverage json --data-file=$(VENV)/coverage -q -o $(VENV)/coverage.json
	$(BIN)/python -m devtools.coverage_floors $(VENV)/coverage.json

fuzz: $(INSTALLED)-test
	$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=long $(ARGS)

# One database at a time: a process that runs beside this one must not be silent so long.
fuzz-rows: $(INSTALLED)-test
	for database in sqlite postgresql; do \
		$(BIN)/python -m pytest tests/fuzz/test_row_protocol.py -rP \
			--hypothesis-profile=long --database=$$database $(ARGS) || exit 1; \
	done

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

dist: $(INSTALLED)-test
	rm -rf dist
	@$(TAKE_TURNS) $(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

docs: $(INSTALLED)-test
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --jobs auto \
		docs docs/_build

docs-settings: $(INSTALLED)-test
	$(BIN)/python -m devtools.settings_page

docs-commands: $(INSTALLED)-test
	$(BIN)/python -m devtools.commands_page

lint: $(INSTALLED)-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(INSTALLED)-demo

# The order is the recipe of docs/how-to/install.rst: m9s-nereid
# asks for a second build of trytond, so it comes without its dependencies.
$(INSTALLED)-%: pyproject.toml $(CONSTRAINTS) example_app/pyproject.toml \
		$(wildcard tests/tryton/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@$(TAKE_TURNS) $(PIP) install -c $(CONSTRAINTS) -e '.[nereid-parts,$*]'
	@$(TAKE_TURNS) $(PIP) install -c $(CONSTRAINTS) --no-deps m9s-nereid m9s-nereid-base
	@$(TAKE_TURNS) $(PIP) install -c $(CONSTRAINTS) --no-deps -e ./example_app
	@if [ "$*" != demo ]; then \
		$(TAKE_TURNS) $(PIP) install -c $(CONSTRAINTS) --no-deps -e ./tests/tryton; fi
	@if [ "$(VENV)" = "$(M9S_VENV)" ]; then $(PIP) uninstall -y trytond && \
		$(PIP) install -c $(CONSTRAINTS) --no-deps m9s-trytond; fi
	@touch $@

$(INSTALLED)-tryton8: pyproject.toml $(CONSTRAINTS) constraints-tryton-8.0.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@grep -viE '^(trytond|m9s)' $(CONSTRAINTS) | \
		cat - constraints-tryton-8.0.txt > $(VENV)/constraints.txt
	@$(TAKE_TURNS) $(PIP) install -c $(VENV)/constraints.txt -e '.[test-short]' \
		trytond-company setuptools speaklater
	@$(TAKE_TURNS) $(PIP) install --no-deps -e ./tests/tryton
	@touch $@

clean:
	rm -rf .venv .venv-* data build dist *.egg-info
