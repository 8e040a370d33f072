"""Writes what float16 costs the reference: half.json beside the cases of the fixtures; see README.md."""

import json
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from generate import inputs_of, load

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


@torch.no_grad()
def last_logits(folder: Path, messages: list, images: list, dtype: torch.dtype) -> torch.Tensor:
    """[vocab], in float32."""
    sees = hasattr(AutoConfig.from_pretrained(folder / "checkpoint"), "vision_config")
    processor = (AutoProcessor if sees else AutoTokenizer).from_pretrained(folder / "checkpoint")
    model = (AutoModelForImageTextToText if sees else AutoModelForCausalLM).from_pretrained(
        folder / "checkpoint", dtype=dtype, attn_implementation="eager"
    ).eval()
    _, inputs = inputs_of(processor, messages, images)
    inputs = {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}
    return model(**inputs).logits[0, -1].float()


def main() -> None:
    errors = {}
    for path in sorted(FIXTURES.glob("*/*/request.json")):
        folder = path.parent.parent
        # Weights in fewer bits have no float16 of their own.
        if "quantization_config" in json.loads((folder / "checkpoint/config.json").read_text(encoding="utf-8")):
            continue
        messages = json.loads(path.read_text(encoding="utf-8"))["messages"]
        images = [
            load(path.parent / part["image_url"]["url"])
            for message in messages if not isinstance(message["content"], str)
            for part in message["content"] if part["type"] == "image_url"
        ]
        full = last_logits(folder, messages, images, torch.float32)
        half = last_logits(folder, messages, images, torch.float16)
        error = float((half - full).abs().max() / full.abs().max())
        errors[f"{folder.name} {path.parent.name}"] = float(f"{error:.3g}")
    (FIXTURES / "half.json").write_text(json.dumps(errors, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
