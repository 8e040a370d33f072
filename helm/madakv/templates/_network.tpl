{{- define "madakv.ofComponent" -}}
podSelector:
  matchLabels: {{- include "madakv.selector" . | nindent 4 }}
{{- end }}

{{- define "madakv.publicInternet" }}
- ipBlock:
    cidr: 0.0.0.0/0
    except: {{- toYaml .privateNetworks | nindent 6 }}
- ipBlock:
    cidr: '::/0'
    except: {{- toYaml .privateNetworks6 | nindent 6 }}
{{- end }}

{{- define "madakv.egress.dns" }}
- to: {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
  ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - { protocol: UDP, port: {{ . }} }
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}

{{- define "madakv.egress.redis" }}
{{- $redis := include "madakv.redis" . | fromJson }}
- ports:
    - { protocol: TCP, port: {{ $redis.port }} }
  {{- if eq .Values.redis.mode "bundled" }}
  to:
    - {{- include "madakv.ofComponent" (dict "root" . "component" "redis") | nindent 6 }}
  {{- else }}
  {{- with .Values.networkPolicy.redisTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "madakv.egress.telemetry" }}
{{- if .Values.telemetry.otlpEndpoint }}
{{- $url := urlParse .Values.telemetry.otlpEndpoint }}
{{- $host := splitList ":" $url.host }}
- ports:
    - { protocol: TCP, port: {{ ternary (last $host) (ternary "443" "80" (eq $url.scheme "https")) (gt (len $host) 1) }} }
  {{- with .Values.networkPolicy.telemetryTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "madakv.egress.storage" }}
{{- if eq .Values.storage.type "s3" }}
{{- $url := urlParse (default "https://s3" .Values.storage.s3.endpoint) }}
{{- $host := splitList ":" $url.host }}
- ports:
    - { protocol: TCP, port: {{ ternary (last $host) (ternary "443" "80" (eq $url.scheme "https")) (gt (len $host) 1) }} }
  to:
    {{- with .Values.networkPolicy.storageTo }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- include "madakv.publicInternet" .Values.networkPolicy | trim | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{- define "madakv.ingress.metrics" }}
{{- if include "madakv.prometheus" . }}
- from: {{- toYaml .Values.networkPolicy.monitoringFrom | nindent 4 }}
  ports:
    - { protocol: TCP, port: {{ .Values.telemetry.prometheus.port }} }
{{- end }}
{{- end }}
