{{/* The parts of which pods are made: names, variables, volumes, and one container for each process. */}}

{{- define "bazaar.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "bazaar.host" -}}
{{- (urlParse .Values.publicUrl).host | splitList ":" | first }}
{{- end }}

{{- define "bazaar.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Labels of selectors: (dict "root" $ "part" "web") */}}
{{- define "bazaar.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "bazaar.labels" -}}
{{ include "bazaar.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* The pods that answer the web port. */}}
{{- define "bazaar.webPart" -}}
{{- if eq .Values.git.mode "single" }}single{{ else }}web{{ end }}
{{- end }}

{{/* The pod that holds tunnels and ssh. */}}
{{- define "bazaar.leasesPart" -}}
{{- if eq .Values.git.mode "single" }}single{{ else }}leases{{ end }}
{{- end }}

{{- define "bazaar.fromSecret" -}}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}{{ if .optional }}, optional: true{{ end }}}}
{{- end }}

{{- define "bazaar.env" -}}
{{- $keys := .Values.secretKeys }}
{{- $secret := .Values.existingSecret }}
{{ include "bazaar.fromSecret" (dict "name" "BAZAAR_SECRET_KEY" "secret" $secret "key" $keys.secretKey) }}
{{ include "bazaar.fromSecret" (dict "name" "DATABASE_URL" "secret" $secret "key" $keys.databaseUrl) }}
{{ include "bazaar.fromSecret" (dict "name" "REDIS_URL" "secret" $secret "key" $keys.redisUrl) }}
{{ include "bazaar.fromSecret" (dict "name" "BAZAAR_METRICS_TOKEN" "secret" $secret "key" $keys.metricsToken "optional" (not .Values.metrics.enabled)) }}
- {name: BAZAAR_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
# The kubelet and Prometheus call a pod by its address, the tunnels call the web server by loopback.
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- name: BAZAAR_ALLOWED_HOSTS
  value: {{ concat (list (include "bazaar.host" .)) .Values.allowedHosts (list "$(POD_IP)" "[$(POD_IP)]" "127.0.0.1") | uniq | join "," | quote }}
# Only pods that the network policy lets in can reach the port; each front server writes the headers anew.
- {name: BAZAAR_TRUSTED_PROXIES, value: "*"}
- {name: BAZAAR_SECURE_COOKIES, value: {{ hasPrefix "https://" .Values.publicUrl | ternary "yes" "no" | quote }}}
- {name: BAZAAR_WEB_WORKERS, value: {{ .Values.web.processes | quote }}}
- {name: BAZAAR_WEB_THREADS, value: {{ .Values.web.threads | quote }}}
- {name: BAZAAR_DRAIN_SECONDS, value: {{ eq .Values.git.mode "single" | ternary 0 .Values.web.drainSeconds | quote }}}
- {name: BAZAAR_GRACEFUL_SECONDS, value: {{ .Values.web.gracefulSeconds | quote }}}
- {name: BAZAAR_MARKET_SHARDS, value: {{ .Values.market.shards | quote }}}
- {name: BAZAAR_MARKET_LOCAL_NODE, value: "no"}
- {name: BAZAAR_RUN_DIR, value: /run/leases/sockets}
- {name: HOME, value: /tmp}
{{- if eq .Values.git.mode "shared" }}
# Git reads branches and tags from this pod's own disk: other pods' changes to files of the volume are seen late.
- {name: BAZAAR_GIT_FRONT_DIR, value: /var/lib/fronts}
{{- end }}
{{- with .Values.s3 }}
{{- if .bucket }}
- {name: BAZAAR_S3_BUCKET, value: {{ .bucket | quote }}}
{{- with .endpoint }}
- {name: BAZAAR_S3_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- with .publicEndpoint }}
- {name: BAZAAR_S3_PUBLIC_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- with .region }}
- {name: BAZAAR_S3_REGION, value: {{ . | quote }}}
{{- end }}
{{- with .prefix }}
- {name: BAZAAR_S3_PREFIX, value: {{ . | quote }}}
{{- end }}
- {name: BAZAAR_S3_PRESIGN, value: {{ .presign | ternary "yes" "no" | quote }}}
{{ include "bazaar.fromSecret" (dict "name" "BAZAAR_S3_ACCESS_KEY" "secret" $secret "key" $keys.s3AccessKey) }}
{{ include "bazaar.fromSecret" (dict "name" "BAZAAR_S3_SECRET_KEY" "secret" $secret "key" $keys.s3SecretKey) }}
{{- end }}
{{- end }}
{{- if .Values.leases.enabled }}
- {name: BAZAAR_SSH_PORT, value: {{ .Values.leases.sshPort | quote }}}
- {name: BAZAAR_SSH_BIND, value: "0.0.0.0:2222"}
- {name: BAZAAR_TUNNELS_BIND, value: "0.0.0.0:8001"}
- {name: BAZAAR_WEB_URL, value: "http://127.0.0.1:8000"}
{{- with .Values.leases.url }}
- {name: BAZAAR_LEASES_URL, value: {{ . | quote }}}
{{- end }}
{{- else }}
- {name: BAZAAR_SSH_PORT, value: "0"}
{{- end }}
{{- if .Values.otel.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .Values.otel.endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .Values.otel.sampleRatio | quote }}}
{{- end }}
{{- range $name, $value := .Values.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- range $name, $from := .Values.envFromSecrets }}
{{ include "bazaar.fromSecret" (dict "name" $name "secret" $from.secret "key" $from.key) }}
{{- end }}
{{- end }}

{{/* What every container has in common. */}}
{{- define "bazaar.container" -}}
image: {{ include "bazaar.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env: {{- include "bazaar.env" . | trim | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /data}
{{- if .Values.s3.bucket }}
  - {name: scratch, mountPath: /data/tmp}
{{- end }}
{{- if eq .Values.git.mode "shared" }}
  - {name: fronts, mountPath: /var/lib/fronts}
{{- end }}
  - {name: tmp, mountPath: /tmp}
  - {name: counts, mountPath: /run/bazaar}
  - {name: sockets, mountPath: /run/leases}
{{- end }}

{{- define "bazaar.webContainer" -}}
- name: web
  {{- include "bazaar.container" . | nindent 2 }}
  ports: [{name: http, containerPort: 8000}]
  startupProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 2
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 20
    timeoutSeconds: 10
    failureThreshold: 6
  # All pods share Redis and the object store: without one of them they still serve much, but not if all are taken out.
  readinessProbe:
    httpGet: {path: "/readyz?ignore=redis,objects", port: http}
    periodSeconds: 5
    timeoutSeconds: 5
    failureThreshold: 2
  resources: {{- toYaml .Values.web.resources | nindent 4 }}
{{- end }}

{{/* (dict "root" $ "queues" (list) "concurrency" 4): no queues means all of them. */}}
{{- define "bazaar.workerContainer" -}}
- name: worker
  {{- include "bazaar.container" .root | nindent 2 }}
  command: [celery, --app, bazaar, --quiet, worker, --loglevel, WARNING, --concurrency, {{ .concurrency | quote }}{{ if .queues }}, --queues, {{ join "," .queues | quote }}{{ end }}]
  livenessProbe:
    exec: {command: [sh, -c, "celery --app bazaar inspect ping --destination celery@$HOSTNAME --timeout 10"]}
    initialDelaySeconds: 60
    periodSeconds: 120
    timeoutSeconds: 60
    failureThreshold: 5
  resources: {{- toYaml .root.Values.worker.resources | nindent 4 }}
{{- end }}

{{- define "bazaar.beatContainer" -}}
- name: beat
  {{- include "bazaar.container" . | nindent 2 }}
  # A container that starts again finds the file of the one before, whose number may be another process's now.
  command:
    - sh
    - -c
    - rm -f /tmp/beat.pid; exec celery --app bazaar --quiet beat --loglevel WARNING --schedule /tmp/beat --pidfile /tmp/beat.pid
  livenessProbe:
    exec: {command: [sh, -c, "kill -0 $(cat /tmp/beat.pid)"]}
    initialDelaySeconds: 60
    periodSeconds: 30
  resources: {{- toYaml .Values.beat.resources | nindent 4 }}
{{- end }}

{{- define "bazaar.leasesContainers" -}}
- name: tunnels
  {{- include "bazaar.container" . | nindent 2 }}
  command: [python3, -m, bazaar.server.tunnels]
  ports: [{name: tunnels, containerPort: 8001}]
  readinessProbe: {tcpSocket: {port: tunnels}}
  livenessProbe: {tcpSocket: {port: tunnels}, periodSeconds: 20}
  resources: {{- toYaml .Values.leases.resources | nindent 4 }}
- name: ssh
  {{- include "bazaar.container" . | nindent 2 }}
  command: [python3, -m, compute_market.ssh]
  ports: [{name: ssh, containerPort: 2222}]
  readinessProbe: {tcpSocket: {port: ssh}}
  livenessProbe: {tcpSocket: {port: ssh}, periodSeconds: 20}
  resources: {{- toYaml .Values.leases.resources | nindent 4 }}
{{- end }}

{{/* The pod around its containers: (dict "root" $ "part" "web" "grace" 90 "data" true "containers" TEXT). */}}
{{- define "bazaar.pod" -}}
{{- $ := .root }}
metadata:
  labels: {{- include "bazaar.labels" . | nindent 4 }}
  {{- with $.Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  {{- if eq .part "single" }}
  # Its processes share a folder of counts, in which a file is named after a process: their numbers must differ.
  shareProcessNamespace: true
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    # A volume of millions of files is not walked through at each start.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with $.Values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $.Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $.Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .part "web" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "bazaar.selector" . | nindent 10 }}
  {{- end }}
  {{- if .once }}
  restartPolicy: Never
  {{- end }}
  containers: {{- .containers | trim | nindent 4 }}
  volumes:
    - name: data
      {{- if .data }}
      persistentVolumeClaim: {claimName: {{ $.Values.git.existingClaim | default (include "bazaar.name" $) }}}
      {{- else }}
      emptyDir: {}
      {{- end }}
    {{- if $.Values.s3.bucket }}
    - {name: scratch, emptyDir: {sizeLimit: {{ $.Values.git.scratchSize }}}}
    {{- end }}
    {{- if eq $.Values.git.mode "shared" }}
    - {name: fronts, emptyDir: {}}
    {{- end }}
    - {name: tmp, emptyDir: {}}
    - {name: counts, emptyDir: {medium: Memory, sizeLimit: 256Mi}}
    - {name: sockets, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
{{- end }}
