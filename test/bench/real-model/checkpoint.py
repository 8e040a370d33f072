"""A model of the Llama kind in a GGUF file as a folder in Hugging Face layout: weights widened to float32, tokenizer and chat template from the
file's metadata. Usage: checkpoint.py FILE.gguf FOLDER"""

import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, TokenType, dequantize
from safetensors.numpy import save_file

# What a layer's tensors are called, in GGUF and here.
LAYER = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
MODEL = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
# Kinds of tokenizer (`tokenizer.ggml.pre`) whose splitting is known here.
SPLITTING = {
    "smollm": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    ],
}


class Metadata:
    def __init__(self, reader: GGUFReader):
        self.fields = reader.fields
        self.kind = self["general.architecture"]

    def __getitem__(self, key: str):
        return self.fields[key].contents()

    def get(self, key: str, default=None):
        return self[key] if key in self.fields else default

    def of_model(self, key: str):
        return self[f"{self.kind}.{key}"]


def halves_together(weight: np.ndarray, heads: int) -> np.ndarray:
    """GGUF has the two values that a rotary position turns beside each other, Hugging Face half a head apart."""
    return weight.reshape(heads, -1, 2, weight.shape[-1]).swapaxes(1, 2).reshape(weight.shape)


def name_of(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in MODEL:
        return f"{MODEL[stem]}.weight"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{LAYER[part]}.weight"


def weights(reader: GGUFReader, data: Metadata) -> dict[str, np.ndarray]:
    heads = {"attn_q": data.of_model("attention.head_count"), "attn_k": data.of_model("attention.head_count_kv")}
    tensors = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        part = tensor.name.split(".")[-2]
        tensors[name_of(tensor.name)] = np.ascontiguousarray(
            halves_together(values, heads[part]) if part in heads else values
        )
    return tensors


def config(data: Metadata, tied: bool) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_act": "silu",
        "hidden_size": data.of_model("embedding_length"),
        "intermediate_size": data.of_model("feed_forward_length"),
        "num_hidden_layers": data.of_model("block_count"),
        "num_attention_heads": data.of_model("attention.head_count"),
        "num_key_value_heads": data.of_model("attention.head_count_kv"),
        "max_position_embeddings": data.of_model("context_length"),
        "rms_norm_eps": round(data.of_model("attention.layer_norm_rms_epsilon"), 12),
        "rope_theta": data.of_model("rope.freq_base"),
        "vocab_size": data.of_model("vocab_size"),
        "tie_word_embeddings": tied,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": data["tokenizer.ggml.bos_token_id"],
        "eos_token_id": data["tokenizer.ggml.eos_token_id"],
    }


def tokenizer(data: Metadata) -> dict:
    kind = data["tokenizer.ggml.pre"]
    if kind not in SPLITTING:
        raise SystemExit(f"the tokenizer is {kind}; known are {', '.join(SPLITTING)}")
    tokens, types = data["tokenizer.ggml.tokens"], data["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    special = [{"id": i, "content": tokens[i], **flags} for i, type_ in enumerate(types) if type_ == TokenType.CONTROL]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": SPLITTING[kind]}, "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)}, "merges": data["tokenizer.ggml.merges"]},
    }


def tokenizer_config(data: Metadata) -> dict:
    token = lambda key: data["tokenizer.ggml.tokens"][data[f"tokenizer.ggml.{key}_token_id"]]
    starts = data.get("tokenizer.ggml.add_bos_token", False)
    return {"tokenizer_class": "GPT2Tokenizer", "bos_token": token("bos") if starts else None, "eos_token": token("eos"),
            "add_prefix_space": False, "model_max_length": data.of_model("context_length"),
            "chat_template": data["tokenizer.chat_template"]}


def write(source: Path, folder: Path) -> None:
    reader = GGUFReader(source)
    data = Metadata(reader)
    if data.kind != "llama" or data["tokenizer.ggml.model"] != "gpt2":
        raise SystemExit(f"{source}: a {data.kind} with a {data['tokenizer.ggml.model']} tokenizer; known is llama with gpt2")
    tensors = weights(reader, data)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    files = {
        "config.json": config(data, "lm_head.weight" not in tensors),
        "tokenizer.json": tokenizer(data),
        "tokenizer_config.json": tokenizer_config(data),
        "generation_config.json": {"eos_token_id": [data["tokenizer.ggml.eos_token_id"]], "do_sample": False},
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
