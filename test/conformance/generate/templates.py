"""Chat templates that write what the published checkpoints' templates write."""

CHATML = """\
{%- set images = namespace(count=0) -%}
{%- for message in messages -%}
{%- if loop.first and message['role'] != 'system' -%}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' or 'image' in part or 'image_url' in part -%}
{%- set images.count = images.count + 1 -%}
{%- if add_vision_id %}Picture {{ images.count }}: {% endif -%}
<|vision_start|><|image_pad|><|vision_end|>
{%- elif 'text' in part -%}
{{- part['text'] -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""

VICUNA = """\
{% for message in messages %}
{% if message['role'] != 'system' %}
{{- message['role'] | upper + ': ' -}}
{% endif %}
{# Images come first, whatever their place in the message #}
{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}
{{- '<image>\\n' -}}
{% endfor %}
{% if message['role'] != 'assistant' %}
{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}
{{- part['text'] + ' ' -}}
{% endfor %}
{% else %}
{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}
{{- part['text'] + '</s> ' -}}
{% endfor %}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{- 'ASSISTANT:' -}}
{% endif %}
"""
