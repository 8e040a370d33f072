#!/usr/bin/env bash
# Puts Mesa's lavapipe, a Vulkan driver in software that computes in float16, where the GPU tests find it: into a cache outside the tree. Mesa
# 25 is new enough; Debian 12 has it in its backports, later ones in their main part. The packages are downloaded with lists of their own
# and unpacked, so that nothing on the machine is added or replaced and no root is needed. What is there is kept.
set -euo pipefail
cache=${MADAKV_TOOLS_CACHE:-$HOME/.cache/madakv/tools}
target=$cache/lavapipe
[[ -e $target/icd.json ]] && exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  echo "GPU tests in float16 are skipped: lavapipe is unpacked from Debian's packages only; VK_ICD_FILENAMES names another driver"
  exit 0
fi
skip() {
  echo "GPU tests in float16 are skipped: $1"
  exit 0
}
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $keyring && -n $codename ]] || skip "this is no Debian with its archive's keys"
mirror=$(sed -n -E 's#^(URIs:|deb( \[[^]]*\])?) *(https?://[^ ]*/debian)/? *.*#\3#p' \
  /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -1 || true)
suites=("$codename")
[[ $codename == bookworm ]] && suites+=("$codename-backports")

mkdir -p "$cache"
part=$(mktemp -d "$cache/lavapipe.XXXXXX")
trap 'rm -rf "$part"' EXIT
mkdir -p "$part/apt/lists/partial" "$part/apt/archives/partial"
for suite in "${suites[@]}"; do
  echo "deb [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main"
done >"$part/apt/sources.list"
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$part/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::lists=$part/apt/lists" -o "Dir::Cache=$part/apt" -o "Dir::Cache::archives=$part/apt/archives"
  -o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)" -t "${suites[-1]}")
"${apt[@]}" update >/dev/null || skip "Debian's lists of packages cannot be had"
# What the machine lacks of the libraries that the driver needs comes with it.
"${apt[@]}" --download-only --yes --no-install-recommends install mesa-vulkan-drivers >/dev/null 2>&1 || true
if ! compgen -G "$part/apt/archives/mesa-vulkan-drivers_*.deb" >/dev/null; then
  (cd "$part/apt/archives" && "${apt[@]}" download mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 >/dev/null) ||
    skip "Debian's package mesa-vulkan-drivers cannot be had"
fi
mkdir "$part/root"
for package in "$part"/apt/archives/*.deb; do dpkg -x "$package" "$part/root"; done
libraries=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
[[ -e $part/root/$libraries/libvulkan_lvp.so ]] || skip "Debian's package mesa-vulkan-drivers has no lavapipe for this processor"
# Of everything else that was unpacked only libraries are kept that this machine has not.
known=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p)
known_here() { # a library by any of its names: libdrm.so.2.123.0 is libdrm.so.2
  local name=$1
  while [[ $name == *.so* ]]; do
    [[ $known == *$'\t'"$name "* ]] && return
    [[ $name == *.so ]] && break
    name=${name%.*}
  done
  return 1
}
for file in "$part/root/$libraries"/*; do
  name=$(basename "$file")
  [[ $name == libvulkan_lvp.so ]] && continue
  if [[ -d $file || $name =~ ^lib(vulkan|VkLayer|gallium) ]] || known_here "$name"; then rm -rf "$file"; fi
done
rm -rf "$part/root/usr/share"
# The driver is named by its full path; the loader finds the libraries beside it where LD_LIBRARY_PATH names their folder.
printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.4.305"}}\n' \
  "$target/$libraries/libvulkan_lvp.so" >"$part/root/icd.json"
ln -s "$libraries" "$part/root/lib"
mv -T "$part/root" "$target" 2>/dev/null || [[ -e $target/icd.json ]]
echo "lavapipe of mesa-vulkan-drivers is in $target"
