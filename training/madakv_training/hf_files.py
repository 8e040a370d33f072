"""The files around the weights of a Hugging Face checkpoint, in the layout that transformers writes."""

from __future__ import annotations

import json
from pathlib import Path

from . import tokens
from .config import IMAGE_MEAN, IMAGE_STD, MAX_PIXELS, MERGE, MIN_PIXELS, PATCH, TEMPORAL, WINDOW_CELLS, ReaderConfig


def model_config(c: ReaderConfig) -> dict:
    text = {
        "attention_dropout": 0.0,
        "bos_token_id": tokens.END_OF_TEXT,
        "eos_token_id": tokens.IM_END,
        "hidden_act": "silu",
        "hidden_size": c.width,
        "initializer_range": 0.02,
        "intermediate_size": c.ff,
        "layer_types": ["full_attention"] * c.layers,
        "max_position_embeddings": c.max_positions,
        "max_window_layers": c.layers,
        "model_type": "qwen2_5_vl_text",
        "num_attention_heads": c.heads,
        "num_hidden_layers": c.layers,
        "num_key_value_heads": c.kv_heads,
        "pad_token_id": None,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {"mrope_section": list(c.mrope_section), "rope_theta": c.rope_theta, "rope_type": "default"},
        "sliding_window": None,
        "tie_word_embeddings": True,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": tokens.VOCAB,
    }
    vision = {
        "depth": c.vision_layers,
        "fullatt_block_indexes": list(c.vision_full),
        "hidden_act": "silu",
        "hidden_size": c.vision_width,
        "in_channels": 3,
        "initializer_range": 0.02,
        "intermediate_size": c.vision_ff,
        "model_type": "qwen2_5_vl_vision",
        "num_heads": c.vision_heads,
        "out_hidden_size": c.width,
        "patch_size": PATCH,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "axial"},
        "spatial_merge_size": MERGE,
        "spatial_patch_size": PATCH,
        "temporal_patch_size": TEMPORAL,
        "tokens_per_second": 2,
        "window_size": WINDOW_CELLS * MERGE * PATCH,
    }
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "dtype": "bfloat16",
        "eos_token_id": tokens.IM_END,
        "image_token_id": tokens.IMAGE_PAD,
        "model_type": "qwen2_5_vl",
        "text_config": text,
        "tie_word_embeddings": True,
        "video_token_id": tokens.VIDEO_PAD,
        "vision_config": vision,
        "vision_end_token_id": tokens.VISION_END,
        "vision_start_token_id": tokens.VISION_START,
    }


def tokenizer() -> dict:
    """A byte-level BPE without merges: 256 bytes, then the special tokens."""
    chars = tokens.byte_to_char()
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 256 + i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for i, t in enumerate(tokens.SPECIALS)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": level,
        "post_processor": level,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {chars[b]: b for b in range(256)},
            "merges": [],
        },
    }


def tokenizer_config() -> dict:
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(256 + i): {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True} for i, t in enumerate(tokens.SPECIALS)},
        "additional_special_tokens": tokens.SPECIALS[1:],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "processor_class": "Qwen2_5_VLProcessor",
        "split_special_tokens": False,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None,
    }


def processor_config() -> dict:
    return {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [IMAGE_MEAN] * 3,
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_std": [IMAGE_STD] * 3,
        "max_pixels": MAX_PIXELS,
        "merge_size": MERGE,
        "min_pixels": MIN_PIXELS,
        "patch_size": PATCH,
        "processor_class": "Qwen2_5_VLProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": MAX_PIXELS, "shortest_edge": MIN_PIXELS},
        "temporal_patch_size": TEMPORAL,
    }


def generation_config() -> dict:
    return {"bos_token_id": tokens.END_OF_TEXT, "do_sample": False, "eos_token_id": [tokens.IM_END, tokens.END_OF_TEXT], "max_new_tokens": 256, "pad_token_id": tokens.END_OF_TEXT}


def write(folder: Path, config: ReaderConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "config.json": model_config(config),
        "generation_config.json": generation_config(),
        "preprocessor_config.json": processor_config(),
        "tokenizer.json": tokenizer(),
        "tokenizer_config.json": {**tokenizer_config(), "chat_template": tokens.CHAT_TEMPLATE},
        "chat_template.json": {"chat_template": tokens.CHAT_TEMPLATE},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    (folder / "chat_template.jinja").write_text(tokens.CHAT_TEMPLATE)
