# Two commands do all the set-up on a Debian machine that has a Rust toolchain: `make demo` and `make test`.
# Both may be run again and again, and neither touches a RabbitMQ that runs already.

CARGO ?= cargo

.PHONY: demo test bench lint setup

## The main job, live: a private RabbitMQ, a simulated cloud with a short hour, a worker, and the rules of every type.
demo: setup
	$(CARGO) build --bin crossgrant --example demo
	$(CARGO) run --quiet --example demo

## Everything is tested, against a real RabbitMQ and real processes too.
test: setup
	$(CARGO) test --doc
	$(CARGO) test --lib --bins --examples
	$(CARGO) test --test promises

## What it costs, on this machine: one JSON line for each workload. `make bench WORKLOADS="W1 --rounds 5"` for some.
bench: setup
	$(CARGO) build --release --bin crossgrant --example bench
	cc -O2 -shared -fPIC -o target/syncs.so examples/bench/syncs.c -ldl
	@syncs=$$(mktemp -d) && chmod 777 "$$syncs" && trap 'rm -rf "$$syncs"' EXIT && \
	  BENCH_SYNC_DIR="$$syncs" LD_PRELOAD="$$PWD/target/syncs.so" target/release/examples/bench $(WORKLOADS)

## Formatting, and warnings as errors.
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

## What the tests and the demo need beyond a Rust toolchain: RabbitMQ and PostgreSQL from Debian, and a C compiler for SQLite.
setup:
	@deploy/setup.sh
