#!/usr/bin/env bash
# Puts what the chart is checked with (scripts/chart-tools.txt) into a cache outside the tree, each under name and version. What is there
# is kept, so that only the first call builds, about eight minutes of processor time, and reaches the module proxy.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${MADAKV_TOOLS_CACHE:-$HOME/.cache/madakv/tools}
if ! command -v go >/dev/null; then
  echo "without Go the chart's checks are skipped: install Go 1.26 or newer"
  exit 0
fi
export CGO_ENABLED=0 GOFLAGS=-trimpath GOTOOLCHAIN=local GOWORK=off
mkdir -p "$cache"

# Where a module is, downloaded if need be.
folder_of() {
  (cd "$cache" && go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
}

grep -v '^#' "$here/chart-tools.txt" | while read -r name version module kind path tags; do
  target=$cache/$name-$version
  [[ -e $target ]] && continue
  echo "$name $version"
  part=$(mktemp -d "$cache/$name-$version.XXXXXX")
  if [[ $kind == program ]]; then
    (cd "$part" && GOBIN=$part go install -ldflags '-s -w' "$module/$path@$version")
  elif [[ $kind == inside ]]; then
    source=$(mktemp -d)
    cp -r --no-preserve=mode "$(folder_of "$module@$version")/." "$source"
    (cd "$source" && go build -ldflags '-s -w' -tags "$tags" -o "$part/$name" "./$path")
    rm -rf "$source"
  else
    folder=$(folder_of "$module@$version")
    cp -r --no-preserve=mode "$folder/$path" "$part/"
  fi
  # Another call may have been faster.
  mv -T "$part" "$target" 2>/dev/null || rm -rf "$part"
done
