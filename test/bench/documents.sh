#!/usr/bin/env bash
# Every figure of docs/benchmarks/documents.md, in its order. Takes about a quarter of an hour; run it on a machine that does nothing else.
# Arguments: a folder for the JSON results; a Python with test/conformance/generate/requirements.txt, without which the last row is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-bench-results}
python=${2:-}
mkdir -p "$out"
echo "== questions about one document"
node test/bench/documents/questions.js --out "$out/questions.json"
node test/bench/documents/plot.js "$out/questions.json" docs/benchmarks/documents/questions.svg
echo "== the second question about a document"
node test/bench/documents/resident.js | tee "$out/resident.json"
echo "== the questions of the demo"
node test/bench/documents/demo.js | tee "$out/demo.json"
echo "== extraction"
node test/bench/documents/extraction.js | tee "$out/extraction.json"
node test/bench/documents/extraction.js --unseen | tee "$out/extraction-unseen.json"
echo "== what a grammar costs"
node test/bench/grammar.js | tee "$out/grammar.json"
if [[ -n $python ]]; then
  echo "== transformers"
  OMP_NUM_THREADS=1 "$python" test/bench/documents/reference.py | tee "$out/reference.json"
fi
