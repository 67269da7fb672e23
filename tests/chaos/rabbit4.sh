#!/bin/bash
# RabbitMQ 4 with its Erlang, from the packages of a newer Debian, unpacked into a folder beside the system: nothing is
# installed, and no root is needed. The programs run with the C library of that Debian, which they are told by patchelf.
#
#   tests/chaos/rabbit4.sh DIR    downloads about 45 MB once; prints the folder to use as RABBITMQ_BIN
#
# The packages come from where apt's own sources say, of the suite SUITE (trixie, which has RabbitMQ 4.0.5 and Erlang 27).
# Needs apt with Debian's archive in its sources, and x86_64 or aarch64. Elsewhere set RABBITMQ4_BIN for `make chaos`.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
bin=$dir/bin
# The last thing that is made.
if [ -e "$dir/complete" ]; then echo "$bin"; exit 0; fi

suite=${SUITE:-trixie}
archive=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Origin: Debian' 2>/dev/null |
    awk '$1 !~ /-/ { print $2; exit }') || true
[ -n "$archive" ] || {
    echo "rabbit4: apt's sources name no Debian archive (run apt-get update?); set RABBITMQ4_BIN instead" >&2
    exit 1
}

packages="rabbitmq-server erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-inets erlang-mnesia erlang-os-mon
    erlang-parsetools erlang-public-key erlang-runtime-tools erlang-ssl erlang-syntax-tools erlang-tools erlang-xmerl
    libc6 libssl3t64 libtinfo6 zlib1g libstdc++6 libgcc-s1 libsystemd0 libzstd1 libcap2 patchelf"
rm -rf "$dir/apt" "$dir/debs" "$dir/root" "$bin"
mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/debs" "$dir/root" "$bin"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $archive $suite main" >"$dir/apt/sources.list"
of_suite() {
    apt-get -qq -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$dir/apt/lists" -o Dir::State::Status=/dev/null -o Dir::Cache="$dir/apt/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@" >&2
}
of_suite update
# shellcheck disable=SC2086 # one word each
(cd "$dir/debs" && of_suite download $packages)
for package in "$dir"/debs/*.deb; do dpkg-deb --extract "$package" "$dir/root"; done

# Erlang's programs and libraries use the unpacked C library, and so does the patchelf that tells them.
root=$dir/root
loader=$(find "$root/usr/lib" -name 'ld-linux-*.so.*' | head -n 1)
libraries=$(dirname "$loader")
erlang=$root/usr/lib/erlang
patch() { "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" "$@"; }
is_elf() { [ "$(head -c 4 "$1" | tail -c 3)" = ELF ]; }
find "$erlang"/erts-*/bin "$erlang"/lib/*/priv -type f | while read -r file; do
    is_elf "$file" || continue
    case $file in
    *.so) patch --force-rpath --set-rpath "$libraries" "$file" ;;
    # What is linked statically has no interpreter, and needs none.
    *) patch --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$file" 2>/dev/null || true ;;
    esac
done
for script in "$erlang/bin/erl" "$erlang/bin/start" "$erlang"/erts-*/bin/erl "$erlang"/erts-*/bin/start; do
    [ ! -f "$script" ] || sed -i "s|ROOTDIR=/usr/lib/erlang\$|ROOTDIR=$erlang|" "$script"
done

# RabbitMQ's own scripts find all the rest from where they are; Debian's wrappers, which switch the user, are left out.
sbin=$(echo "$root"/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin)
for tool in rabbitmq-server rabbitmqctl rabbitmq-queues rabbitmq-diagnostics; do
    printf '#!/bin/sh\nPATH="%s/bin:$PATH"\nexport PATH\nexec "%s/%s" "$@"\n' "$erlang" "$sbin" "$tool" >"$bin/$tool"
    chmod +x "$bin/$tool"
done
# It runs, with its own OpenSSL, or the rest of this would be found out much later.
"$erlang/bin/erl" -noinput -eval '{ok, _} = application:ensure_all_started(crypto), halt().' >&2
rm -rf "$dir/apt" "$dir/debs"
touch "$dir/complete"
echo "$bin"
