#!/bin/sh
# usage: install.sh --from URL [--version VERSION] [--to FOLDER]
# Installs harness and the four services of a release on Linux. Compares the archive with its checksum before it unpacks anything, and replaces programs only
# after all of them are unpacked. URL is the page of the releases, such as https://github.com/OWNER/REPOSITORY/releases; the copy of this script in a
# release knows it. The default version is the newest, the default folder ~/.local/bin.
set -eu
from=
version=
to=$HOME/.local/bin

stop() { echo "install: $1" >&2; echo "hint: $2" >&2; exit 1; }
while [ $# -gt 0 ]; do
  case $1 in
    --from | --version | --to) [ $# -gt 1 ] || stop "$1 needs a value" "see the first lines of this script" ;;
    *) stop "unknown argument \`$1\`" "use --from, --version or --to" ;;
  esac
  case $1 in
    --from) from=$2 ;;
    --version) version=${2#v} ;;
    --to) to=$2 ;;
  esac
  shift 2
done
[ -n "$from" ] || stop "--from is missing" "pass the URL of the page of the releases"
command -v curl >/dev/null || stop "curl is missing" "install it"
[ "$(uname -s)" = Linux ] || stop "there are no programs for $(uname -s)" "build them from the source with \`make release\`"
case $(uname -m) in
  x86_64 | amd64) machine=x86_64 ;;
  aarch64 | arm64) machine=aarch64 ;;
  *) stop "there are no programs for $(uname -m)" "build them from the source with \`make release\`" ;;
esac

# The checksums come from the same place, so they prove nothing if others can change what it sends.
case $from in
  https://* | file://*) ;;
  *) stop "$from is not a URL of https" "pass a URL that begins with https://" ;;
esac
archive=mcp-stack-$machine-linux.tar.gz
if [ -n "$version" ]; then place=$from/download/v$version; else place=$from/latest/download; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fetch() {
  curl --fail --silent --show-error --location --proto-redir =https --max-time 300 --output "$folder/$1" "$place/$1" 2>"$folder/error" ||
    stop "$place/$1 cannot be fetched: $(cat "$folder/error")" "check the version, the URL and the connection"
}
fetch SHA256SUMS
fetch "$archive"
wanted=$(sed -n "s/  $archive\$//p" "$folder/SHA256SUMS")
[ -n "$wanted" ] || stop "SHA256SUMS of this release does not name $archive" "choose another version"
actual=$(sha256sum "$folder/$archive")
[ "${actual%% *}" = "$wanted" ] || stop "$archive has another checksum than SHA256SUMS says" "fetch it again; nothing was installed"

mkdir "$folder/unpacked"
tar -C "$folder/unpacked" -xzf "$folder/$archive" || stop "$archive cannot be unpacked" "nothing was installed"
mkdir -p "$to" || stop "$to cannot be created" "choose another folder with --to"
for program in "$folder"/unpacked/bin/*; do
  name=${program##*/}
  # A program that is running cannot be overwritten, but it can be replaced.
  { cp "$program" "$to/.$name.new" && mv -f "$to/.$name.new" "$to/$name"; } || stop "$to/$name cannot be written" "choose another folder with --to"
  echo "$to/$name"
done
case :$PATH: in
  *:"$to":*) ;;
  *) echo "hint: add $to to PATH" >&2 ;;
esac
