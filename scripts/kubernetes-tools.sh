#!/usr/bin/env bash
# Builds the programs of a Kubernetes cluster from their Go modules into a cache outside the tree: API server, controller manager, scheduler, kubectl,
# KEDA's operator and metrics adapter, kwok. Only the first call builds: twenty minutes of two cores that do nothing else, an hour beside other work.
# etcd is Debian's: scripts/system-packages.sh.
set -euo pipefail
kubernetes=1.34.4
keda=2.21.0
kwok=0.8.0
cache=${MADAKV_TOOLS_CACHE:-$HOME/.cache/madakv/tools}
export CGO_ENABLED=0 GOFLAGS=-trimpath GOTOOLCHAIN=local
mkdir -p "$cache"

build_control_plane() {
  local part=$1
  local programs=(kubectl kube-scheduler kube-controller-manager kube-apiserver)
  go mod init example.org/control-plane
  {
    printf '//go:build tools\n\npackage tools\n\nimport (\n'
    printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "${programs[@]}"
    printf ')\n'
  } >tools.go
  go mod edit -require="k8s.io/kubernetes@v$kubernetes"
  # Its own go.mod replaces its staging modules by folders; whoever requires it has to name their versions.
  local module
  for module in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap code-generator \
    component-base component-helpers controller-manager cri-api cri-client csi-translation-lib dynamic-resource-allocation endpointslice \
    externaljwt kms kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils \
    pod-security-admission sample-apiserver sample-cli-plugin sample-controller; do
    go mod edit -replace="k8s.io/$module=k8s.io/$module@v0.${kubernetes#1.}"
  done
  go mod tidy
  local names=k8s.io/component-base/version
  # Charts ask the API server for its version.
  local flags="-s -w -X $names.gitVersion=v$kubernetes -X $names.gitMajor=1 -X $names.gitMinor=$(cut -d. -f2 <<<$kubernetes)"
  local program
  for program in "${programs[@]}"; do
    echo "$program $kubernetes"
    go build -ldflags "$flags" -o "$part/$program" "k8s.io/kubernetes/cmd/$program"
  done
}

# KEDA's go.mod replaces modules, so that it is built inside a copy of itself.
build_keda() {
  local part=$1
  go mod download "github.com/kedacore/keda/v2@v$keda"
  cp -r --no-preserve=mode "$(go env GOMODCACHE)/github.com/kedacore/keda/v2@v$keda/." .
  echo "keda $keda"
  go build -ldflags '-s -w' -o "$part/keda-adapter" ./cmd/adapter
  go build -ldflags '-s -w' -o "$part/keda-operator" ./cmd/operator
  # What it needs in a cluster: resource definitions and its own rights.
  cp -r config "$part/config"
}

# The stages (how long a pod takes to be ready, when a node is) come with its module.
build_kwok() {
  local part=$1
  echo "kwok $kwok"
  GOBIN=$part go install -ldflags '-s -w' "sigs.k8s.io/kwok/cmd/kwok@v$kwok"
  cp -r --no-preserve=mode "$(go env GOMODCACHE)/sigs.k8s.io/kwok@v$kwok/kustomize" "$part/kustomize"
}

# build NAME FUNCTION: calls the function in an empty folder with the folder to fill, which gets its name only when it is complete.
build() {
  local target=$cache/$1
  if [[ -e $target ]]; then return; fi
  part=$(mktemp -d "$cache/part.XXXXXX")
  source=$(mktemp -d)
  pushd "$source" >/dev/null
  "$2" "$part"
  popd >/dev/null
  chmod 755 "$part"
  mv -T "$part" "$target" 2>/dev/null || true
  rm -rf "$part" "$source"
}
trap 'rm -rf "${part:-}" "${source:-}"' EXIT

build "control-plane-v$kubernetes" build_control_plane
build "kwok-v$kwok" build_kwok
build "keda-programs-v$keda" build_keda
