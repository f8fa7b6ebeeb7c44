"""Chat templates with the habits of others than Llama's, in Llama's tokens."""

# As Qwen3's: the thinking of earlier turns is left out.
THINKING = """{{- bos_token }}{%- for turn in messages %}
{%- set text = turn['content'] %}
{%- if turn['role'] == 'assistant' and not loop.last and '</think>' in text %}
{%- set text = text.split('</think>')[-1].lstrip('\\n') %}{%- endif %}
{{- '<|start_header_id|>' + turn['role'] + '<|end_header_id|>\\n\\n' + text + '<|eot_id|>' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"""
NO_SYSTEM = (
    "{%- if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + THINKING
)
