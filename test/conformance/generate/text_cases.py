"""Checkpoints that read text alone. Keys as in cases.py; `tokenizer` is a row of checkpoint.TOKENIZERS."""

PASSAGE = (
    "The invoice of the second page names a total amount of 1.234,56. The user compares two charts: the line of the first is "
    "higher in the last quarter of 2024, the line of the other falls by 12 percent.\n\nThe picture shows a red square, a blue "
    "circle and a green line. Le montant de la facture est de 97 euros; der Betrag wird am 3. März fällig."
)

REQUESTS = {
    "text": [{"role": "user", "content": "Which line is higher in 2024?"}],
    "turns": [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "What does the table say?"},
        {"role": "assistant", "content": "The total is 97."},
        {"role": "user", "content": f"{PASSAGE}\n\nAnd the total é 漢 here?"},
    ],
}

DECODER = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 416,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
}
COMMON = {"vision": None, "root": {}, "names": "new", "processor": None, "requests": REQUESTS}

# layout: "nested" is as today's transformers write it, "old" has `rope_scaling` and `rope_theta` instead of `rope_parameters`
TEXT_CASES = {
    "llama-3-tied": {
        **COMMON,
        "family": "llama", "tokenizer": "llama3",
        "text": {
            **DECODER, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 128,
            },
        },
        "layout": "old", "dtype": "bfloat16", "shards": 1, "template": "config",
    },
    "llama-biases-yarn": {
        **COMMON,
        "family": "llama", "tokenizer": "llama2",
        "text": {
            **DECODER, "hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 16,
            "num_hidden_layers": 3, "vocab_size": 448, "attention_bias": True, "mlp_bias": True,
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64,
            },
        },
        "layout": "nested", "dtype": "float16", "shards": 2, "template": "file",
    },
    "qwen2-tied": {
        **COMMON,
        "family": "qwen2", "tokenizer": "chatml",
        "text": {
            **DECODER, "num_key_value_heads": 1, "num_hidden_layers": 3, "tie_word_embeddings": True,
            "use_sliding_window": False, "sliding_window": 128, "max_window_layers": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        },
        "layout": "old", "dtype": "float32", "shards": 1, "template": "config",
    },
    "qwen3-plain": {
        **COMMON,
        "family": "qwen3", "tokenizer": "qwen3",
        "text": {**DECODER, "head_dim": 32, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
        "layout": "nested", "dtype": "float32", "shards": 1, "template": "file",
    },
    "qwen3-biases-yarn": {
        **COMMON,
        "family": "qwen3", "tokenizer": "qwen3",
        "text": {
            **DECODER, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 16, "num_hidden_layers": 3,
            "attention_bias": True, "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 1000000.0, "factor": 2.0, "original_max_position_embeddings": 256,
                "attention_factor": 0.9, "beta_fast": 16.0, "beta_slow": 2.0, "truncate": False,
            },
        },
        "layout": "old", "dtype": "bfloat16", "shards": 2, "template": "config",
    },
}

# Behind all others, whose seeds are their places in the table.
LAST_TEXT_CASES = {
    "mistral-plain": {
        **COMMON,
        "family": "mistral", "tokenizer": "llama2",
        "text": {
            **DECODER, "head_dim": 24, "vocab_size": 448, "sliding_window": None,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        },
        "layout": "nested", "dtype": "float32", "shards": 1, "template": "file",
    },
}
