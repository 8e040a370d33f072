"""Image decoding and resizing, window layouts and tokenising alone, at the sizes published checkpoints use."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import AutoTokenizer, CLIPImageProcessor, Qwen2VLImageProcessor
from transformers.image_transforms import convert_to_rgb
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLVisionRotaryEmbedding
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from arrays import Arrays

DECODED = ["rgba.png", "grey.png", "grey-alpha.png", "palette.png", "palette-clear.png", "bits.png", "photo.webp",
           "cmyk.jpg", "rotated.jpg", "photo.jpg"]
QWEN = ["exact.png", "wide.png", "tall.png", "tiny.png", "page.png"]
CLIP = ["tall.png", "tiny.png", "page.png"]
GRIDS = [(1, 2, 2), (1, 6, 8), (1, 10, 6), (1, 16, 16), (1, 34, 22), (2, 12, 20)]
TEXTS = [
    "",
    "Which line is higher?",
    "  two  spaces, a tab\tand\n\n\nlines \r\n ",
    "é e\u0301 ü 漢字 🙂👩‍👩‍👧 ﬁ",
    "12,345.67 don't I'LL we've",
    "a<|im_end|>b <|image_pad|> <image> </s>x<s> y",
    "<image>\nWhat?<image><image> end",
    "\u200b\ufeff zero \x07 control",
    " leading and trailing ",
    "USER: <image>\nnext ASSISTANT:",
    "the invoice of 1234567 charts <think>no</think><|eot_id|> in the picture",
]


def _image(path: Path) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(path))


def _tensor(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(_image(path).convert("RGB"))).permute(2, 0, 1)[None].contiguous()


def _picture(name: str, values: torch.Tensor, folder: Path) -> None:
    """[3, height, width] uint8 as a PNG."""
    Image.fromarray(values.permute(1, 2, 0).contiguous().numpy()).save(folder / name, optimize=True)


def _sizes(folder: Path, images: Path) -> dict:
    qwen, clip = Qwen2VLImageProcessor(), CLIPImageProcessor(size={"shortest_edge": 336}, crop_size=336)
    sizes: dict[str, dict] = {"qwen": {}, "clip": {}}
    for name in QWEN:
        resized = qwen.resize(_tensor(images / name), qwen.size, qwen.resample, factor=28)[0]
        _picture(f"qwen-{name}", resized, folder)
        sizes["qwen"][name] = list(resized.shape[1:])
    for name in CLIP:
        out = clip(images=_image(images / name), do_rescale=False, do_normalize=False, return_tensors="pt")
        _picture(f"clip-{name}", out["pixel_values"][0].to(torch.uint8), folder)
        sizes["clip"][name] = [336, 336]
    return sizes


def _smart_sizes() -> list:
    """[height, width, height after, width after] for many shapes."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    rng = np.random.default_rng(5)
    shapes = [(int(h), int(w)) for h, w in rng.integers(20, 3000, size=(300, 2))]
    shapes += [(14, 14), (42, 70), (98, 1400), (1, 100), (2000, 12), (1700, 1200), (28 * 35, 28 * 37)]
    return [[h, w, *smart_resize(h, w, 28, 56 * 56, 28 * 28 * 1280)] for h, w in shapes]


def _tilings() -> list:
    """[height, width, canvas's height and width, resized height and width, rows and columns without padding] of LLaVA 1.6."""
    from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
    from transformers.models.llava_next.modeling_llava_next import unpad_image

    pinpoints = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
    rng = np.random.default_rng(6)
    shapes = [(int(h), int(w)) for h, w in rng.integers(20, 3000, size=(300, 2))]
    shapes += [(336, 336), (672, 672), (1, 1), (30, 3000), (3000, 40), (1637, 1157), (1157, 1637), (333, 999)]
    rows = []
    for shape in shapes:
        canvas = select_best_resolution(shape, pinpoints)
        resized = get_patch_output_size(np.zeros((3, *shape), dtype=np.uint8), canvas, "channels_first")
        cells = unpad_image(torch.zeros(1, canvas[0] // 14, canvas[1] // 14), shape).shape[1:]
        rows.append([*shape, *canvas, *resized, *cells])
    return rows


def _windows(arrays: Arrays) -> list:
    config = Qwen2_5_VLVisionConfig(hidden_size=32, num_heads=2)
    rotary = Qwen2_5_VLVisionRotaryEmbedding(config)
    for number, grid in enumerate(GRIDS):
        thw = torch.tensor([grid])
        order, bounds = get_vision_window_index(thw, spatial_merge_size=2, window_size=112, patch_size=14)
        cos, sin = rotary(torch.zeros(1), get_vision_position_ids(thw, 2))
        patches, width = cos.shape
        arrays.add(f"window-{number}-order", order.int())
        arrays.add(f"window-{number}-bounds", bounds.int())
        for name, values in (("cos", cos), ("sin", sin)):
            permuted = values.reshape(patches // 4, 4, width)[order].reshape(patches, width)
            arrays.add(f"window-{number}-{name}", permuted[:, : width // 2].contiguous())
    return [list(grid) for grid in GRIDS]


def _tokens(root: Path) -> dict:
    found = {}
    for case in ("qwen-plain", "llava-plain", "llava-old-f16", "llama-3-tied", "llama-biases-yarn", "qwen3-plain"):
        tokenizer = AutoTokenizer.from_pretrained(root / case / "checkpoint")
        rows = []
        for text in TEXTS:
            ids = tokenizer(text)["input_ids"]
            rows.append({"text": text, "ids": ids, "bare": tokenizer(text, add_special_tokens=False)["input_ids"],
                         "decoded": tokenizer.decode(ids, skip_special_tokens=True),
                         "decoded_all": tokenizer.decode(ids, skip_special_tokens=False)})
        found[case] = rows
    return found


def write(root: Path) -> None:
    folder, images = root / "processing", root / "images"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arrays = Arrays(folder)
    for name in DECODED:
        arrays.add(f"rgb-{name}", convert_to_rgb(_image(images / name), return_numpy=True))
    expected = {"sizes": _sizes(folder, images), "windows": _windows(arrays)}
    (folder / "smart-sizes.json").write_text(json.dumps(_smart_sizes()) + "\n", encoding="utf-8")
    (folder / "tilings.json").write_text(json.dumps(_tilings()) + "\n", encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(_tokens(root), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    arrays.write(folder / "expected.json", expected)
