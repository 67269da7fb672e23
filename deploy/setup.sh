#!/bin/sh
# Installs what the demo and the tests need, if it is missing: the servers of RabbitMQ and PostgreSQL,
# pgbouncer, and a C compiler for the bundled SQLite; with WITH_NODE=1 also Node.js and with WITH_BROWSER=1 Chromium, for `make outside`,
# with WITH_MANDOC=1 mandoc, for `make packaging`, with WITH_ASCIINEMA=1 asciinema, for `make recording`, and with WITH_PNGQUANT=1
# pngquant, for `make screenshots`. Run it as root or with sudo, on Debian or a descendant. It never starts a server, creates no cluster of the system, and touches nothing that runs.
set -eu

missing=
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || [ -n "${RABBITMQ_BIN:-}" ] || [ -n "${AMQP_URL:-}" ] ||
    missing="$missing rabbitmq-server"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null 2>&1 ||
    missing="$missing postgresql"
[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null 2>&1 || missing="$missing pgbouncer"
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
[ -d /etc/ssl/certs ] && [ -n "$(ls -A /etc/ssl/certs 2>/dev/null)" ] || missing="$missing ca-certificates"
if [ -n "${WITH_NODE:-}" ] && ! { command -v node && command -v npm; } >/dev/null 2>&1; then
    missing="$missing nodejs npm"
fi
if [ -n "${WITH_MANDOC:-}" ] && ! command -v mandoc >/dev/null 2>&1; then
    missing="$missing mandoc"
fi
if [ -n "${WITH_ASCIINEMA:-}" ] && ! command -v asciinema >/dev/null 2>&1; then
    missing="$missing asciinema"
fi
if [ -n "${WITH_PNGQUANT:-}" ] && ! command -v pngquant >/dev/null 2>&1; then
    missing="$missing pngquant"
fi
if [ -n "${WITH_BROWSER:-}" ] && ! [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
    missing="$missing chromium"
fi
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null 2>&1 || {
    echo "setup: needs$missing, and there is no apt-get here; install them by hand" >&2
    exit 1
}
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "setup: needs$missing; run it as root or install sudo" >&2; exit 1; }
    as_root="sudo"
fi

# On a machine that runs services, the packages would start their servers. The demo and the tests start their own, so a
# policy forbids it while the packages are configured. A policy that exists already is left alone.
policy=/usr/sbin/policy-rc.d
made_policy=
case $missing in
*rabbitmq-server* | *postgresql* | *pgbouncer*)
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
        made_policy=yes
    fi
    ;;
esac
clusters=/etc/postgresql-common/createcluster.conf
no_cluster="create_main_cluster = false  # while crossgrant's setup installs the server"
refused_cluster=
cleanup() {
    [ -z "$made_policy" ] || $as_root rm -f "$policy"
    [ -z "$refused_cluster" ] || $as_root sed -i "\|^$no_cluster\$|d" "$clusters"
}
trap cleanup EXIT INT TERM

echo "setup: installs$missing" >&2
$as_root apt-get update -qq >&2
case $missing in
*postgresql*)
    # The package creates a cluster that starts with the machine, unless this file of postgresql-common forbids it.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common >&2
    echo "$no_cluster" | $as_root tee -a "$clusters" >/dev/null
    refused_cluster=yes
    ;;
esac
# shellcheck disable=SC2086 # one word each
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
