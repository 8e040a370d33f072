{{/*
What pods have in common. Service links are off: for a Service `madakv-gateway` Kubernetes would set MADAKV_GATEWAY_PORT to a URL.
Takes {root, with, spread}: `with` is the part of the values that says where the pods go, `spread` the component whose pods are better
on different nodes, unless `with` says how.
*/}}
{{- define "madakv.podSpec" -}}
serviceAccountName: {{ include "madakv.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "madakv.withoutNulls" (mergeOverwrite (deepCopy .root.Values.podSecurityContext) (.with.podSecurityContext | default dict)) | nindent 2 }}
{{- with .with.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .with.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .with.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .with.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .with.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .with.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- else }}
{{- if .spread }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "madakv.selector" (dict "root" .root "component" .spread) | nindent 8 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A map as YAML without what was set to null, which not every version of Helm leaves out. */}}
{{- define "madakv.withoutNulls" -}}
{{- $kept := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $kept $key $value }}{{ end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{- define "madakv.container" -}}
image: {{ include "madakv.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "madakv.withoutNulls" .Values.containerSecurityContext | nindent 2 }}
{{- end -}}

{{/* Volumes of gateway, budget service and workers: a folder for temporary files, the authority of Redis. */}}
{{- define "madakv.volumes" -}}
- name: tmp
  emptyDir: {}
{{- with .Values.redis }}
{{- if and (eq .mode "external") .external.caSecret.name }}
- name: redis-ca
  secret:
    secretName: {{ .external.caSecret.name }}
    items: [{ key: {{ .external.caSecret.key }}, path: ca.crt }]
{{- end }}
{{- end }}
{{- end -}}

{{- define "madakv.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if and (eq .Values.redis.mode "external") .Values.redis.external.caSecret.name }}
- name: redis-ca
  mountPath: /etc/madakv/redis-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "madakv.volumes.storage" -}}
{{- if eq .Values.storage.type "claim" -}}
- name: files
  persistentVolumeClaim:
    claimName: {{ include "madakv.storageClaim" . }}
{{- end }}
{{- end -}}

{{- define "madakv.mounts.storage" -}}
{{- if eq .Values.storage.type "claim" -}}
- name: files
  mountPath: /data
{{- end }}
{{- end -}}

{{- define "madakv.podAnnotations" -}}
{{- $all := mergeOverwrite (deepCopy .root.Values.podAnnotations) (.with.podAnnotations | default dict) -}}
{{- with $all }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "madakv.metricsPort" -}}
{{- if include "madakv.prometheus" . -}}
- name: metrics
  containerPort: {{ .Values.telemetry.prometheus.port }}
{{- end }}
{{- end -}}
