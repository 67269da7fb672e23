#!/bin/sh
# Submits the jobs of a file as one batch, and waits for its one answer: curl.sh ID FILE. May be killed and started again.
set -eu
url=${CROSSGRANT:-http://127.0.0.1:9180}/v1
ask() { curl --silent --show-error --header "Authorization: Bearer $(cat "$TOKEN_FILE")" "$@"; }
submit() { ask --write-out '\n%{http_code}' --header "Idempotency-Key: $1" --data-binary "@$2" "$url/jobs"; }

# Asking again is safe: the id of the batch is its idempotency key.
while answer=$(submit "$1" "$2" || true); do
    case $(printf %s "$answer" | tail -n 1) in
    202) break ;;
    4[0-2]?) printf '%s\n' "$answer" >&2 && exit 1 ;; # what was sent is wrong, and stays wrong
    *) sleep 2 ;;
    esac
done

# A stream of events ends after some seconds, and goes on where it ended.
batch=$url/batches/$(printf %s "$answer" | sed -n 's/.*"at":"[^"]*\/\([^"]*\)".*/\1/p') last=0
while :; do
    events=$(ask --no-buffer --header 'Accept: text/event-stream' --header "Last-Event-ID: $last" "$batch/events" || sleep 2)
    last=$(printf '%s\n' "$events" | sed -n 's/^id: //p' | tail -n 1 | grep . || echo "$last")
    end=$(printf '%s\n' "$events" | sed -n 's/^data: //p' | grep 'crossgrant\.batch\.ended') && break
done
printf '%s\n' "$end"
printf %s "$end" | grep -q '"jobs":{"completed":{[^{}]*}}' && printf %s "$end" | grep -q '"missing":0'
