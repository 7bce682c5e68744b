# `make` shows what there is.

# rustup's place, for shells that were opened before it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint deny fuzz bench-api bench-upload bench-store bench-relay bench-calls bench-detect soak clean bench-pacing

help: ## list the targets
	@echo "make <target>:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'A shorter demo: make demo ARGS="--calls 300 --agents 10 --speed fast"'

demo: ## build, then run a whole campaign against the built-in test carrier (about three minutes)
	@scripts/install-build-tools
	@echo "==> building (the first time takes some minutes)"
	cargo build --release --locked --package outpace
	cargo run --quiet --release --locked --package outpace -- demo $(ARGS)

test: ## install the test tools (sipp, baresip, cargo-deny), then format check, lints, dependency rules and every test
	@scripts/install-test-tools
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory deny
	@echo "==> tests"
	scripts/run-tests

lint: ## format check and clippy
	@echo "==> format and lints"
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

deny: ## check licences and sources of the dependencies (installs cargo-deny when it is missing)
	@cargo deny --version >/dev/null 2>&1 || { \
	    echo "==> installing cargo-deny with cargo, to check the dependencies' licences (about four minutes, once)"; \
	    cargo install cargo-deny --locked --version 0.20.2; }
	@echo "==> dependency rules"
	cargo deny --locked check licenses bans sources

fuzz: ## throw changed input at parsers for so many seconds each (ARGS=seconds, 60 when not given): libFuzzer where cargo-fuzz and a nightly compiler are, else the tests' own fuzzer
	@if cargo +nightly fuzz --version >/dev/null 2>&1; then scripts/fuzz $(or $(ARGS),60); else \
	    echo "==> without cargo-fuzz and a nightly compiler: the fuzzer of the tests" && \
	    OUTPACE_FUZZ_S=$(or $(ARGS),60) cargo test --locked --package sip --package media --test fuzz -- --nocapture --test-threads=1 && \
	    OUTPACE_FUZZ_S=$(or $(ARGS),60) cargo test --locked --package outpace --bin outpace fuzz -- --nocapture --test-threads=1; fi

bench-store: ## measure the SQLite store on this machine (ARGS=folder chooses the disk)
	cargo run --release --locked --package store --example bench_store -- $(ARGS)

bench-relay: ## measure the media relay (docs/performance.md; ARGS="calls seconds", and --record folder, --against rtpengine)
	@case "$(ARGS)" in *rtpengine*) scripts/install-rtpengine ;; esac
	ulimit -n "$$(ulimit -Hn)" && cargo run --release --locked --package media --example bench_relay -- $(ARGS)

bench-api: ## measure the API while a campaign runs, and files of a million numbers (about three minutes; ARGS="all 10": seconds for each; "quick 3": fewer numbers)
	cargo build --release --locked --package outpace --bins --example bench_api
	"$${CARGO_TARGET_DIR:-target}/release/examples/bench_api" "$${CARGO_TARGET_DIR:-target}/release/outpace" $(ARGS)

bench-upload: ## measure only the files of a million numbers
	@$(MAKE) --no-print-directory bench-api ARGS=upload

bench-detect: ## how well tones, announcements and machines are recognised (docs/detection.md; ARGS="train" or "misses")
	@scripts/install-speech-tools
	cargo run --release --locked --package media --example detect_report -- $(ARGS)

bench-calls: ## measure calls of the whole server (docs/performance.md; ARGS="attempts|complete|held|overload|bridge|bridge-rung [rate] [seconds]")
	cargo build --release --locked --package outpace
	ulimit -n "$$(ulimit -Hn)" && cargo run --release --locked --package outpace --example bench_calls -- $(ARGS)

soak: ## run calls for long, and show what the server holds before and after (ARGS="minutes rate", 10 and 600 when not given)
	cargo build --release --locked --package outpace
	ulimit -n "$$(ulimit -Hn)" && cargo run --release --locked --package outpace --example bench_calls -- soak $(ARGS)

bench-pacing: ## compare the ways of pacing over simulated shifts (docs/pacing.md; ARGS="--quick" for a short run)
	cargo run --release --locked --package sim -- compare $(ARGS)

clean: ## delete what was built; databases stay
	cargo clean
