{{/* The namespace of agents, which holds nothing else: the guard of a cluster lets only the agent write there. */}}
{{- define "fso-hub.agentNamespace" -}}federated-sovereignty-system{{- end }}

{{/*
Fills in what the values lack: with --reuse-values Helm passes those of the release before, which know nothing of newer ones.
Every template begins with it. Fields of these maps are the user's to remove, by null.
*/}}
{{- define "fso-hub.defaults" -}}
{{- include "fso-hub.fill" (dict "values" .Values "defaults" (.Files.Get "files/defaults.yaml" | fromYaml)) -}}
{{- end }}
{{- define "fso-hub.fill" -}}
{{- $open := list "resources" "podSecurityContext" "securityContext" "labels" -}}
{{- range $key, $default := .defaults -}}
{{- $value := get $.values $key -}}
{{- if or (not (hasKey $.values $key)) (kindIs "invalid" $value) -}}
{{- $_ := set $.values $key $default -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) (not (has $key $open)) -}}
{{- include "fso-hub.fill" (dict "values" $value "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "fso-hub.name" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end }}

{{/* The release, and the chart where its name does not say it. 52 characters leave room for what is added; a Service has no dots. */}}
{{- define "fso-hub.fullname" -}}
{{- $name := include "fso-hub.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | replace "." "-" | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "fso-hub.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "fso-hub.fullname" .) -}}
{{- end }}

{{- define "fso-hub.selector" -}}
app.kubernetes.io/name: {{ include "fso-hub.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Not the labels by which Services select hubs. */}}
{{- define "fso-hub.backupSelector" -}}
app.kubernetes.io/name: {{ include "fso-hub.name" . }}-backup
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
{{- .Values.keys.existingSecret | default (printf "%s-keys" (include "fso-hub.fullname" .)) -}}
{{- end }}

{{- define "fso-hub.publicUrl" -}}
{{- if .Values.access.publicUrl }}{{ .Values.access.publicUrl }}{{ else if .Values.ingress.enabled }}https://{{ .Values.ingress.host }}{{ else if .Values.gateway.enabled }}https://{{ .Values.gateway.host }}{{ end -}}
{{- end }}

{{/* Where the pods run and what they belong to, by Kubernetes' own fields. */}}
{{- define "fso-hub.podPlace" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
  {{- end }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The part of a Service that says how others reach it: service, name and number of its port. */}}
{{- define "fso-hub.service" -}}
{{- with .service -}}
type: {{ .type }}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq .type "LoadBalancer" }}
# Keeps the addresses of callers, by which refusals are counted.
externalTrafficPolicy: Local
{{- with .loadBalancerClass }}
loadBalancerClass: {{ . }}
{{- end }}
{{- with .loadBalancerSourceRanges }}
loadBalancerSourceRanges: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
ports:
  - name: {{ $.name }}
    port: {{ $.port }}
    targetPort: {{ $.name }}
    {{- if and .nodePort (ne .type "ClusterIP") }}
    nodePort: {{ .nodePort }}
    {{- end }}
{{- end }}
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
  (dict "variable" "HTTPS_PROXY_FILE" "file" "proxy-url" "from" .Values.proxy.urlSecret)
  (dict "variable" "OTEL_EXPORTER_OTLP_HEADERS_FILE" "file" "otlp-headers" "from" .Values.telemetry.headersSecret) }}
{{- range $all }}{{ if .from.name }}
- {{ toJson . }}
{{- end }}{{ end }}
{{- end }}

{{/* Public keys and certificates, by the name of their file. */}}
{{- define "fso-hub.trust" -}}
{{- with compact (list .Values.ca .Values.proxy.ca) }}
ca.pem: {{ join "\n" . | quote }}
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

{{- define "fso-hub.env" -}}
- name: FSO_LISTEN
  value: ":8080"
- name: FSO_AGENT_LISTEN
  value: ":8443"
- name: FSO_AGENT_HOSTNAMES
  value: {{ append .Values.agents.hostnames (printf "%s-agents.%s.svc" (include "fso-hub.fullname" .) .Release.Namespace) | join "," | quote }}
- name: FSO_DATA_DIR
  value: /data
# Keys of a Secret, where there is one; else the hub makes its own in its data folder.
- name: FSO_KEYS_DIR
  value: /etc/fso/keys
# What a Service takes to send nothing more here.
- name: FSO_SHUTDOWN_DELAY_MS
  value: "5000"
- name: FSO_GIT_URL
  value: {{ .Values.git.url | quote }}
- name: FSO_GIT_REF
  value: {{ .Values.git.ref | quote }}
{{- with include "fso-hub.publicUrl" . }}
- name: FSO_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.access.trustedProxies }}
- name: FSO_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.access.oidc }}
{{- if .issuer }}
- name: FSO_OIDC_ISSUER
  value: {{ .issuer | quote }}
- name: FSO_OIDC_CLIENT_ID
  value: {{ .clientId | quote }}
{{- with .roleMap }}
- name: FSO_OIDC_ROLE_MAP
  value: {{ . | quote }}
{{- end }}
{{- if .grants }}
- name: FSO_ROLES_FILE
  value: /etc/fso/trust/roles.yaml
{{- end }}
{{- end }}
{{- end }}
{{- range include "fso-hub.credentials" . | fromYamlArray }}
- name: {{ .variable }}
  value: /etc/fso/credentials/{{ .file }}
{{- end }}
{{- if or .Values.ca .Values.proxy.ca }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/fso/trust/ca.pem
{{- end }}
{{- if .Values.signers.ssh }}
- name: FSO_SIGNERS_FILE
  value: /etc/fso/trust/allowed-signers
{{- end }}
{{- if .Values.signers.openpgp }}
- name: FSO_SIGNERS_KEYRING
  value: /etc/fso/trust/keyring.asc
{{- end }}
{{- if .Values.alerts.config }}
- name: FSO_ALERTS_FILE
  value: /etc/fso/alerts-file/alerts.yaml
{{- end }}
{{- with .Values.proxy }}
{{- if and .url (not .urlSecret.name) }}
- name: HTTPS_PROXY
  value: {{ .url | quote }}
{{- end }}
{{- if and .noProxy (or .urlSecret.name .url) }}
- name: NO_PROXY
  value: {{ join "," .noProxy | quote }}
{{- end }}
{{- end }}
{{- with .Values.telemetry.otlpEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- if .Values.telemetry.ca }}
- name: OTEL_EXPORTER_OTLP_CERTIFICATE
  value: /etc/fso/trust/collector-ca.pem
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
