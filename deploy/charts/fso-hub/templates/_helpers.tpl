{{/* The namespace of agents, which holds nothing else: the guard of a cluster lets only the agent write there. */}}
{{- define "fso-hub.agentNamespace" -}}federated-sovereignty-system{{- end }}

{{- define "fso-hub.selector" -}}
app.kubernetes.io/name: fso-hub
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "fso-hub.labels" -}}
{{ include "fso-hub.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: federated-sovereignty-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "fso-hub.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry -}}
{{- with $registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "fso-hub.keys" -}}
{{- .Values.keys.existingSecret | default (printf "%s-keys" .Release.Name) -}}
{{- end }}

{{- define "fso-hub.publicUrl" -}}
{{- if .Values.access.publicUrl }}{{ .Values.access.publicUrl }}{{ else if .Values.ingress.enabled }}https://{{ .Values.ingress.host }}{{ else if .Values.gateway.enabled }}https://{{ .Values.gateway.host }}{{ end -}}
{{- end }}

{{/* Names under which agents reach the hub, for what passes TLS through by name: without addresses. */}}
{{- define "fso-hub.agentNames" -}}
{{- range .Values.agents.hostnames }}
{{- if not (or (contains ":" .) (regexMatch "^[0-9.]+$" .)) }}
- {{ . | quote }}
{{- end }}{{ end }}
{{- end }}

{{/* Credentials that are given: variable, file, and where the value is. */}}
{{- define "fso-hub.credentials" -}}
{{- $all := list
  (dict "variable" "FSO_GIT_TOKEN_FILE" "file" "git-token" "from" .Values.git.tokenSecret)
  (dict "variable" "FSO_WEBHOOK_SECRET_FILE" "file" "webhook-secret" "from" .Values.git.webhookSecret)
  (dict "variable" "FSO_API_TOKEN_FILE" "file" "api-token" "from" .Values.access.apiTokenSecret)
  (dict "variable" "FSO_OIDC_CLIENT_SECRET_FILE" "file" "oidc-client-secret" "from" .Values.access.oidc.clientSecret)
  (dict "variable" "DATABASE_URL_FILE" "file" "database-url" "from" .Values.database.urlSecret)
  (dict "variable" "OTEL_EXPORTER_OTLP_HEADERS_FILE" "file" "otlp-headers" "from" .Values.telemetry.headersSecret) }}
{{- range $all }}{{ if .from.name }}
- {{ toJson . }}
{{- end }}{{ end }}
{{- end }}

{{/* Public keys and certificates, by the name of their file. */}}
{{- define "fso-hub.trust" -}}
{{- with .Values.ca }}
ca.pem: {{ . | quote }}
{{- end }}
{{- with .Values.signers.ssh }}
allowed-signers: {{ . | quote }}
{{- end }}
{{- with .Values.signers.openpgp }}
keyring.asc: {{ . | quote }}
{{- end }}
{{- with .Values.access.oidc.grants }}
roles.yaml: {{ dict "grants" . | toYaml | quote }}
{{- end }}
{{- with .Values.telemetry.ca }}
collector-ca.pem: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Port of a URL. */}}
{{- define "fso-hub.port" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end }}

{{/* An object of files/monitoring, as a part of this release: object, name, labels, and the root. */}}
{{- define "fso-hub.monitoringObject" -}}
{{- $metadata := .object.metadata -}}
{{- $_ := set $metadata "name" .name -}}
{{- $_ := set $metadata "namespace" .root.Release.Namespace -}}
{{- $_ := set $metadata "labels" (merge (dict) .labels (include "fso-hub.labels" .root | fromYaml)) -}}
{{- toYaml .object }}
{{- end }}
