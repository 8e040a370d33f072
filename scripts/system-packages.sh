#!/usr/bin/env bash
# Installs Debian packages that are missing, where this user may; otherwise says what to install. Without arguments all that
# tests use: tests that need one of them are skipped, with the reason, when it is not there. With names only those.
set -euo pipefail
declare -A packages=(
  [redis-server]="redis-server" # integration tests and `madakv up` run a real Redis
  [python3:ensurepip]="python3-venv" # the official client for Python
  [qemu-x86_64]="qemu-user" # runs the conformance tests as older processors
  [/usr/lib/chromium/vk_swiftshader_icd.json]="chromium" # a software GPU for the WebGPU tests, and the browser of the page's
  [/usr/lib/x86_64-linux-gnu/libvulkan.so.1]="libvulkan1" # finds that software GPU
)
# What `make test` does without.
declare -A others=(
  [debootstrap]="debootstrap" # a Debian to build the container image in
  [etcd]="etcd-server"        # the store of a Kubernetes of the tests
  [ip]="iproute2"             # networks of its pods
  [openssl]="openssl"         # its certificates
)
wanted=" ${*:-${packages[*]}} "
for probe in "${!others[@]}"; do packages[$probe]=${others[$probe]}; done
missing=()
for probe in "${!packages[@]}"; do
  [[ $wanted == *" ${packages[$probe]} "* ]] || continue
  if [[ $probe == /* ]]; then
    [[ -e $probe ]] || missing+=("${packages[$probe]}")
  elif [[ $probe == python3:* ]]; then
    python3 -c "import ${probe#*:}" 2>/dev/null || missing+=("${packages[$probe]}")
  else
    command -v "$probe" >/dev/null || missing+=("${packages[$probe]}")
  fi
done
[[ ${#missing[@]} -eq 0 ]] && exit 0
lack="some tests will be skipped"
[[ $# -eq 0 ]] || lack="this will not work"
if ! command -v apt-get >/dev/null; then
  echo "$lack without: ${missing[*]} (names of Debian packages)"
  exit 0
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! sudo -n true 2>/dev/null; then
    echo "$lack; install what is missing with: sudo apt-get install ${missing[*]}"
    exit 0
  fi
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq || true
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
  echo "could not install ${missing[*]}: $lack"
