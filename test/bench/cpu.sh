#!/usr/bin/env bash
# Every figure of docs/benchmarks/cpu.md, in its order. Takes about a quarter of an hour and 15 GB of disk in $MADAKV_CACHE; run it
# on a machine that does nothing else. One argument: a folder for the JSON results.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-bench-results}
mkdir -p "$out"
run() {
  local name=$1
  shift
  echo "== $name: madakv bench $*"
  node apps/cli/bin/madakv.js bench "$@" --json >"$out/$name.json" 2>"$out/$name.log"
  cat "$out/$name.json"
}
four="--quant 4 --block-size 128"
run decode-llava-4k decode --shape llava-1.5-7b $four --context 4096 --rounds 5
run decode-llava-8k decode --shape llava-1.5-7b $four --context 8192 --rounds 5
run decode-qwen3b-8k decode --shape qwen2.5-vl-3b $four --context 8192
run decode-qwen3b-32k decode --shape qwen2.5-vl-3b $four --context 32768 --rounds 5
run decode-qwen3b-8k-int8-cache decode --shape qwen2.5-vl-3b $four --context 8192 --kv-cache int8
run width8-qwen3b-4bit decode --shape qwen2.5-vl-3b $four --context 1024 --width 8
run width8-qwen3b-w8a8 decode --shape qwen2.5-vl-3b --quant w8a8 --context 1024 --width 8
run prefill-qwen3b-fp32 prefill --shape qwen2.5-vl-3b --layers 4 --tokens 4096 --rounds 3
run prefill-qwen3b-4bit prefill --shape qwen2.5-vl-3b --layers 4 $four --tokens 4096 --rounds 3
run prefill-qwen3b-w8a8 prefill --shape qwen2.5-vl-3b --layers 4 --quant w8a8 --tokens 4096 --rounds 3
# A question of any length: scoring and selecting beside the prefill.
for asked in 1 40 600 6000; do
  run question-reader-$asked prefill --shape madakv-reader --layers 6 --tokens 6144 --question-tokens $asked --rounds 3 --threads 1
  run question-smollm2-$asked prefill --shape smollm2-135m --layers 4 --tokens 6144 --question-tokens $asked --rounds 3 --threads 1
  run question-qwen3b-$asked prefill --shape qwen2.5-vl-3b --layers 2 --tokens 6144 --question-tokens $asked --rounds 2 --threads 1
done
run select-32k select
