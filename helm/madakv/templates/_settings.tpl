{{/* Ports that the services listen on; nothing else may name them. */}}
{{- define "madakv.port" -}}
{{- get (dict "gateway" 8080 "gatewayHealth" 8081 "workerHealth" 8082 "budget" 50051 "budgetHttp" 50052 "redis" 6379) . -}}
{{- end -}}

{{/*
Variables of a map of settings, in the order of their names. What is no text is written as JSON, which is what settings of lists
and maps are read as.
*/}}
{{- define "madakv.settings" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else }}{{ $value | toJson | quote }}{{ end }}
{{- end }}
{{- end -}}

{{/* Address of Redis as its parts: {scheme, user, host, port, database, secret, key, urlKey}, as JSON. */}}
{{- define "madakv.redis" -}}
{{- if eq .Values.redis.mode "bundled" -}}
{{- $secret := .Values.redis.bundled.passwordSecret -}}
{{- dict "scheme" "redis" "user" "" "host" (printf "%s-redis" (include "madakv.fullname" .)) "port" (include "madakv.port" "redis")
  "database" "0" "secret" (default (printf "%s-redis" (include "madakv.fullname" .)) $secret.name) "key" $secret.key "urlKey" (default $secret.key $secret.urlKey) | toJson -}}
{{- else -}}
{{- $external := .Values.redis.external -}}
{{- if not $external.url }}{{ fail "redis.external.url: needed with redis.mode external" }}{{ end -}}
{{- $url := urlParse $external.url -}}
{{- $host := splitList ":" $url.host -}}
{{- $secret := $external.passwordSecret -}}
{{- dict "scheme" $url.scheme "user" $url.userinfo "host" (first $host) "port" (ternary (last $host) "6379" (eq (len $host) 2))
  "database" (trimPrefix "/" $url.path | default "0") "secret" $secret.name "key" $secret.key "urlKey" (default $secret.key $secret.urlKey) | toJson -}}
{{- end -}}
{{- end -}}

{{/* The variables that lead to Redis. The password stands in a Secret only; Kubernetes puts it into the URL. */}}
{{- define "madakv.env.redis" -}}
{{- $redis := include "madakv.redis" . | fromJson -}}
{{- if $redis.secret }}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef: { name: {{ $redis.secret }}, key: {{ $redis.urlKey }} }
{{- end }}
- name: MADAKV_REDIS_URL
  value: {{ printf "%s://%s%s%s:%s/%s" $redis.scheme $redis.user (ternary ":$(REDIS_PASSWORD)@" (ternary "@" "" (ne $redis.user "")) (ne $redis.secret "")) $redis.host $redis.port $redis.database | quote }}
{{- end -}}

{{/* What gateway, workers and budget service have in common. Takes {root, keys}: `keys`, whether jobs and records are read. */}}
{{- define "madakv.env.common" -}}
{{- $root := .root -}}
{{- include "madakv.env.redis" $root | trim }}
{{- if and (eq $root.Values.redis.mode "external") $root.Values.redis.external.caSecret.name }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/madakv/redis-ca/ca.crt
{{- end }}
- name: MADAKV_LOG_LEVEL
  value: {{ $root.Values.logLevel }}
{{- if .keys }}
- name: MADAKV_KEY_PREFIX
  value: {{ $root.Values.redis.keyPrefix | quote }}
- name: MADAKV_ALLOW_VOLATILE_REDIS
  value: {{ $root.Values.redis.allowVolatile | quote }}
{{- end }}
{{- with $root.Values.telemetry }}
{{- if .otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .otlpEndpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .otlpProtocol }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .sampleRatio | quote }}
{{- end }}
{{- end }}
{{- if include "madakv.prometheus" $root }}
- name: OTEL_METRICS_EXPORTER
  value: prometheus
- name: OTEL_EXPORTER_PROMETHEUS_PORT
  value: {{ $root.Values.telemetry.prometheus.port | quote }}
{{- end }}
{{- end -}}

{{/* Not empty where processes show their metrics to Prometheus. */}}
{{- define "madakv.prometheus" -}}
{{- if or .Values.telemetry.prometheus.enabled .Values.monitoring.podMonitor.enabled }}yes{{ end -}}
{{- end -}}

{{/* Where files lie, for gateway and workers. */}}
{{- define "madakv.env.storage" -}}
{{- if eq .Values.storage.type "s3" -}}
{{- with .Values.storage.s3 -}}
{{- if not .bucket }}{{ fail "storage.s3.bucket: needed with storage.type s3" }}{{ end -}}
- name: MADAKV_STORAGE
  value: {{ printf "s3://%s/%s" .bucket .prefix | trimSuffix "/" | quote }}
{{- if .endpoint }}
- name: AWS_ENDPOINT_URL_S3
  value: {{ .endpoint | quote }}
{{- end }}
{{- if .region }}
- name: AWS_REGION
  value: {{ .region | quote }}
{{- end }}
{{- with .credentialsSecret }}
{{- if .name }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: { name: {{ .name }}, key: {{ .accessKeyIdKey }} }
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: { name: {{ .name }}, key: {{ .secretAccessKeyKey }} }
{{- end }}
{{- end }}
{{- end }}
{{- else -}}
- name: MADAKV_STORAGE
  value: /data/files
{{- end }}
{{- end -}}

{{- define "madakv.storageClaim" -}}
{{- default (printf "%s-files" (include "madakv.fullname" .)) .Values.storage.claim.existingClaim -}}
{{- end -}}

{{/* A setting that is a list, given as one or as its JSON, as JSON. */}}
{{- define "madakv.list" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}
