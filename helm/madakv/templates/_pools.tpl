{{/*
A pool as it is after `poolDefaults`, as JSON: with `bytes` of its device, `folder` of its model, `waitFor`, the file that says that the
model is complete, and `claim`, the volume that the model lies on. Takes {root, pool}.
*/}}
{{- define "madakv.pool" -}}
{{- $root := .root -}}
{{- $pool := mergeOverwrite (deepCopy $root.Values.poolDefaults) (deepCopy .pool) -}}
{{- $where := printf "pools[%s]" $pool.name -}}
{{- $_ := set $pool "generates" (has "generate" $pool.roles) -}}
{{- $_ := set $pool "prepares" (has "prepare" $pool.roles) -}}
{{- $_ := set $pool "batches" (has "batch" $pool.roles) -}}
{{- $_ := set $pool "bytes" (include "madakv.bytes" $pool.deviceCapacity) -}}
{{- $_ := set $pool "objectName" (printf "%s-%s" (include "madakv.fullname" $root) $pool.name) -}}
{{- if or $pool.generates $pool.prepares -}}
{{- if not $pool.model }}{{ fail (printf "%s.model: needed for the roles prepare and generate" $where) }}{{ end -}}
{{- if not (hasKey $root.Values.models $pool.model) }}{{ fail (printf "%s.model: %s is none of models" $where $pool.model) }}{{ end -}}
{{- $_ := mergeOverwrite $pool (include "madakv.model" (dict "root" $root "name" $pool.model) | fromJson) -}}
{{- end -}}
{{- if and (eq $pool.kvCache "int8") (ne $pool.provider "cpu") }}{{ fail (printf "%s.kvCache: int8 is for provider cpu" $where) }}{{ end -}}
{{- if and (eq $pool.precision "fp16") (ne $pool.provider "webgpu") }}{{ fail (printf "%s.precision: fp16 is for provider webgpu" $where) }}{{ end -}}
{{- $scaling := $pool.autoscaling -}}
{{- $_ := set $pool "scales" (and $root.Values.autoscaling.enabled $scaling.enabled (not $scaling.external)) -}}
{{- if and $pool.scales (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}{{ fail (printf "%s.autoscaling.minReplicas: %v is more than maxReplicas %v" $where $scaling.minReplicas $scaling.maxReplicas) }}{{ end -}}
{{- if and $pool.scales $pool.generates $pool.batches (eq (int $scaling.minReplicas) 0) }}{{ fail (printf "%s.autoscaling.minReplicas: a pool that both generates and takes batches keeps one worker" $where) }}{{ end -}}
{{- $pool | toJson -}}
{{- end -}}

{{/* `{folder, waitFor, claim}` of a model, as JSON. Takes {root, name}. */}}
{{- define "madakv.model" -}}
{{- $model := get .root.Values.models .name -}}
{{- if $model.image -}}
{{- dict "folder" $model.image.path "waitFor" "" "claim" "" | toJson -}}
{{- else if $model.claim -}}
{{- $folder := printf "/models/%s" $model.claim.path | trimSuffix "/" -}}
{{- $marker := $model.claim.marker | default "" -}}
{{- dict "folder" $folder "claim" $model.claim.name "waitFor" (ternary (printf "%s/%s" $folder $marker) "" (ne $marker "")) | toJson -}}
{{- else -}}
{{- $folder := printf "/models/%s/%s" .name $model.fetch.revision -}}
{{- dict "folder" $folder "waitFor" (printf "%s.complete" $folder) "claim" (include "madakv.modelStore" .root) | toJson -}}
{{- end -}}
{{- end -}}

{{- define "madakv.modelStore" -}}
{{- default (printf "%s-models" (include "madakv.fullname" .)) .Values.modelStore.existingClaim -}}
{{- end -}}

{{/* Not empty where a model is fetched. */}}
{{- define "madakv.fetches" -}}
{{- range .Values.models }}{{ if .fetch }}yes{{ end }}{{ end -}}
{{- end -}}
