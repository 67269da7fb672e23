#!/bin/bash
# Tries a package of Debian without installing it: `deb.sh FILE` unpacks it into a throw-away root, lays the libraries there that it
# depends on and nothing else, and runs what is in it. As root, or where a user may make a namespace.
set -euo pipefail

deb=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/root
fail() {
    echo "deb: $*" >&2
    exit 1
}

dpkg-deb -x "$deb" "$root"
dpkg-deb -e "$deb" "$folder/control"
version=$(dpkg-deb -f "$deb" Version)
depends=$(dpkg-deb -f "$deb" Depends)

# What it holds, and for whom.
while read -r mode path; do
    [ "$(stat -c %a "$root/$path")" = "$mode" ] || fail "$path has mode $(stat -c %a "$root/$path"), not $mode"
done <<'FILES'
755 usr/bin/crossgrant
600 etc/crossgrant/crossgrant.toml
644 usr/lib/systemd/system/crossgrant.service
644 usr/lib/sysusers.d/crossgrant.conf
644 usr/share/man/man1/crossgrant.1.gz
644 usr/share/man/man1/crossgrant-serve.1.gz
644 usr/share/bash-completion/completions/crossgrant
644 usr/share/zsh/vendor-completions/_crossgrant
644 usr/share/fish/vendor_completions.d/crossgrant.fish
644 usr/share/doc/crossgrant/copyright
644 usr/share/doc/crossgrant/docs/operations.md
644 usr/share/doc/crossgrant/docs/runbook.md
644 usr/share/doc/crossgrant/prometheus/alerts.yaml
644 usr/share/doc/crossgrant/grafana/crossgrant.json
644 usr/share/doc/crossgrant/examples/payer-change.json
FILES
grep -qx /etc/crossgrant/crossgrant.toml "$folder/control/conffiles" || fail "the configuration is no conffile"
for script in "$folder"/control/post* "$folder"/control/pre*; do
    [ ! -e "$script" ] || sh -n "$script"
done
grep -q 'systemd-sysusers.*crossgrant.conf' "$folder/control/postinst" || fail "postinst does not make the user"
program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$root/usr/lib/systemd/system/crossgrant.service")
[ -x "$root/${program#/}" ] || fail "the unit starts $program, which is not in the package"

# Each library comes from a package that it depends on.
libraries=$(ldd "$root/usr/bin/crossgrant" | grep -o '/[^ ]*')
[ -n "$libraries" ] || fail "the program has no libraries"
for library in $libraries; do
    # Where dpkg knows it by: before the merge of /lib and /usr/lib.
    owner=$({ dpkg -S "$library" || dpkg -S "/usr$library" || dpkg -S "$(realpath "$library")"; } 2>/dev/null | head -n 1 | cut -d: -f1)
    case ", $depends," in
    *", $owner,"* | *", $owner ("*) ;;
    *) fail "it needs $library of $owner, and depends on: $depends" ;;
    esac
    install -D "$library" "$root$library"
done

# What ca-certificates makes when it is installed.
install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

enter=("$(command -v chroot)")
[ "$(id -u)" -eq 0 ] || enter=("$(command -v unshare)" --map-root-user "${enter[@]}")
# says WHAT COMMAND...: the program, with nothing of the caller's environment, succeeds and says it.
says() {
    local what=$1 said
    shift
    said=$(env -i "${enter[@]}" "$root" /usr/bin/crossgrant "$@" 2>&1) || fail "crossgrant $* fails: $said"
    grep -q "$what" <<<"$said" || fail "crossgrant $* does not say $what: $said"
}
says "^crossgrant ${version%-*}" version
says crossgrant.job.completed run /usr/share/doc/crossgrant/examples/grant.json --simulate
says attached explain attached
echo "deb: $(basename "$deb") runs from its throw-away root" >&2
