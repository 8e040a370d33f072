"""Checkpoints as AWQ, GPTQ, compressed-tensors and FP8 store them, and what `transformers` answers with the weights that they stand for."""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import checkpoint
from cases import CASES, ONE, TEXT
from generate import UnclearError, expect

WEIGHTS = "model.safetensors"
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def codes_of(weight: torch.Tensor, group_of: np.ndarray, bits: int, symmetric: bool):
    """Rounds `[out, in]` in groups of inputs. -> codes `[out, in]`, float16 scales and zero points `[groups, out]`"""
    values, top, middle = weight.float().numpy(), 2**bits - 1, 2 ** (bits - 1)
    scales, zeros = [], []
    for group in range(group_of.max() + 1):
        part = values[:, group_of == group]
        if symmetric:
            scale = np.abs(part).max(axis=1) / (middle - 0.5)
            zero = np.full(len(part), middle)
        else:
            low, high = np.minimum(part.min(axis=1), 0), np.maximum(part.max(axis=1), 0)
            scale = (high - low) / top
            zero = np.clip(np.round(-low / scale), 0, top)
        scales.append(scale.astype(np.float16))
        zeros.append(zero.astype(np.int64))
    scales, zeros = np.stack(scales), np.stack(zeros)
    codes = np.round(values / scales[group_of].T.astype(np.float32)) + zeros[group_of].T
    return np.clip(codes, 0, top).astype(np.int64), scales, zeros


def values_of(codes, scales, zeros, group_of) -> torch.Tensor:
    """What codes stand for, `[out, in]`."""
    return torch.from_numpy(((codes - zeros[group_of].T) * scales[group_of].T.astype(np.float32)).astype(np.float32))


def packed(codes: np.ndarray, bits: int, order=None) -> np.ndarray:
    """Packs codes along the last axis, the first one lowest."""
    each = 32 // bits
    words = codes.reshape(*codes.shape[:-1], -1, each)[..., order or list(range(each))].astype(np.uint64)
    return (words << (np.arange(each, dtype=np.uint64) * np.uint64(bits))).sum(axis=-1).astype(np.uint32)


def tensor(words: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(words).view(np.int32).copy())


def in_groups(inputs: int, size: int) -> np.ndarray:
    return np.arange(inputs) // (inputs if size == -1 else size)


def awq(name: str, weight: torch.Tensor, case: dict) -> tuple[dict, torch.Tensor]:
    group_of = in_groups(weight.shape[1], case["group_size"])
    codes, scales, zeros = codes_of(weight, group_of, 4, False)
    parts = {"qweight": tensor(packed(codes.T, 4, AWQ_ORDER)), "qzeros": tensor(packed(zeros, 4, AWQ_ORDER)),
             "scales": torch.from_numpy(scales)}
    return parts, values_of(codes, scales, zeros, group_of)


def gptq(name: str, weight: torch.Tensor, case: dict) -> tuple[dict, torch.Tensor]:
    bits, inputs = 4, weight.shape[1]
    group_of = in_groups(inputs, case["group_size"])
    if case["desc_act"]:
        # Query, key and value share their inputs and so their order; those of one layer here do not.
        shared = name.rsplit(".", 2)[0] if "layers.0.self_attn" in name and "o_proj" not in name else name
        group_of = np.random.default_rng(sum(shared.encode())).permutation(group_of)
    codes, scales, zeros = codes_of(weight, group_of, bits, case["sym"])
    stored = packed(zeros, bits)
    if case["format"] == "gptq":
        stored = stored - np.uint32(0x11111111)
    parts = {"qweight": tensor(packed(codes, bits).T), "qzeros": tensor(stored), "scales": torch.from_numpy(scales),
             "g_idx": torch.from_numpy(group_of.astype(np.int32))}
    return parts, values_of(codes, scales, zeros, group_of)


def compressed(name: str, weight: torch.Tensor, case: dict) -> tuple[dict, torch.Tensor]:
    arguments = QuantizationArgs(num_bits=4, type="int", symmetric=False, strategy="group", group_size=case["group_size"])
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
    group_of = in_groups(weight.shape[1], case["group_size"])
    _, scales, zeros = codes_of(weight, group_of, 4, False)
    state = {"weight": weight.float(), "weight_scale": torch.from_numpy(scales.T.copy()).float(),
             "weight_zero_point": torch.from_numpy((zeros.T - 8).astype(np.int8).copy())}
    parts = PackedQuantizationCompressor.compress(state, scheme)
    values = PackedQuantizationCompressor.decompress(dict(parts), scheme)["weight"].float()
    parts["weight_scale"] = parts["weight_scale"].to(torch.float16)
    return {part: value.contiguous() for part, value in parts.items()}, values


def fp8(name: str, weight: torch.Tensor, case: dict) -> tuple[dict, torch.Tensor]:
    height, width = case["tile"]
    tiles = weight.float().reshape(weight.shape[0] // height, height, weight.shape[1] // width, width)
    scales = tiles.abs().amax(dim=(1, 3)) / 448
    codes = (tiles / scales[:, None, :, None]).to(torch.float8_e4m3fn)
    values = (codes.float() * scales[:, None, :, None]).reshape(weight.shape)
    return {"weight": codes.reshape(weight.shape), "weight_scale_inv": scales}, values


QUANTISED = {
    "qwen-awq": {
        "like": "qwen-plain", "pack": awq, "group_size": 32,
        "config": {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True,
                   "modules_to_not_convert": ["visual"]},
    },
    "qwen-gptq": {
        "like": "qwen-plain", "pack": gptq, "group_size": 32, "desc_act": True, "sym": False, "format": "gptq",
        "skip": ["layers.1.self_attn.v_proj"],
        "config": {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True, "sym": False,
                   "checkpoint_format": "gptq", "dynamic": {"-:.*layers.1.self_attn.v_proj": {}}},
    },
    "llava-gptq": {
        "like": "llava-plain", "pack": gptq, "group_size": -1, "desc_act": False, "sym": True, "format": "gptq_v2",
        "head": True,
        "config": {"quant_method": "gptq", "bits": 4, "group_size": -1, "desc_act": False, "sym": True, "lm_head": True,
                   "checkpoint_format": "gptq_v2"},
    },
    "qwen-compressed": {
        "like": "qwen-plain", "pack": compressed, "group_size": 16,
        "config": {"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
                   "config_groups": {"group_0": {"input_activations": None, "output_activations": None, "targets": ["Linear"],
                                                 "weights": {"num_bits": 4, "type": "int", "symmetric": False,
                                                             "strategy": "group", "group_size": 16}}},
                   "ignore": ["lm_head", "re:.*visual.*"], "kv_cache_scheme": None},
    },
    "qwen-fp8": {
        "like": "qwen-plain", "pack": fp8, "tile": [16, 32],
        "config": {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [16, 32],
                   "modules_to_not_convert": ["lm_head", "model.visual"]},
    },
}


def is_quantised(name: str, case: dict) -> bool:
    if any(part in name for part in case.get("skip", [])):
        return False
    decoder = ".language_model.layers." in name and name.endswith("_proj.weight")
    return decoder or (name == "lm_head.weight" and case.get("head", False))


def attempt(name: str, seed: int, root: Path) -> None:
    case = QUANTISED[name]
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    plain = dict(CASES[case["like"]])
    plain |= {"dtype": "float16", "requests": {**TEXT, **ONE}}
    checkpoint.write(plain, seed, folder / "checkpoint")
    stored, meant = {}, {}
    for tensor_name, value in load_file(folder / "checkpoint" / WEIGHTS).items():
        if is_quantised(tensor_name, case):
            parts, values = case["pack"](tensor_name, value, case)
            base = tensor_name.removesuffix("weight")
            stored |= {base + part: data.contiguous() for part, data in parts.items()}
            meant[tensor_name] = values.contiguous()
        else:
            stored[tensor_name] = value
            meant[tensor_name] = value.float()
    with tempfile.TemporaryDirectory() as work:
        reference = Path(work) / "reference"
        shutil.copytree(folder / "checkpoint", reference)
        save_file(meant, reference / WEIGHTS, metadata={"format": "pt"})
        processor = AutoProcessor.from_pretrained(reference)
        model = AutoModelForImageTextToText.from_pretrained(
            reference, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        for request, messages in plain["requests"].items():
            expect(model, processor, messages, folder / request, root / "images")
    save_file(stored, folder / "checkpoint" / WEIGHTS, metadata={"format": "pt"})
    path = folder / "checkpoint" / "config.json"
    config = json.loads(path.read_text()) | {"quantization_config": case["config"]}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(QUANTISED))
    torch.set_num_threads(1)
    root = Path(__file__).parent.parent / "fixtures"
    for name in parser.parse_args().cases:
        seed = 1000 + list(QUANTISED).index(name)
        while True:
            try:
                attempt(name, seed, root)
                break
            except UnclearError:
                seed += 100
        print(name, file=sys.stderr)


if __name__ == "__main__":
    main()
