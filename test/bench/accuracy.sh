#!/usr/bin/env bash
# docs/benchmarks/accuracy.md with its figures: what every policy and every part of MadaKV keeps of the reader's accuracy, at shares
# of the cache from 2.5 to 100 %; docs/benchmarks/ablation.md: the parts of MadaKV alone. Stop it at any time: the same command goes on where it was.
set -euo pipefail

usage() {
  cat <<'TEXT'
test/bench/accuracy.sh [options] [-- options of madakv eval, such as --variant or --ratios]

  -m FOLDER   checkpoint (models/madakv-reader)
  -q NUMBER   questions of each set (500)
  -s SETS     sets with commas between (all; "PDF Chromium" needs Chromium, "PDF TeX" pdflatex, "PDF LibreOffice" LibreOffice)
  -t NUMBER   threads (all cores)
  -T MINUTES  stop after that long; the report says that it is not complete
  -e SEEDS    report: the seeds to publish; tune: other documents, to choose options on (report)
  -P          use the layer profile of `madakv calibrate` where there is one
  -o FOLDER   requests and results (bench-results/accuracy-SEEDS-NUMBER)
  -d FILE.md  where the report goes, with ablation.md beside it (docs/benchmarks/accuracy.md; for tuning in the folder of the results only)
  -p PYTHON   with training/requirements.txt (.venv/bin/python where there is one, else python3)

Everything but -t and -T decides what is measured: with other values give another -o.
TEXT
}

root=$(realpath "$(dirname "$0")/../..")
# A path as it is seen from the repository, where everything runs.
path() { realpath -sm --relative-to="$root" "$1"; }

model=models/madakv-reader questions=500 sets='' threads='' minutes='' seeds=report profile=--no-profile out='' document='' python=''
while getopts m:q:s:t:T:e:Po:d:p:h option; do
  case $option in
    m) model=$(path "$OPTARG") ;;
    q) questions=$OPTARG ;;
    s) sets=$OPTARG ;;
    t) threads=$OPTARG ;;
    T) minutes=$OPTARG ;;
    e) seeds=$OPTARG ;;
    P) profile='' ;;
    o) out=$(path "$OPTARG") ;;
    d) document=$(path "$OPTARG") ;;
    p) python=$(realpath -sm "$OPTARG") ;;
    h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
done
shift $((OPTIND - 1))

cd "$root"
case $seeds in
  report) split=0 document=${document:-docs/benchmarks/accuracy.md} ;;
  tune) split=1 ;;
  *) usage >&2 && exit 2 ;;
esac
out=${out:-bench-results/accuracy-$seeds-$questions}
if [[ -z $python ]]; then
  python=python3
  if [[ -x .venv/bin/python ]]; then python=$root/.venv/bin/python; fi
fi
requests=$(realpath -m "$out/requests")
mkdir -p "$requests"

training() { (cd training && "$python" -m "$@"); }
if [[ -z $sets ]]; then sets=$(cd training && "$python" -c 'from madakv_training import sets; print(",".join(sets.NAMES))'); fi
IFS=, read -ra names <<<"$sets"
for name in "${names[@]}"; do
  made="$requests/.made-${name// /-}-$questions"
  if [[ ! -e $made ]]; then
    training madakv_training.make_requests "$requests" --questions "$questions" --split "$split" --sets "$name"
    touch "$made"
  fi
done

limit=()
if [[ -n $minutes ]]; then limit=(timeout --foreground --signal=INT "${minutes}m"); fi
stopped=0
"${limit[@]}" node apps/cli/bin/madakv.js eval --suite reader --model "$model" --data "$out/requests" --sets "$sets" --limit "$questions" \
  --policies full,all,ablation $profile ${threads:+--threads "$threads"} --out "$out" "$@" || stopped=$?
# 124: the minutes are over.
if ((stopped != 0 && stopped != 124)); then exit "$stopped"; fi
node apps/cli/bin/madakv.js eval report "$out" ${document:+--to "$document"}
if [[ -n $document ]]; then
  node apps/cli/bin/madakv.js eval report "$out" --policies full,ablation --to "$(dirname "$document")/ablation.md"
fi
