"""Writes a tiny random checkpoint in the layout a case asks for."""

import copy
import json
import math
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

import templates
import toy_tokenizers

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]

# Qwen's vision families: classes, processor, and the key of the tower's output size.
QWEN_VL = {
    "qwen2_vl": (Qwen2VLConfig, Qwen2VLForConditionalGeneration, "Qwen2VLProcessor", "hidden_size"),
    "qwen2_5_vl": (Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, "Qwen2_5_VLProcessor", "out_hidden_size"),
    "qwen3_vl": (Qwen3VLConfig, Qwen3VLForConditionalGeneration, "Qwen3VLProcessor", "out_hidden_size"),
}

QWEN_TOKENS = {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>",
               "pad_token": "<|endoftext|>", "unk_token": None, "add_prefix_space": False,
               "clean_up_tokenization_spaces": False, "model_max_length": 131072}
LLAMA3_TOKENS = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>",
                 "clean_up_tokenization_spaces": True, "model_max_length": 131072,
                 "model_input_names": ["input_ids", "attention_mask"]}
CHATML_ENDS, LLAMA3_ENDS = ["<|im_end|>", "<|endoftext|>"], ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"]


# LLaVA's families: classes, processor and image processor.
LLAVA = {
    "llava": (LlavaConfig, LlavaForConditionalGeneration, "LlavaProcessor", "CLIPImageProcessor"),
    "llava_next": (LlavaNextConfig, LlavaNextForConditionalGeneration, "LlavaNextProcessor", "LlavaNextImageProcessor"),
}


def _vicuna(legacy: bool) -> dict:
    return {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>",
            "unk_token": "<unk>", "add_bos_token": True, "add_eos_token": False, "legacy": legacy,
            "image_token": "<image>", "extra_special_tokens": {"image_token": "<image>"},
            "clean_up_tokenization_spaces": False, "model_max_length": 4096}


# Tokenizers by name: how they are made, tokenizer_config.json, the chat template, and the tokens that end an answer.
TOKENIZERS = {
    "chatml": (lambda: toy_tokenizers.byte_level(140), QWEN_TOKENS, templates.CHATML, CHATML_ENDS),
    "qwen3": (lambda: toy_tokenizers.byte_level(140, toy_tokenizers.QWEN3_SPECIALS), QWEN_TOKENS, templates.QWEN3, CHATML_ENDS),
    "llama3": (lambda: toy_tokenizers.llama3(140), LLAMA3_TOKENS, templates.LLAMA3, LLAMA3_ENDS),
    "llama2": (lambda: toy_tokenizers.metaspace(170, "first"), _vicuna(False), templates.LLAMA2, ["</s>"]),
    "first": (lambda: toy_tokenizers.metaspace(170, "first"), _vicuna(False), templates.VICUNA, ["</s>"]),
    "normalizer": (
        lambda: toy_tokenizers.metaspace(170, "normalizer"), _vicuna(True), templates.VICUNA, ["</s>"],
    ),
}


def _dump(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that layers, images and positions all move the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in sorted(model.named_parameters()):
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("bias"):
            value.data = noise * 0.2
        elif "norm" in name or "ln_q" in name:
            value.data = 1 + noise * 0.2
        elif "embed_tokens" in name or "lm_head" in name:
            value.data = noise * 0.4
        elif "embedding" in name and "patch" not in name:
            value.data = noise * 0.5
        else:
            value.data = noise * (1.6 / math.sqrt(value[0].numel()))


def _model(case: dict) -> torch.nn.Module:
    text, vision = copy.deepcopy(case["text"]), copy.deepcopy(case["vision"])
    if vision is None:
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(case["family"], **text, **_ends(case), **case["root"]))
    if case["family"] in QWEN_VL:
        config_class, model_class, _, output_key = QWEN_VL[case["family"]]
        vision[output_key] = text["hidden_size"]
        ids = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
               "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
        tokens = {key: case["tokenizer_object"].token_to_id(token) for key, token in ids.items()}
        text["bos_token_id"] = case["tokenizer_object"].token_to_id("<|endoftext|>")
        text["eos_token_id"] = case["tokenizer_object"].token_to_id("<|im_end|>")
        return model_class(config_class(text_config=text, vision_config=vision, **tokens, **case["root"]))
    tokens = {"image_token_index": case["tokenizer_object"].token_to_id("<image>")}
    side = vision["image_size"] // vision["patch_size"]
    config_class, model_class, _, _ = LLAVA[case["family"]]
    return model_class(
        config_class(text_config=text, vision_config=vision, image_seq_length=side * side, **tokens, **case["root"])
    )


def _ends(case: dict) -> dict:
    """Special tokens of a text model's config.json; generation_config.json has more of them."""
    _, settings, _, ends = TOKENIZERS[case["tokenizer"]]
    of = case["tokenizer_object"].token_to_id
    bos = settings["bos_token"]
    return {"eos_token_id": of(ends[0]), "bos_token_id": None if bos is None else of(bos)}


def _old_name(family: str, name: str) -> str:
    if family in QWEN_VL:
        return re.sub(r"^model\.visual\.", "visual.", re.sub(r"^model\.language_model\.", "model.", name))
    name = re.sub(r"^model\.language_model\.", "language_model.model.", name)
    name = re.sub(r"^lm_head\.", "language_model.lm_head.", name)
    name = re.sub(r"^model\.vision_tower\.(?!vision_model)", "vision_tower.vision_model.", name)
    return re.sub(r"^model\.(vision_tower\.|multi_modal_projector\.|image_newline$)", r"\1", name)


def _weights(case: dict, model: torch.nn.Module, folder: Path) -> None:
    dtype = getattr(torch, case["dtype"])
    tied = model.config.tie_word_embeddings
    tensors = {
        (_old_name(case["family"], name) if case["names"] == "old" else name): value.to(dtype).contiguous()
        for name, value in model.state_dict().items()
        if not (tied and name == "lm_head.weight")
    }
    if case["shards"] == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, count = list(tensors), case["shards"]
    files = [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
    where = {name: files[i * count // len(names)] for i, name in enumerate(names)}
    for file in files:
        save_file({n: tensors[n] for n in names if where[n] == file}, folder / file, metadata={"format": "pt"})
    total = sum(value.numel() * value.element_size() for value in tensors.values())
    _dump(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def _config(case: dict, model: torch.nn.Module) -> dict:
    config = json.loads(model.config.to_json_string(use_diff=case["layout"] == "nested"))
    config["architectures"] = [type(model).__name__]
    if case["layout"] == "old":
        rope = config.pop("rope_parameters")
        kind = rope["rope_type"]
        config["rope_theta"] = rope.pop("rope_theta")
        return {**config, "torch_dtype": case["dtype"], "rope_scaling": None if kind == "default" else rope}
    if case["layout"] == "flat":
        text = config.pop("text_config")
        rope = text.pop("rope_parameters")
        for key in ("model_type", "layer_types", "dtype", "architectures", "pad_token_id"):
            text.pop(key, None)
        keep = ("depth", "hidden_act", "hidden_size", "intermediate_size", "num_heads", "out_hidden_size", "patch_size",
                "spatial_merge_size", "window_size", "fullatt_block_indexes", "tokens_per_second", "temporal_patch_size",
                "embed_dim", "mlp_ratio")
        vision = {key: config["vision_config"][key] for key in keep if key in config["vision_config"]}
        vision |= {"in_chans": 3, "spatial_patch_size": vision["patch_size"]}
        flat = {key: config[key] for key in (
            "architectures", "model_type", "image_token_id", "video_token_id", "vision_start_token_id",
            "vision_end_token_id", "tie_word_embeddings")}
        return {**text, **flat, "rope_theta": rope["rope_theta"], "torch_dtype": case["dtype"], "vision_config": vision,
                "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]}}
    if case["layout"] == "sparse":
        text, vision = case["text"], case["vision"]
        drop = ("num_key_value_heads", "rms_norm_eps")
        return {
            "architectures": ["LlavaForConditionalGeneration"],
            "ignore_index": -100,
            "image_token_index": config["image_token_index"],
            "model_type": "llava",
            "pad_token_id": case["tokenizer_object"].token_to_id("<pad>"),
            "projector_hidden_act": "gelu",
            "text_config": {k: v for k, v in text.items() if k not in drop},
            "torch_dtype": case["dtype"],
            "vision_config": {k: v for k, v in vision.items() if k != "hidden_act"},
            **case["root"],
        }
    return config


def _processor(case: dict, folder: Path) -> None:
    if case["vision"] is None:
        return
    if case["family"] in QWEN_VL:
        processor_class = QWEN_VL[case["family"]][2]
        patch = case.get("patch", 14)
        mean, std = (CLIP_MEAN, CLIP_STD) if patch == 14 else ([0.5] * 3, [0.5] * 3)
        image = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": patch, "temporal_patch_size": 2,
                 "merge_size": 2, "image_mean": mean, "image_std": std}
        sizes = {"min_pixels": (2 * patch) ** 2 * 4, "max_pixels": case["max_pixels"]}
        if case["processor"] == "processor":
            image["size"] = {"shortest_edge": sizes["min_pixels"], "longest_edge": sizes["max_pixels"]}
            _dump(folder / "processor_config.json", {"processor_class": processor_class, "image_processor": image})
            # The reference builds a video processor too; its settings play no part.
            _dump(folder / "video_preprocessor_config.json", {"video_processor_type": "Qwen2VLVideoProcessor"})
            return
        _dump(folder / "preprocessor_config.json", {"processor_class": processor_class, **sizes, **image})
        return
    side = case["vision"]["image_size"]
    _, _, processor_class, image_processor_type = LLAVA[case["family"]]
    image = {"image_processor_type": image_processor_type, "crop_size": {"height": side, "width": side},
             "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
             "do_resize": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3,
             "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": side}}
    if "image_grid_pinpoints" in case["root"]:
        image["image_grid_pinpoints"] = case["root"]["image_grid_pinpoints"]
    strategy = case["root"]["vision_feature_select_strategy"]
    processor = {"processor_class": processor_class, "image_token": "<image>", "num_additional_image_tokens": 1,
                 "patch_size": case["vision"]["patch_size"], "vision_feature_select_strategy": strategy}
    if case["processor"] == "processor":
        _dump(folder / "processor_config.json", {**processor, "image_processor": image})
        return
    _dump(folder / "preprocessor_config.json", image)
    _dump(folder / "processor_config.json", processor)


def _tokenizer(case: dict, folder: Path) -> None:
    case["tokenizer_object"].save(str(folder / "tokenizer.json"))
    _, settings, template, _ = TOKENIZERS[case["tokenizer"]]
    config = dict(settings)
    if case["template"] == "config":
        config["chat_template"] = template
    elif case["template"] == "json":
        _dump(folder / "chat_template.json", {"chat_template": template})
    else:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    _dump(folder / "tokenizer_config.json", config)


def write(case: dict, seed: int, folder: Path) -> None:
    """Writes the checkpoint of `case` to `folder`."""
    folder.mkdir(parents=True)
    make, _, _, ends = TOKENIZERS[case["tokenizer"]]
    case["tokenizer_object"] = make()
    model = _model(case).float()
    _randomise(model, seed)
    _weights(case, model, folder)
    _dump(folder / "config.json", _config(case, model))
    _processor(case, folder)
    _tokenizer(case, folder)
    eos = [case["tokenizer_object"].token_to_id(token) for token in ends]
    _dump(folder / "generation_config.json", {"eos_token_id": eos if len(eos) > 1 else eos[0], "do_sample": False})
