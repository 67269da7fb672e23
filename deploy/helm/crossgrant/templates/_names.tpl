{{- define "crossgrant.name" -}}
{{- if contains "crossgrant" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-crossgrant" (.Release.Name | trunc 41 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "crossgrant.selector" -}}
app.kubernetes.io/name: crossgrant
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "crossgrant.labels" -}}
{{ include "crossgrant.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "crossgrant.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "crossgrant.name" .) -}}
{{- end -}}

{{/* The names under which the service is reached, for [admin] hosts. */}}
{{- define "crossgrant.hosts" -}}
{{- $name := include "crossgrant.name" . -}}
{{- $space := .Release.Namespace -}}
{{- printf "%s %s.%s %s.%s.svc %s.%s.svc.cluster.local" $name $name $space $name $space $name $space -}}
{{- end -}}
