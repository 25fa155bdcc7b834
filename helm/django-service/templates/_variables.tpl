{{/*
Variables of a container: the ConfigMap, the Secrets, and those of its process alone.

Arguments: root, secrets (names), env, port; inline, where no object of the release may be needed: hooks run before those exist.
*/}}
{{- define "django-service.variables" -}}
{{- $plain := ternary (include "django-service.env" .root | fromJson) dict (default false .inline) -}}
{{- $own := mustMergeOverwrite $plain (deepCopy (default dict .env)) -}}
{{- if .port }}{{ $_ := set $own "PORT" (toString .port) }}{{ end -}}
{{- if or .secrets (not .inline) -}}
envFrom:
  {{- if not .inline }}
  - configMapRef:
      name: {{ include "django-service.fullname" .root }}-env
  {{- end }}
  {{- range .secrets }}
  - secretRef:
      name: {{ . | quote }}
  {{- end }}
{{ end -}}
{{- with $own }}
env:
  {{- range $key, $value := . }}
  - name: {{ $key | quote }}
    value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
{{- end -}}
