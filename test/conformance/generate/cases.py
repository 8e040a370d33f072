"""The table of checkpoints: every shape, layout and number format that must load."""

from qwen_vl_cases import qwen_vl_cases
from text_cases import LAST_TEXT_CASES, TEXT_CASES

TEXT = {"text": [{"role": "user", "content": [{"type": "text", "text": "Which line is higher in 2024?"}]}]}
ONE = {
    "one-image": [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "exact.png"}},
                {"type": "text", "text": "What does the table say?"},
            ],
        }
    ]
}
THREE = {
    "three-images": [
        {"role": "system", "content": [{"type": "text", "text": "Answer in one sentence."}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "First page:"},
                {"type": "image_url", "image_url": {"url": "wide.png"}},
                {"type": "image_url", "image_url": {"url": "tall.png"}},
                {"type": "text", "text": "Compare the charts."},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "The second is higher."}]},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "photo.jpg"}},
                {"type": "text", "text": "And the total é 漢 here?"},
            ],
        },
    ]
}

QWEN_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 416,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [2, 3, 3]},
}
QWEN_VISION = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "window_size": 112,
    "fullatt_block_indexes": [1],
}
LLAMA_TEXT = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 448,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 4096,
}
CLIP_VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
    "projection_dim": 32,
    "hidden_act": "quick_gelu",
}

# family, text and vision settings, root settings of config.json, and how the folder is written:
#   layout   config keys: "nested" (today's) or "flat"/"sparse" (older: qwen's flat one, llava's with defaults left out)
#   names    tensor names: "new" or "old"
#   dtype    of the stored weights
#   shards   number of weight files
#   template where the chat template is: "file", "json" (chat_template.json) or "config" (tokenizer_config.json)
#   tokenizer a row of checkpoint.TOKENIZERS
#   processor "preprocessor" or "processor" (image settings nested in processor_config.json)
#   max_pixels caps qwen's images so that fixtures stay small
CASES = {
    "qwen-plain": {
        "family": "qwen2_5_vl", "tokenizer": "chatml",
        "text": {**QWEN_TEXT},
        "vision": {**QWEN_VISION},
        "root": {"tie_word_embeddings": False},
        "layout": "nested", "names": "new", "dtype": "float32", "shards": 1,
        "template": "file", "processor": "preprocessor", "max_pixels": 28 * 28 * 30,
        "requests": {**TEXT, **ONE, **THREE},
    },
    "qwen-flat-tied": {
        "family": "qwen2_5_vl", "tokenizer": "chatml",
        "text": {**QWEN_TEXT, "num_key_value_heads": 4},
        "vision": {**QWEN_VISION, "depth": 3, "fullatt_block_indexes": [0, 2]},
        "root": {"tie_word_embeddings": True},
        "layout": "flat", "names": "old", "dtype": "float32", "shards": 1,
        "template": "config", "processor": "preprocessor", "max_pixels": 28 * 28 * 12,
        "requests": {**TEXT, **ONE, **THREE},
    },
    "qwen-bf16-sharded": {
        "family": "qwen2_5_vl", "tokenizer": "chatml",
        "text": {
            **QWEN_TEXT, "hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 1, "num_hidden_layers": 3,
        },
        "vision": {**QWEN_VISION, "fullatt_block_indexes": [0]},
        "root": {"tie_word_embeddings": False},
        "layout": "nested", "names": "new", "dtype": "bfloat16", "shards": 3,
        "template": "json", "processor": "processor", "max_pixels": 28 * 28 * 30,
        "requests": {**TEXT, **ONE, **THREE},
    },
    "llava-plain": {
        "family": "llava",
        "text": {**LLAMA_TEXT},
        "vision": {**CLIP_VISION},
        "root": {"vision_feature_layer": -2, "vision_feature_select_strategy": "default"},
        "layout": "nested", "names": "new", "dtype": "float32", "shards": 1,
        "template": "file", "processor": "processor", "tokenizer": "first",
        "requests": {**TEXT, **ONE, **THREE},
    },
    "llava-old-f16": {
        "family": "llava",
        "text": {**LLAMA_TEXT, "num_hidden_layers": 3, "rms_norm_eps": 1e-6},
        "vision": {**CLIP_VISION},
        "root": {"vision_feature_layer": -2, "vision_feature_select_strategy": "default"},
        "layout": "sparse", "names": "old", "dtype": "float16", "shards": 2,
        "template": "json", "processor": "preprocessor", "tokenizer": "normalizer",
        "requests": {**TEXT, **ONE, **THREE},
    },
    "llava-biases": {
        "family": "llava",
        "text": {
            **LLAMA_TEXT, "hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 1, "head_dim": 16,
            "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "llama3", "rope_theta": 5000.0, "factor": 4.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
            },
        },
        "vision": {**CLIP_VISION, "hidden_act": "gelu"},
        "root": {
            "vision_feature_layer": [-3, -1], "vision_feature_select_strategy": "full",
            "multimodal_projector_bias": False, "tie_word_embeddings": True,
        },
        "layout": "nested", "names": "new", "dtype": "float32", "shards": 2,
        "template": "config", "processor": "processor", "tokenizer": "first",
        "requests": {**TEXT, **ONE, **THREE},
    },
    "llava-linear-rope": {
        "family": "llava",
        "text": {
            **LLAMA_TEXT, "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0},
        },
        "vision": {**CLIP_VISION},
        "root": {"vision_feature_layer": -1, "vision_feature_select_strategy": "default"},
        "layout": "nested", "names": "old", "dtype": "bfloat16", "shards": 1,
        "template": "config", "processor": "preprocessor", "tokenizer": "first",
        "requests": {**ONE},
    },
    **TEXT_CASES,
    **qwen_vl_cases({**TEXT, **ONE, **THREE}),
    "llava-next-plain": {
        "family": "llava_next",
        "text": {**LLAMA_TEXT, "num_key_value_heads": 2},
        "vision": {**CLIP_VISION},
        "root": {
            "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
            "image_grid_pinpoints": [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]],
        },
        "layout": "nested", "names": "new", "dtype": "float32", "shards": 1,
        "template": "file", "processor": "processor", "tokenizer": "first",
        "requests": {**TEXT, **ONE, **THREE},
    },
    "llava-next-mistral": {
        "family": "llava_next",
        "text": {**LLAMA_TEXT, "model_type": "mistral", "num_key_value_heads": 1, "sliding_window": None},
        "vision": {**CLIP_VISION},
        "root": {
            "vision_feature_layer": [-3, -1], "vision_feature_select_strategy": "default",
            "image_grid_pinpoints": [[112, 112], [56, 168], [168, 112]],
        },
        "layout": "nested", "names": "old", "dtype": "bfloat16", "shards": 1,
        "template": "config", "processor": "preprocessor", "tokenizer": "first",
        "requests": {**THREE},
    },
    **LAST_TEXT_CASES,
}
