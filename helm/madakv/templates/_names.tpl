{{/* Up to 40 characters, so that a pool's name and what Kubernetes adds to it still fit. */}}
{{- define "madakv.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a Service, a policy and a Deployment find their pods by. Takes {root, component}. */}}
{{- define "madakv.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Of pods: nothing that changes with the chart's version, which would start all of them anew. Takes {root, component}. */}}
{{- define "madakv.podLabels" -}}
{{ include "madakv.selector" . }}
app.kubernetes.io/part-of: madakv
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Takes {root, component}. */}}
{{- define "madakv.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "madakv.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: madakv
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "madakv.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "madakv.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Takes {repository, tag, digest}. */}}
{{- define "madakv.imageOf" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}

{{- define "madakv.image" -}}
{{- $image := .Values.image -}}
{{- include "madakv.imageOf" (dict "repository" $image.repository "digest" $image.digest "tag" (default .Chart.AppVersion $image.tag)) -}}
{{- end -}}

{{/* Bytes of `8Gi`, `1048576` or 1048576, as digits. */}}
{{- define "madakv.bytes" -}}
{{- if kindIs "string" . -}}
{{- $factor := get (dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776) (regexFind "[KMGT]i$" .) | default 1 -}}
{{- mul (regexFind "^[0-9]+" . | int64) ($factor | int64) -}}
{{- else -}}
{{- printf "%.0f" (float64 .) -}}
{{- end -}}
{{- end -}}

{{/* A Secret that is not given is made, and what was made once stays. Takes {root, name, key, length}; gives the value in base64. */}}
{{- define "madakv.keptSecret" -}}
{{- $found := (lookup "v1" "Secret" .root.Release.Namespace .name | default dict).data | default dict -}}
{{- get $found .key | default (randAlphaNum .length | b64enc) -}}
{{- end -}}
