{{/* The agent's namespace is part of what the cluster's guard is made of: it has this name and no other. */}}
{{- define "fso-agent.namespace" -}}federated-sovereignty-system{{- end }}

{{- define "fso-agent.selector" -}}
app.kubernetes.io/name: fso-agent
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
{{- end }}

{{/* An object of files/monitoring, as a part of this release: object, name, labels, and the root. */}}
{{- define "fso-agent.monitoringObject" -}}
{{- $metadata := .object.metadata -}}
{{- $_ := set $metadata "name" .name -}}
{{- $_ := set $metadata "namespace" .root.Release.Namespace -}}
{{- $_ := set $metadata "labels" (merge (dict) .labels (include "fso-agent.labels" .root | fromYaml)) -}}
{{- toYaml .object }}
{{- end }}
