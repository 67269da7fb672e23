#!/bin/sh
# Takes the symbols out of a release binary: `symbols.sh crossgrant` leaves a small `crossgrant`, and `crossgrant.debug` beside it.
# A backtrace has file names and lines as long as crossgrant.debug lies beside the program, or where a debugger looks for it.
# Fails if what is left is larger than MOST_BYTES.
set -eu

binary=$1
most=${MOST_BYTES:-26214400}

objcopy --only-keep-debug "$binary" "$binary.debug"
# It is read, never started.
chmod 0644 "$binary.debug"
# The link names the file without its folder, and has its checksum.
(cd "$(dirname "$binary")" &&
    objcopy --strip-debug --strip-unneeded --add-gnu-debuglink="$(basename "$binary").debug" "$(basename "$binary")")
size=$(wc -c <"$binary")
echo "symbols: $binary has $size bytes" >&2
if [ "$size" -gt "$most" ]; then
    echo "symbols: that is more than $most bytes" >&2
    exit 1
fi
