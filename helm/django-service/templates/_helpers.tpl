{{/* Beginning of the names of all objects: the release's name, short enough for what is added to it. */}}
{{- define "django-service.fullname" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that never change for a release: those of selectors. As a dependency the chart has its alias for a name. */}}
{{- define "django-service.selectorLabels" -}}
app.kubernetes.io/name: django-service
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "django-service.labels" -}}
{{ include "django-service.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "django-service-%s" .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The image by digest, or by tag where it has none. */}}
{{- define "django-service.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ required "image.digest or image.tag is needed: invoke build prints the digest" .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The processes with their defaults filled in, as JSON: a template returns text alone. */}}
{{- define "django-service.processes" -}}
{{- $all := dict -}}
{{- range $name, $given := .Values.processes -}}
{{- if $given -}}
{{- $_ := set $all $name (mustMergeOverwrite (deepCopy $.Values.processDefaults) (deepCopy $given)) -}}
{{- end -}}
{{- end -}}
{{- $all | toJson -}}
{{- end -}}

{{/* Names of the Secrets whose keys become variables. */}}
{{- define "django-service.secretNames" -}}
{{- $names := .Values.secrets.existing -}}
{{- if .Values.secrets.external.enabled }}{{ $names = append $names (printf "%s-env" (include "django-service.fullname" .)) }}{{ end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* Plain variables, each process's own apart. */}}
{{- define "django-service.env" -}}
{{- $env := dict -}}
{{- if .Values.hosts }}{{ $_ := set $env "ALLOWED_HOSTS" (join "," .Values.hosts) }}{{ end -}}
{{- /* gunicorn and uvicorn read it; behind the sidecar they believe that alone, which is on the loopback address. */ -}}
{{- if and .Values.trustedProxies (ne .Values.static.mode "nginx") -}}
{{- $_ := set $env "FORWARDED_ALLOW_IPS" (join "," (concat (list "127.0.0.1" "::1") .Values.trustedProxies)) -}}
{{- end -}}
{{- mustMergeOverwrite $env (deepCopy .Values.env) | toJson -}}
{{- end -}}

{{/* Security context of all containers; the pods pass the Pod Security Standard "restricted". */}}
{{- define "django-service.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "django-service.podSecurity" -}}
runAsNonRoot: true
# The user of the image.
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Folders of data in a container of the service. Arguments: root; existing, where only claims are there that the release does not make. */}}
{{- define "django-service.dataMounts" -}}
{{- $existing := .existing -}}
{{- with .root.Values.media }}
{{- if and .path (or .existingClaim (not $existing)) }}
- name: media
  mountPath: {{ .path | quote }}
{{- end }}
{{- end }}
{{- with .root.Values.persist }}
{{- if or .existingClaim (not $existing) }}
{{- range .paths }}
- name: persist
  mountPath: {{ . | quote }}
  subPath: {{ trimPrefix "/" . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The init container with which these folders begin, as on a host target. Arguments as above, and resources. */}}
{{- define "django-service.dataContainer" -}}
{{- $places := dict -}}
{{- with .root.Values.media }}
{{- if and .path (or .existingClaim (not $.existing)) }}{{ $_ := set $places .path "/data/media" }}{{ end }}
{{- end }}
{{- with .root.Values.persist }}
{{- if or .existingClaim (not $.existing) }}
{{- range .paths }}{{ $_ := set $places . (printf "/data/persist%s" .) }}{{ end }}
{{- end }}
{{- end }}
{{- if $places }}
- name: data
  image: {{ include "django-service.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [/opt/venv/bin/python, -c]
  args:
    - |
      {{- .root.Files.Get "files/seed.py" | nindent 6 }}
    {{- range $folder, $place := $places }}
    - {{ $folder | quote }}
    - {{ $place | quote }}
    {{- end }}
  securityContext:
    {{- include "django-service.containerSecurity" .root | nindent 4 }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  volumeMounts:
    {{- if has "/data/media" (values $places) }}
    - name: media
      mountPath: /data/media
    {{- end }}
    {{- if gt (len $places) (ternary 1 0 (has "/data/media" (values $places))) }}
    - name: persist
      mountPath: /data/persist
    {{- end }}
{{- end }}
{{- end -}}

{{/* The volumes of these. Arguments as above. */}}
{{- define "django-service.dataVolumes" -}}
{{- range $name, $claim := dict "media" .root.Values.media "persist" .root.Values.persist }}
{{- if and (or $claim.path $claim.paths) (or $claim.existingClaim (not $.existing)) }}
- name: {{ $name }}
  persistentVolumeClaim:
    claimName: {{ $claim.existingClaim | default (printf "%s-%s" (include "django-service.fullname" $.root) $name) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A probe's request, with a host name that the service answers to. */}}
{{- define "django-service.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- with first .hosts }}
  httpHeaders:
    - name: Host
      value: {{ . | quote }}
  {{- end }}
{{- end -}}
