{{/* Values with which the hub would lose data, hold a secret in plain text, or not start are refused here. */}}
{{- define "bazaar.checks" -}}
{{- if not .Values.publicUrl }}
{{- fail "publicUrl is missing: the address that people type, such as https://hub.example.org" }}
{{- end }}
{{- if not .Values.image.repository }}
{{- fail "image.repository is missing: the registry and name under which you keep the image" }}
{{- end }}
{{- if not .Values.existingSecret }}
{{- fail "existingSecret is missing: make a Secret with secret-key, database-url and redis-url, and give its name (README.md of the chart has the command)" }}
{{- end }}
{{- range $name, $value := .Values.env }}
{{- if or (has $name (list "DATABASE_URL" "REDIS_URL")) (regexMatch "(SECRET|PASSWORD|TOKEN|ACCESS_KEY|BACKUP_KEY|DSN)$|SECRET_KEY" $name) }}
{{- fail (printf "env.%s is a secret: put it into a Secret and name it in envFromSecrets" $name) }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range (include "bazaar.env" . | fromYamlArray) }}
{{- if hasKey $seen .name }}
{{- fail (printf "%s is set twice: by env or envFromSecrets, and by another value of the chart" .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- $seen = dict }}
{{- range .Values.workers }}
{{- if hasKey $seen .name }}
{{- fail (printf "two workers are named %s" .name) }}
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- if eq .Values.redis.mode "cluster" }}
{{- fail "redis.mode cluster: Redis Cluster does not work, because Celery's queues span several keys. Use standalone or sentinel." }}
{{- end }}
{{- $several := or (gt (int .Values.web.replicas) 1) .Values.web.autoscaling.enabled }}
{{- if and (eq .Values.git.mode "single") $several }}
{{- fail "git.mode single has one pod: more web replicas need git.mode: shared and a ReadWriteMany volume" }}
{{- end }}
{{- if and (eq .Values.git.mode "single") .Values.keda.enabled }}
{{- fail "git.mode single has one worker in its one pod: KEDA needs git.mode: shared" }}
{{- end }}
{{- if and (eq .Values.git.mode "shared") (ne .Values.git.accessMode "ReadWriteMany") }}
{{- fail (printf "git.mode shared needs git.accessMode: ReadWriteMany, not %q: pods of several nodes write to the volume" .Values.git.accessMode) }}
{{- end }}
{{- if and (eq .Values.git.mode "single") (eq .Values.git.accessMode "ReadOnlyMany") }}
{{- fail "git.accessMode ReadOnlyMany: the hub writes to its volume" }}
{{- end }}
{{- if eq .Values.git.mode "shared" }}
{{- $taken := list }}
{{- range .Values.workers }}{{ $taken = concat $taken .queues }}{{ end }}
{{- $queues := list "celery" }}
{{- range $shard := untilStep 1 (int (add1 .Values.market.shards)) 1 }}{{ $queues = append $queues (printf "market-%d" $shard) }}{{ end }}
{{- range $queues }}
{{- if not (has . $taken) }}
{{- fail (printf "no worker takes the queue %s: its tasks would wait for ever" .) }}
{{- end }}
{{- end }}
{{- range uniq $taken }}
{{- if not (has . $queues) }}
{{- fail (printf "there is no queue %s: they are %s" . (join ", " $queues)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.keda.enabled (not .Values.keda.prometheusAddress) }}
{{- fail "keda.prometheusAddress is missing: KEDA asks Prometheus how many tasks wait" }}
{{- end }}
{{- if and .Values.ingress.enabled .Values.gateway.enabled }}
{{- fail "ingress and gateway are both enabled: choose one" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
{{- fail "gateway.parentRefs is missing: the Gateway that the routes belong to" }}
{{- end }}
{{- if and .Values.s3.endpoint (not .Values.s3.bucket) }}
{{- fail "s3.endpoint is set, but s3.bucket is not" }}
{{- end }}
{{- end }}
