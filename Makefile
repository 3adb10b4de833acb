# `make run` and `make test` install what is missing, build, and do what they say.
# On a fresh Debian 12 only Swift 6.3 has to be there.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

LIBRARIES := curl jq librocksdb-dev libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev libssl-dev libxxhash-dev pkg-config
TOOLS     := python3 python3-venv chromium chromium-driver openssl
BENCH_TOOLS := wrk nginx curl jq

# An import that Package.swift does not declare stops the build.
SWIFT_FLAGS := --explicit-target-dependency-import-check error
CONVOY      := .build/release/convoy
VENV        := .venv
SWIFT_FILES := Sources Tests Plugins Benchmarks/Sources Package.swift Benchmarks/Package.swift

.PHONY: run build test test-full test-tsan fuzz test-swift test-python bench demo screenshots format lint deps test-deps clean

run: build
	exec $(CONVOY) serve

build: deps
	swift build -c release $(SWIFT_FLAGS) --product convoy

# Every test: the modules', the processes', the contract's and the page's.
test: build test-deps test-swift test-python

# The same with the full sizes and many seeds; takes much longer.
test-full: export CONVOY_FULL := 1
test-full: test

# The Swift tests, and the nodes that they start, under ThreadSanitizer. It fails on what that reports,
# not on a deadline that was missed: all is some ten times slower. TSAN_FILTER chooses tests.
TSAN_PATH   := .build-tsan
TSAN_BUILD  := --sanitize=thread --scratch-path $(TSAN_PATH)
TSAN_FILTER ?= .
test-tsan: export TSAN_OPTIONS := suppressions=$(CURDIR)/Tests/tsan.supp history_size=4
test-tsan: deps
	swift build --build-tests $(TSAN_BUILD) $(SWIFT_FLAGS)
	CONVOY_BINARY=$(CURDIR)/$(TSAN_PATH)/debug/convoy CONVOY_TEST_SLOTS=1 \
	    swift test --skip-build $(TSAN_BUILD) --filter '$(TSAN_FILTER)' 2>&1 \
	    | tee $(TSAN_PATH)/tests.log || true
	grep -q 'Test run with' $(TSAN_PATH)/tests.log
	! grep -A 40 'WARNING: ThreadSanitizer' $(TSAN_PATH)/tests.log

# What reads bytes from outside, tried by libFuzzer under AddressSanitizer, which reports leaks, too: ten minutes
# for each target. `make test` tries the same targets for ten seconds each with bytes at random. What is found
# stays in .build-fuzz/found; the bytes that reached something new are kept, and the next run goes on from there.
FUZZ_PATH    := .build-fuzz
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= token json record entry path
FUZZ_BUILD   := -c release --sanitize=fuzzer --sanitize=address --scratch-path $(FUZZ_PATH) \
    -Xswiftc -enable-testing -Xswiftc -sanitize-coverage=edge,trace-cmp,inline-8bit-counters,pc-table
fuzz: deps
	CONVOY_FUZZER=1 swift build --product Fuzzer $(FUZZ_BUILD) $(SWIFT_FLAGS)
	printf '%s\n' $(FUZZ_TARGETS) | xargs -P "$$(nproc)" -I '{}' scripts/fuzz $(FUZZ_PATH) '{}' $(FUZZ_SECONDS)

test-swift: build
	swift build --build-tests $(SWIFT_FLAGS)
	CONVOY_BINARY=$(CURDIR)/$(CONVOY) swift test --skip-build

test-python: build test-deps
	CONVOY_BINARY=$(CURDIR)/$(CONVOY) $(VENV)/bin/pytest -q -p no:cacheprovider Tests/Contract
	CONVOY_BINARY=$(CURDIR)/$(CONVOY) $(VENV)/bin/pytest -q -p no:cacheprovider Tests/Browser

# The page in each state, wide and narrow, light and dark, into a folder that git ignores.
screenshots: build test-deps
	CONVOY_BINARY=$(CURDIR)/$(CONVOY) CONVOY_SCREENSHOTS=$(CURDIR)/screenshots \
	    $(VENV)/bin/pytest -q -p no:cacheprovider \
	    Tests/Browser/test_page.py Tests/Browser/test_states.py Tests/Browser/test_actions.py Tests/Browser/test_large.py

demo: build
	swift build -c release $(SWIFT_FLAGS) --product Demo
	CONVOY_BINARY=$(CURDIR)/$(CONVOY) .build/release/Demo $(DEMO_FLAGS)

# All of it takes a quarter of an hour; `make bench BENCH="rest replication"` runs what is named.
bench: build
	@scripts/install-missing $(BENCH_TOOLS)
	CONVOY_BINARY=$(CURDIR)/$(CONVOY) swift run -c release --package-path Benchmarks Benchmarks $(BENCH)

format:
	swift format --in-place --recursive $(SWIFT_FILES)

lint:
	swift format lint --strict --recursive $(SWIFT_FILES)

deps:
	@scripts/install-missing $(LIBRARIES)

test-deps: deps
	@scripts/install-missing $(TOOLS)
	@test -x $(VENV)/bin/pytest || python3 -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check \
	    -r Tests/Contract/requirements.txt -r Tests/Browser/requirements.txt

clean:
	rm -rf .build $(TSAN_PATH) $(VENV) Benchmarks/.build
