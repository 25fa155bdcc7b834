{{/* A text whose {NAME} is the value of another variable, in the words of Kubernetes; {{NAME}} is {NAME} itself. */}}
{{- define "django-service.refer" -}}
{{- $text := regexReplaceAll "\\{\\{([A-Z][A-Z0-9_]*)\\}\\}" . "\x01${1}\x02" -}}
{{- regexReplaceAll "\\{([A-Z][A-Z0-9_]*)\\}" $text "$$(${1})" | replace "\x01" "{" | replace "\x02" "}" -}}
{{- end -}}

{{/* A number or a truth value as it is written: as text, Helm would have 1e+07 for 10000000. */}}
{{- define "django-service.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/*
Variables of a container: the ConfigMap, the Secrets, and those of its process alone.

Arguments: root, secrets (names), env, port; inline, where no object of the release may be needed: hooks run before those exist.
*/}}
{{- define "django-service.variables" -}}
{{- $own := dict -}}
{{- /* Last, since a reference is to what comes before it. */ -}}
{{- $referring := dict -}}
{{- range $key, $value := include "django-service.env" .root | fromJson -}}
{{- /* In a ConfigMap $(NAME) is text. */ -}}
{{- $text := include "django-service.text" $value | replace "$(" "$$(" -}}
{{- $said := include "django-service.refer" $text -}}
{{- if ne $said $text }}{{ $_ := set $referring $key $said }}{{ else if $.inline }}{{ $_ := set $own $key $text }}{{ end -}}
{{- end -}}
{{- range $key, $value := default dict .env -}}
{{- $text := include "django-service.text" $value -}}
{{- $said := include "django-service.refer" $text -}}
{{- $_ := unset $own $key -}}
{{- $_ := unset $referring $key -}}
{{- $_ := set (ternary $own $referring (eq $said $text)) $key $said -}}
{{- end -}}
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
{{- if or $own $referring }}
env:
  {{- range list $own $referring }}
  {{- range $key, $value := . }}
  - name: {{ $key | quote }}
    value: {{ $value | quote }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}
