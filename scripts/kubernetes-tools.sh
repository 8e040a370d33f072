#!/usr/bin/env bash
# Builds the programs of a Kubernetes control plane from their Go modules into a cache outside the tree: API server, controller manager, scheduler,
# kubectl. Only the first call builds: ten minutes of two cores that do nothing else, half an hour beside other work. etcd is Debian's.
set -euo pipefail
version=1.34.4
command -v etcd >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends etcd-server
cache=${MADAKV_TOOLS_CACHE:-$HOME/.cache/madakv/tools}
target=$cache/control-plane-v$version
[[ -e $target ]] && exit 0
export CGO_ENABLED=0 GOFLAGS=-trimpath GOTOOLCHAIN=local
mkdir -p "$cache"
part=$(mktemp -d "$cache/control-plane.XXXXXX")
source=$(mktemp -d)
trap 'rm -rf "$part" "$source"' EXIT
cd "$source"
programs=(kubectl kube-scheduler kube-controller-manager kube-apiserver)
go mod init example.org/control-plane
{
  printf '//go:build tools\n\npackage tools\n\nimport (\n'
  printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "${programs[@]}"
  printf ')\n'
} >tools.go
go mod edit -require="k8s.io/kubernetes@v$version"
# Its own go.mod replaces its staging modules by folders; whoever requires it has to name their versions.
for module in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap code-generator \
  component-base component-helpers controller-manager cri-api cri-client csi-translation-lib dynamic-resource-allocation endpointslice \
  externaljwt kms kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils \
  pod-security-admission sample-apiserver sample-cli-plugin sample-controller; do
  go mod edit -replace="k8s.io/$module=k8s.io/$module@v0.${version#1.}"
done
go mod tidy
names=k8s.io/component-base/version
# Charts ask the API server for its version.
flags="-s -w -X $names.gitVersion=v$version -X $names.gitMajor=1 -X $names.gitMinor=$(cut -d. -f2 <<<$version)"
for program in "${programs[@]}"; do
  echo "$program $version"
  go build -ldflags "$flags" -o "$part/$program" "k8s.io/kubernetes/cmd/$program"
done
chmod 755 "$part"
mv -T "$part" "$target" 2>/dev/null || true
