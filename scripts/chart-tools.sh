#!/usr/bin/env bash
# Puts what the chart is checked with (scripts/chart-tools.txt) into a cache outside the tree, each under name and version. What is there
# is kept, so that only the first call builds, about six minutes of processor time, and reaches the module proxy.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${MADAKV_TOOLS_CACHE:-$HOME/.cache/madakv/tools}
if ! command -v go >/dev/null; then
  echo "without Go the chart's checks are skipped: install Go 1.26 or newer"
  exit 0
fi
export CGO_ENABLED=0 GOFLAGS=-trimpath GOTOOLCHAIN=local
mkdir -p "$cache"
grep -v '^#' "$here/chart-tools.txt" | while read -r name version module kind path; do
  target=$cache/$name-$version
  [[ -e $target ]] && continue
  echo "$name $version"
  part=$(mktemp -d "$cache/$name-$version.XXXXXX")
  if [[ $kind == program ]]; then
    (cd "$part" && GOBIN=$part go install -ldflags '-s -w' "$module/$path@$version")
  else
    folder=$(cd "$part" && go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    cp -r --no-preserve=mode "$folder/$path" "$part/"
  fi
  # Another call may have been faster.
  mv -T "$part" "$target" 2>/dev/null || rm -rf "$part"
done
