{{/* The pod of a worker, alike for both kinds of store. */}}
{{- define "crossgrant.pod" -}}
{{- $sqlite := eq .Values.store.kind "sqlite" -}}
metadata:
  labels:
    {{- include "crossgrant.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Most of the configuration needs a restart.
    checksum/config: {{ .Values.config | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "crossgrant.serviceAccount" . }}
  # The worker asks nothing of the cluster.
  automountServiceAccountToken: false
  # Variables of services would look like settings of the worker.
  enableServiceLinks: false
  # What a stop takes at most beside the drain: deliveries 10 s, the outbox 10 s, goodbyes 18 s.
  terminationGracePeriodSeconds: {{ add .Values.drainSeconds 40 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    # Otherwise each start would open the files of the store to the group.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: worker
      image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      env:
        - name: CROSSGRANT_CONFIG
          value: /etc/crossgrant/config/crossgrant.toml
        - name: CROSSGRANT_BROKER_URL_FILE
          value: {{ printf "/etc/crossgrant/secrets/%s" .Values.secret.brokerUrl | quote }}
        # The image names a file for the store.
        - name: CROSSGRANT_STORE_PATH
          # A folder of the worker's own: that of the volume belongs to root, and the group may write it.
          value: {{ ternary "/var/lib/crossgrant/store/crossgrant.db" "" $sqlite | quote }}
        {{- if not $sqlite }}
        - name: CROSSGRANT_STORE_URL_FILE
          value: {{ printf "/etc/crossgrant/secrets/%s" .Values.secret.storeUrl | quote }}
        {{- end }}
        {{- with .Values.door.key }}
        - name: CROSSGRANT_DOOR_KEY_FILE
          value: {{ printf "/etc/crossgrant/secrets/%s" . | quote }}
        {{- end }}
        {{- with .Values.webhook.secret }}
        - name: CROSSGRANT_WEBHOOK_SECRET_FILE
          value: {{ printf "/etc/crossgrant/secrets/%s" . | quote }}
        {{- end }}
        - name: CROSSGRANT_ADMIN_LISTEN
          value: {{ printf "%s:9180" .Values.adminAddress | quote }}
        - name: CROSSGRANT_ADMIN_HOSTS
          value: {{ include "crossgrant.hosts" . | quote }}
        - name: CROSSGRANT_WORKER_DRAIN
          value: {{ printf "%ds" (int .Values.drainSeconds) | quote }}
        - name: CROSSGRANT_LOG_FORMAT
          value: {{ .Values.logFormat | quote }}
        {{- with .Values.trace.endpoint }}
        - name: CROSSGRANT_TRACE_ENDPOINT
          value: {{ . | quote }}
        - name: CROSSGRANT_TRACE_RATIO
          value: {{ $.Values.trace.ratio | quote }}
        {{- end }}
      ports:
        - name: admin
          containerPort: 9180
      # As patient as the watchdog of the systemd unit. A store or a broker that is down is no reason to start again.
      livenessProbe:
        httpGet: {path: /healthz, port: admin}
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 6
      # Until the store is open, which includes a migration, nothing answers.
      startupProbe:
        httpGet: {path: /healthz, port: admin}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 120
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 3
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/crossgrant/config
          readOnly: true
        - name: secrets
          mountPath: /etc/crossgrant/secrets
          readOnly: true
        {{- if $sqlite }}
        - name: store
          mountPath: /var/lib/crossgrant
        {{- end }}
        {{- if .Values.oidcToken.enabled }}
        - name: oidc-token
          mountPath: /var/run/secrets/tokens
          readOnly: true
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "crossgrant.name" . }}
    - name: secrets
      secret:
        secretName: {{ required "secret.name: the Secret with the URL of the broker and the other secrets" .Values.secret.name }}
        # The group of the pod can read them as well.
        defaultMode: 0400
    {{- if .Values.oidcToken.enabled }}
    - name: oidc-token
      projected:
        defaultMode: 0400
        sources:
          - serviceAccountToken:
              path: oidc-token
              audience: {{ .Values.oidcToken.audience | quote }}
              expirationSeconds: {{ int .Values.oidcToken.expirationSeconds }}
    {{- end }}
  {{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
  {{- with get $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
{{- end -}}
