{{/* The agent's namespace is part of what the cluster's guard is made of: it has this name and no other. */}}
{{- define "fso-agent.namespace" -}}federated-sovereignty-system{{- end }}

{{/*
Fills in what the values lack: with --reuse-values Helm passes those of the release before, which know nothing of newer ones.
Every template begins with it. Fields of these maps are the user's to remove, by null.
*/}}
{{- define "fso-agent.defaults" -}}
{{- include "fso-agent.fill" (dict "values" .Values "defaults" (.Files.Get "files/defaults.yaml" | fromYaml)) -}}
{{- end }}
{{- define "fso-agent.fill" -}}
{{- $open := list "resources" "podSecurityContext" "securityContext" "labels" -}}
{{- range $key, $default := .defaults -}}
{{- $value := get $.values $key -}}
{{- if or (not (hasKey $.values $key)) (kindIs "invalid" $value) -}}
{{- $_ := set $.values $key $default -}}
{{- else if and (kindIs "map" $default) (kindIs "map" $value) (not (has $key $open)) -}}
{{- include "fso-agent.fill" (dict "values" $value "defaults" $default) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "fso-agent.name" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end }}

{{/* One agent governs a cluster, so that its objects are not named after the release. 52 characters leave room for what is added to them. */}}
{{- define "fso-agent.fullname" -}}
{{- .Values.fullnameOverride | default (include "fso-agent.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "fso-agent.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "fso-agent.fullname" .) -}}
{{- end }}

{{- define "fso-agent.selector" -}}
app.kubernetes.io/name: {{ include "fso-agent.name" . }}
{{- end }}

{{- define "fso-agent.labels" -}}
{{ include "fso-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: federated-sovereignty-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "fso-agent.image" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry -}}
{{- with $registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end }}

{{/* Users of each platform's control plane; the defaults of the program are those of kubeadm. */}}
{{- define "fso-agent.platforms" -}}
kubeadm:
  binders: [system:kube-scheduler]
  nodeLabelers:
    - system:cloud-controller-manager
    - system:serviceaccount:kube-system:cloud-controller-manager
    - system:serviceaccount:kube-system:cloud-node-controller
eks:
  binders: [system:kube-scheduler, eks:fargate-scheduler]
  nodeLabelers: [eks:cloud-controller-manager]
gke:
  binders: [system:kube-scheduler]
  nodeLabelers: [system:cloud-controller-manager, system:gcp-controller-manager]
aks:
  binders: [system:kube-scheduler]
  nodeLabelers:
    - system:cloud-controller-manager
    - system:serviceaccount:kube-system:cloud-controller-manager
    - system:serviceaccount:kube-system:cloud-node-manager
{{- end }}

{{/* Where the pods run and what they belong to, by Kubernetes' own fields. */}}
{{- define "fso-agent.podPlace" -}}
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

{{/* A token of the API server that is good for an hour, and for this pod. */}}
{{- define "fso-agent.apiAccess" -}}
- name: api-access
  projected:
    defaultMode: 288 # 0440
    sources:
      - serviceAccountToken: { path: token, expirationSeconds: 3600 }
      - configMap:
          name: kube-root-ca.crt
          items: [{ key: ca.crt, path: ca.crt }]
      - downwardAPI:
          items: [{ path: namespace, fieldRef: { fieldPath: metadata.namespace } }]
{{- end }}

{{/* Public keys and certificates, by the name of their file. */}}
{{- define "fso-agent.trust" -}}
{{- with .Values.hub.ca }}
hub-ca.pem: {{ . | quote }}
{{- end }}
{{- with .Values.signers.ssh }}
allowed-signers: {{ . | quote }}
{{- end }}
{{- with .Values.signers.openpgp }}
keyring.asc: {{ . | quote }}
{{- end }}
{{- with .Values.telemetry.ca }}
collector-ca.pem: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.ca }}
proxy-ca.pem: {{ . | quote }}
{{- end }}
{{- end }}

{{/* An object of files/monitoring, as a part of this release: object, name, labels, and the root. */}}
{{- define "fso-agent.monitoringObject" -}}
{{- $metadata := .object.metadata -}}
{{- $_ := set $metadata "name" .name -}}
{{- $_ := set $metadata "namespace" .root.Release.Namespace -}}
{{- $_ := set $metadata "labels" (merge (dict) .labels (include "fso-agent.labels" .root | fromYaml)) -}}
{{- toYaml .object }}
{{- end }}

{{/* Port of a URL. */}}
{{- define "fso-agent.port" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end }}

{{- define "fso-agent.env" -}}
{{- $platform := get (include "fso-agent.platforms" . | fromYaml) .Values.platform -}}
- name: FSO_CLUSTER
  value: {{ .Values.cluster | quote }}
- name: FSO_LISTEN
  value: ":8081"
- name: FSO_TRUSTED_BINDERS
  value: {{ concat $platform.binders .Values.trustedBinders | uniq | join "," | quote }}
- name: FSO_TRUSTED_NODE_LABELERS
  value: {{ concat $platform.nodeLabelers .Values.trustedNodeLabelers | uniq | join "," | quote }}
- name: FSO_GATEKEEPER_NAMESPACE
  value: {{ .Values.gatekeeper.namespace | quote }}
{{- with .Values.hub.url }}
- name: FSO_HUB_URL
  value: {{ . | quote }}
- name: FSO_ENROLL_TOKEN_FILE
  value: /etc/fso/enrolment/token
{{- end }}
{{- if .Values.hub.ca }}
- name: FSO_HUB_CA_FILE
  value: /etc/fso/trust/hub-ca.pem
{{- end }}
{{- if .Values.signers.ssh }}
- name: FSO_SIGNERS_FILE
  value: /etc/fso/trust/allowed-signers
{{- end }}
{{- if .Values.signers.openpgp }}
- name: FSO_SIGNERS_KEYRING
  value: /etc/fso/trust/keyring.asc
{{- end }}
{{- if .Values.openReports.enabled }}
- name: FSO_OPENREPORTS
  value: "true"
{{- end }}
{{- with .Values.proxy }}
{{- if .urlSecret.name }}
- name: HTTPS_PROXY_FILE
  value: /etc/fso/proxy/url
{{- else if .url }}
- name: HTTPS_PROXY
  value: {{ .url | quote }}
{{- end }}
{{- if and .noProxy (or .urlSecret.name .url) }}
- name: NO_PROXY
  value: {{ join "," .noProxy | quote }}
{{- end }}
{{- if .ca }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/fso/trust/proxy-ca.pem
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
{{- if .Values.telemetry.headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS_FILE
  value: /etc/fso/telemetry/headers
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
