#!/bin/bash
# Prometheus' own tool for rules, out of Debian's package, unpacked beside the system: no server is installed or started.
#
#   tests/packaging/promtool.sh DIR    downloads about 20 MB once; prints the path of the program
#
# A promtool on the PATH is taken instead.
set -euo pipefail

command -v promtool && exit 0
mkdir -p "$1"
dir=$(cd "$1" && pwd)
tool=$dir/promtool
if [ ! -x "$tool" ]; then
    cd "$dir"
    rm -f prometheus_*.deb
    # Old lists name packages that the archive may have no more.
    apt-get -qq download prometheus >&2 || { apt-get -qq update >&2 && apt-get -qq download prometheus >&2; }
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool
    rm -f prometheus_*.deb
    "$tool" --version >&2
fi
echo "$tool"
