#!/usr/bin/env bash
# Everything of docs/benchmarks/gpu.md, and the page itself, on whatever GPU the Vulkan loader finds; VK_ICD_FILENAMES names a driver. Without
# a GPU on lavapipe with small shapes (scripts/software-gpu.sh), and the page says so. Under ten minutes. First parity, then speed and memory.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/node_modules/.bin:$PATH
tsc -b libs/bench
lavapipe=${MADAKV_TOOLS_CACHE:-$HOME/.cache/madakv/tools}/lavapipe
software=()
if [[ -z ${VK_ICD_FILENAMES:-} ]] && ! compgen -G '/dev/dri/renderD*' >/dev/null && ! command -v nvidia-smi >/dev/null; then
  scripts/software-gpu.sh
  export VK_ICD_FILENAMES=$lavapipe/icd.json LD_LIBRARY_PATH=$lavapipe/lib
fi
[[ ${VK_ICD_FILENAMES:-} != *lavapipe* && ${VK_ICD_FILENAMES:-} != *swiftshader* ]] || software=(--software)
parity="not run: set VK_ICD_FILENAMES to the GPU's driver"
if [[ -n ${VK_ICD_FILENAMES:-} ]]; then
  parity=passed
  timeout 200 vitest run --project gpu test/gpu/half >&2 || parity=failed
fi
timeout 360 node test/bench/gpu.js "${software[@]}" --parity "$parity" --page docs/benchmarks/gpu.md
prettier --write --log-level warn docs/benchmarks/gpu.md
