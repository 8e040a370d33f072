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

LLAMA3 = """\
{{- bos_token -}}
{%- if date_string is not defined -%}
{%- if strftime_now is defined -%}
{%- set date_string = strftime_now('%d %b %Y') -%}
{%- else -%}
{%- set date_string = '26 Jul 2024' -%}
{%- endif -%}
{%- endif -%}
{%- if messages[0]['role'] == 'system' -%}
{%- set system_message = messages[0]['content'] | trim -%}
{%- set messages = messages[1:] -%}
{%- else -%}
{%- set system_message = '' -%}
{%- endif -%}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\n' -}}
{{- 'Today Date: ' + date_string + '\\n\\n' + system_message + '<|eot_id|>' -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}
"""

QWEN3 = """\
{%- if tools -%}
{{- raise_exception('no tools') -}}
{%- endif -%}
{%- if messages[0].role == 'system' -%}
{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' -}}
{%- endif -%}
{%- set ns = namespace(searching=true, last_query_index=messages|length - 1) -%}
{%- for message in messages[::-1] -%}
{%- set index = (messages|length - 1) - loop.index0 -%}
{%- if ns.searching and message.role == 'user' and message.content is string
    and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) -%}
{%- set ns.searching = false -%}
{%- set ns.last_query_index = index -%}
{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if message.content is string -%}
{%- set content = message.content -%}
{%- else -%}
{%- set content = '' -%}
{%- endif -%}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) -%}
{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' -}}
{%- elif message.role == 'assistant' -%}
{%- set reasoning = '' -%}
{%- if message.reasoning_content is string -%}
{%- set reasoning = message.reasoning_content -%}
{%- elif '</think>' in content -%}
{%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') -%}
{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{%- if loop.index0 > ns.last_query_index and (loop.last or reasoning) -%}
{{- '<|im_start|>assistant\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') -}}
{%- else -%}
{{- '<|im_start|>assistant\\n' + content -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if enable_thinking is defined and enable_thinking is false -%}
{{- '<think>\\n\\n</think>\\n\\n' -}}
{%- endif -%}
{%- endif -%}
"""

LLAMA2 = """\
{%- if messages[0]['role'] == 'system' -%}
{%- set loop_messages = messages[1:] -%}
{%- set system_message = '<<SYS>>\\n' + messages[0]['content'].strip() + '\\n<</SYS>>\\n\\n' -%}
{%- else -%}
{%- set loop_messages = messages -%}
{%- set system_message = '' -%}
{%- endif -%}
{%- for message in loop_messages -%}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') -}}
{%- endif -%}
{%- if message['role'] == 'user' -%}
{{- bos_token + '[INST] ' + (system_message if loop.index0 == 0 else '') + message['content'].strip() + ' [/INST]' -}}
{%- elif message['role'] == 'assistant' -%}
{{- ' ' + message['content'].strip() + ' ' + eos_token -}}
{%- endif -%}
{%- endfor -%}
"""
