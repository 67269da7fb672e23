#!/bin/sh
# Gathers what is published of a version: `release.sh PACKAGE FOLDER` takes the archives and the package of Debian that `make deb` left
# in PACKAGE, adds the chart and what the program is made of, and writes SHA256SUMS.
set -eu

package=$1
folder=$2
root=$(cd "$(dirname "$0")/.." && pwd)
here=$root/deploy
tools=$root/target/tools/bin

rm -rf "$folder"
mkdir -p "$folder"
cp "$package"/*.tar.gz "$package"/*.deb "$folder"

# The tool writes beside the manifest, and knows only names there.
name=$(basename "$(ls "$folder"/*.deb)" .deb)
PATH="$tools:$PATH" cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$(rustc -vV | sed -n 's/^host: //p')" \
    --override-filename crossgrant-sbom
# Without the path where it was built.
sed "s|file://$root|file:///crossgrant|g" "$root/crossgrant-sbom.json" >"$folder/$name.cdx.json"
rm "$root/crossgrant-sbom.json"

# An archive of the chart is the folder, with the program's version, and with the alerts that a link in it leads to.
version=$(sed -n 's/^version: //p' "$here/helm/crossgrant/Chart.yaml")
tar -C "$here/helm" --dereference --owner=0 --group=0 --sort=name --mtime=@0 -czf "$folder/crossgrant-chart-$version.tgz" crossgrant

(cd "$folder" && sha256sum -- * >SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
echo "release: $folder" >&2
