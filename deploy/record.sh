#!/bin/sh
# Records what the program shows on a terminal (docs/recording.svg, in the README): a payer change in the simulated cloud, from its
# plan to the hour. Needs asciinema (Debian's) and, in target/recording, termtosvg-ng, which `make recording` installs.
set -eu
cd "$(dirname "$0")/.."
export PATH="$PWD/target/debug:$PWD/target/recording/bin:$PATH"

if [ "${1:-}" = play ]; then
    # Typed, and not too fast to be read.
    says() {
        printf '\033[1m$\033[0m '
        printf '%s' "$*" | while IFS= read -r -n1 letter; do printf '%s' "${letter:- }"; sleep 0.02; done
        sleep 0.6
        printf '\n'
    }
    tries() {
        says "$@"
        "$@" || true
        sleep "${pause:-2}"
        echo
    }
    export LOG=off
    pause=3 tries crossgrant plan examples/payer-change.json --simulate
    pause=4 tries crossgrant run examples/payer-change.json --simulate --hour 12s
    exit
fi

cast=$(mktemp --suffix .cast)
trap 'rm -f "$cast"' EXIT
asciinema rec --quiet --overwrite --cols 100 --rows 24 --idle-time-limit 2 --command "bash deploy/record.sh play" "$cast"
termtosvg render "$cast" docs/recording.svg --template base16_default_dark --min-frame-duration 80
bytes=$(wc -c <docs/recording.svg)
[ "$bytes" -lt 200000 ] || { echo "record: docs/recording.svg has $bytes bytes; at most 200000 are shown well" >&2; exit 1; }
