#!/bin/sh
# Lays out what a package of Crossgrant holds: `package.sh BINARY FOLDER` makes FOLDER/root, a tree to be copied to / or packed by
# nfpm, fpm or dpkg-deb; FOLDER/crossgrant-VERSION-MACHINE.tar.gz of it; and the symbols apart, in -symbols.tar.gz.
set -eu

binary=$1
folder=$2
here=$(dirname "$0")

rm -rf "$folder/root" "$folder/symbols"
install -D -m 0755 "$binary" "$folder/root/usr/bin/crossgrant"
"$here/symbols.sh" "$folder/root/usr/bin/crossgrant"
# /usr/lib/debug and the path of the program: where a debugger looks for it.
install -d "$folder/symbols/usr/lib/debug/usr/bin"
mv "$folder/root/usr/bin/crossgrant.debug" "$folder/symbols/usr/lib/debug/usr/bin/crossgrant.debug"

program=$folder/root/usr/bin/crossgrant
share=$folder/root/usr/share
install -d "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
"$program" man "$share/man/man1"
"$program" completions bash >"$share/bash-completion/completions/crossgrant"
"$program" completions zsh >"$share/zsh/vendor-completions/_crossgrant"
"$program" completions fish >"$share/fish/vendor_completions.d/crossgrant.fish"

# The unit of the repository is for a program in /usr/local/bin.
install -d "$folder/root/usr/lib/systemd/system"
sed 's|/usr/local/bin/|/usr/bin/|' "$here/systemd/crossgrant.service" >"$folder/root/usr/lib/systemd/system/crossgrant.service"
chmod 0644 "$folder/root/usr/lib/systemd/system/crossgrant.service"
install -D -m 0644 "$here/systemd/crossgrant.sysusers" "$folder/root/usr/lib/sysusers.d/crossgrant.conf"
doc=$share/doc/crossgrant
install -d "$doc/docs" "$doc/examples" "$doc/rabbitmq" "$doc/ram" "$doc/prometheus" "$doc/grafana"
cp "$here/../README.md" "$here/../CHANGELOG.md" "$here/crossgrant.toml" "$doc"
cp "$here"/../docs/*.md "$doc/docs"
cp -R "$here"/../examples/* "$doc/examples"
cp "$here"/rabbitmq/* "$doc/rabbitmq"
cp "$here"/ram/* "$doc/ram"
cp "$here"/prometheus/* "$doc/prometheus"
cp "$here"/grafana/* "$doc/grafana"

name=crossgrant-$("$program" --version | cut -d' ' -f2)-$(uname -m)
tar -C "$folder/root" --owner=0 --group=0 -czf "$folder/$name.tar.gz" usr
tar -C "$folder/symbols" --owner=0 --group=0 -czf "$folder/$name-symbols.tar.gz" usr
echo "package: $folder/$name.tar.gz" >&2
