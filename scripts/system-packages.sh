#!/usr/bin/env bash
# Installs the Debian packages that tests use and that are missing, where this user may; otherwise says what to install.
# Tests that need one of them are skipped, with the reason, when it is not there.
set -euo pipefail
declare -A packages=(
  [redis-server]="redis-server" # integration tests run against a real Redis
  [/usr/lib/chromium/vk_swiftshader_icd.json]="chromium" # a software GPU for the WebGPU tests
  [/usr/lib/x86_64-linux-gnu/libvulkan.so.1]="libvulkan1" # finds that software GPU
)
missing=()
for probe in "${!packages[@]}"; do
  if [[ $probe == /* ]]; then
    [[ -e $probe ]] || missing+=("${packages[$probe]}")
  else
    command -v "$probe" >/dev/null || missing+=("${packages[$probe]}")
  fi
done
[[ ${#missing[@]} -eq 0 ]] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "some tests will be skipped; they need: ${missing[*]} (names of Debian packages)"
  exit 0
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! sudo -n true 2>/dev/null; then
    echo "some tests will be skipped; install what they need with: sudo apt-get install ${missing[*]}"
    exit 0
  fi
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq || true
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
  echo "could not install ${missing[*]}; tests that need them will be skipped"
