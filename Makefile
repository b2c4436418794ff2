# Everything is built by meson and ninja; this file says which commands there are. `make help` lists them.

PREFIX ?= /usr/local
DESTDIR ?=
# Warnings are errors; with a compiler that knows more warnings than ours, use `make WERROR=false`.
WERROR ?= true
FUZZ_SECONDS ?= 600
SOAK_SECONDS ?= 600
SEED ?=

.PHONY: all demo test check conformance bench fuzz soak docs wheel lint format coverage install clean distclean help setup

all: build/build.ninja ## the program build/tessera and the library build/libtessera.so
	@ninja -C build

build/build.ninja: | setup
	@meson setup build -Dwerror=$(WERROR)

setup:
	@tools/setup build

demo: setup all ## a month of sample data, its z-score and latitude profile, with pictures, into build/demo
	@tools/demo

test: ## everything continuous integration runs: checks, tests of library and program, both sanitizers, short fuzzing
	@tools/setup test
	@tools/run-tests --only lint,unit,python,cli,soak,asan,tsan,fuzz

check: ## the same with clang-tidy going as deep as it can, two minutes for every fuzzer, and the wheel (long)
	@tools/setup test
	@tools/setup wheel
	@tools/run-tests --deep --fuzz-seconds 120

conformance: all ## the public tests of the Python array API standard: make conformance SUITE=checkout of array-api-tests
	@tools/setup test
	@meson configure build -Dpython=$(CURDIR)/build/venv/bin/python3 && ninja -C build
	@build/venv/bin/python3 tools/conformance $(SUITE)

bench: all ## measures Tessera, NumPy, Dask, CDO and others side by side and writes docs/performance.md
	@tools/setup bench
	@meson configure build -Dpython=$(CURDIR)/build/venv/bin/python3 && ninja -C build
	@build/venv/bin/python3 bench/run.py

fuzz: ## every fuzzer for FUZZ_SECONDS (600)
	@tools/setup test
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/run-tests --only fuzz

soak: all ## for SOAK_SECONDS (600), a cluster whose processes are killed at random (SEED=n repeats); then 20 GB in 512 MB
	@tools/setup test
	@tools/soak $(SOAK_SECONDS) $(SEED)
	@TESSERA_SOAK=1 build/venv/bin/python3 -m pytest -q -s -p no:cacheprovider tests/faults -k many_times

docs: all ## the documentation as a site: build/site/index.html
	@tools/setup test
	@build/venv/bin/python3 tools/docs

wheel: ## the Python package as a wheel that carries all libraries, into build/wheel (minutes)
	@tools/setup wheel
	@tools/wheel

lint: ## the static checks alone
	@tools/setup test
	@tools/run-tests --only lint

format: ## formats the C files in place
	@tools/check-format --fix

coverage: ## which lines the tests reach: text, and HTML in build/coverage
	@tools/setup test
	@tools/coverage

install: all ## into PREFIX (/usr/local), below DESTDIR if that is set
	@meson configure build --prefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C build --quiet
	@echo "installed into $(DESTDIR)$(PREFIX)"

clean: ## removes what was built (the virtual environment stays)
	@rm -rf build-asan build-tsan build-coverage build-wheel
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name venv ! -name benchdata -exec rm -rf {} +; fi

distclean: ## removes build/ and all that is in it
	@rm -rf build build-asan build-tsan build-coverage build-wheel

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
