"""Byte-level tokens: a byte is a token, ids 0-255 are the byte values, Qwen's special tokens follow.

Copying text out of a page is copying glyph after glyph; bytes spare the model from having to know how a string would have been merged.
"""

from __future__ import annotations

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
END_OF_TEXT, IM_START, IM_END, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD = range(256, 256 + len(SPECIALS))
VOCAB = 264  # padded to a multiple of 8

CHAT_TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def encode(text: str) -> list[int]:
    """Text without special tokens -> ids."""
    return list(text.encode("utf-8"))


def decode(ids: list[int]) -> str:
    """Ids -> text; special tokens are skipped."""
    return bytes(i for i in ids if i < 256).decode("utf-8", errors="replace")


def turn_start(role: str) -> list[int]:
    return [IM_START, *encode(role + "\n")]


def image_tokens(cells: int) -> list[int]:
    return [VISION_START, *([IMAGE_PAD] * cells), VISION_END]


def answer_cue() -> list[int]:
    """What the template adds between a question and its answer."""
    return [IM_END, *encode("\n"), *turn_start("assistant")]


def byte_to_char() -> dict[int, str]:
    """The printable stand-in of each byte in byte-level tokenizer files (as GPT-2 defined it)."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in keep}
    extra = 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table
