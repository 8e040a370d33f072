"""Checkpoints of Qwen's vision families beside Qwen2.5-VL. Keys as in cases.py; `patch` is the processor's patch in pixels."""

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 416,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
}
QWEN2_TEXT = {
    **TEXT,
    "num_hidden_layers": 2,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [2, 3, 3]},
}
QWEN3_TEXT = {
    **TEXT,
    "head_dim": 32,
    "rope_parameters": {
        "rope_type": "default", "rope_theta": 5000000.0, "mrope_section": [6, 5, 5], "mrope_interleaved": True,
    },
}
QWEN2_VISION = {"depth": 2, "embed_dim": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14}
QWEN3_VISION = {
    "depth": 3, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 16,
    "num_position_embeddings": 36, "deepstack_visual_indexes": [0, 2],
}
COMMON = {"tokenizer": "chatml", "root": {"tie_word_embeddings": False}, "dtype": "float32", "shards": 1, "template": "file"}


def qwen_vl_cases(requests: dict) -> dict:
    qwen3_page = {name: requests[name] for name in ("text", "one-image", "three-images")}
    return {
        "qwen2-vl-plain": {
            **COMMON,
            "family": "qwen2_vl", "text": {**QWEN2_TEXT}, "vision": {**QWEN2_VISION},
            "layout": "nested", "names": "new", "processor": "preprocessor", "patch": 14, "max_pixels": 28 * 28 * 30,
            "requests": requests,
        },
        "qwen2-vl-flat-tied": {
            **COMMON,
            "family": "qwen2_vl",
            "text": {**QWEN2_TEXT, "num_key_value_heads": 1},
            "vision": {**QWEN2_VISION, "hidden_act": "gelu"},
            "root": {"tie_word_embeddings": True},
            "layout": "flat", "names": "old", "dtype": "bfloat16",
            "processor": "processor", "patch": 14, "max_pixels": 28 * 28 * 12,
            "requests": {"three-images": requests["three-images"]},
        },
        "qwen3-vl-plain": {
            **COMMON,
            "family": "qwen3_vl", "text": {**QWEN3_TEXT}, "vision": {**QWEN3_VISION},
            "layout": "nested", "names": "new", "processor": "preprocessor", "patch": 16, "max_pixels": 32 * 32 * 40,
            "requests": qwen3_page,
        },
        "qwen3-vl-biases-sharded": {
            **COMMON,
            "family": "qwen3_vl",
            "text": {
                **QWEN3_TEXT, "num_attention_heads": 6, "num_key_value_heads": 1, "head_dim": 16, "attention_bias": True,
                "num_hidden_layers": 4,
                "rope_parameters": {
                    "rope_type": "yarn", "rope_theta": 5000000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True,
                    "factor": 2.0, "original_max_position_embeddings": 64,
                },
            },
            "vision": {
                **QWEN3_VISION, "depth": 4, "hidden_size": 48, "num_position_embeddings": 25, "deepstack_visual_indexes": [3, 1, 2],
            },
            "layout": "nested", "names": "new", "dtype": "bfloat16", "shards": 2, "template": "json",
            "processor": "processor", "patch": 16, "max_pixels": 32 * 32 * 20,
            "requests": {"three-images": requests["three-images"]},
        },
    }
