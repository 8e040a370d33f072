"""What LiteLLM and LangChain make of the API, each as its own documentation has it; what they saw as JSON on stdout.

Settings come as JSON on stdin: `base_url`, `busy_base_url` (of a gateway that admits one request a minute), `api_key`,
`model`, `pdf` and `png` (paths).
"""

import base64
import json
import os
import sys
import tempfile
import time

# Neither asks for anything elsewhere.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LANGSMITH_TRACING"] = "false"

import litellm
import openai
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

settings = json.load(sys.stdin)
MODEL = settings["model"]
PATIENCE_S = 60

litellm.suppress_debug_info = True
litellm.telemetry = False


class Receipt(BaseModel):
    paid: bool
    rest: bool


def base64_of(path: str) -> str:
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode()


def raised(call) -> str:
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return ""


def status_of(call) -> list:
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code]
    return []


def with_litellm() -> dict:
    access = {"api_base": settings["base_url"], "api_key": settings["api_key"]}
    question = {"type": "text", "text": "Total?"}
    pdf = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{base64_of(settings['pdf'])}"}}
    png = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64_of(settings['png'])}"}}

    def ask(*parts: dict, **changes: object) -> litellm.ModelResponse:
        body = {
            "model": f"openai/{MODEL}",
            "messages": [{"role": "user", "content": [*parts, question]}],
            "max_tokens": 4,
            "num_retries": 0,
            "max_retries": 0,
            **access,
            **changes,
        }
        return litellm.completion(**body)

    plain = ask(pdf, user="somebody", seed=1)
    chunks = list(ask(pdf, stream=True, stream_options={"include_usage": True}))
    json_text = ask(pdf, response_format=Receipt, max_tokens=80).choices[0].message.content
    return {
        "plain": plain.model_dump(),
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "seen": ask(png).usage.prompt_tokens > ask().usage.prompt_tokens,
        "json": Receipt.model_validate_json(json_text).model_dump(),
        "errors": {
            "key": raised(lambda: ask(api_key="mk-nobody-0123456789")),
            "request": raised(lambda: ask(temperature=7)),
            "tools": raised(lambda: ask(tools=[{"type": "function", "function": {"name": "a", "parameters": {}}}])),
            "model": raised(lambda: ask(model="openai/nobody")),
            "busy": [raised(lambda: ask(api_base=settings["busy_base_url"])) for _ in range(2)],
        },
        "batch": batch_of_litellm(access),
    }


def batch_of_litellm(access: dict) -> dict:
    access = {**access, "custom_llm_provider": "openai"}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Total?"}], "max_tokens": 4}
    line = {"custom_id": "c1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(json.dumps(line).encode())
        file.flush()
        with open(file.name, "rb") as content:
            uploaded = litellm.create_file(file=content, purpose="batch", **access)
    batch = litellm.create_batch(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=uploaded.id,
        metadata={"team": "a"},
        **access,
    )
    until = time.monotonic() + PATIENCE_S
    while batch.status not in ("completed", "failed") and time.monotonic() < until:
        time.sleep(0.2)
        batch = litellm.retrieve_batch(batch_id=batch.id, **access)
    listed = litellm.list_batches(limit=1, **access)
    content = litellm.file_content(file_id=batch.output_file_id, **access)
    return {
        "status": batch.status,
        "metadata": batch.metadata,
        "results": [json.loads(line) for line in content.text.splitlines()],
        "listed": [found.id for found in listed.data] == [batch.id],
    }


def with_langchain() -> dict:
    def model(**changes: object) -> ChatOpenAI:
        access = {"base_url": settings["base_url"], "api_key": settings["api_key"], "max_retries": 0}
        return ChatOpenAI(**{"model": MODEL, "max_tokens": 4, "temperature": 0, **access, **changes})

    def message(*parts: dict) -> list[HumanMessage]:
        return [HumanMessage(content=[*parts, {"type": "text", "text": "Total?"}])]

    pdf = {
        "type": "file",
        "base64": base64_of(settings["pdf"]),
        "mime_type": "application/pdf",
        "filename": "receipt.pdf",
    }
    png = {"type": "image", "base64": base64_of(settings["png"]), "mime_type": "image/png"}
    plain = model().invoke(message(pdf))
    chunks = list(model(stream_usage=True).stream(message(pdf)))
    structured = model(max_tokens=80).with_structured_output(Receipt)
    strict = model(max_tokens=80).with_structured_output(Receipt, method="json_schema", strict=True)
    responses = model(use_responses_api=True, max_tokens=16)
    return {
        "plain": plain.content,
        "usage": plain.usage_metadata,
        "streamed": "".join(chunk.content for chunk in chunks),
        "streamed_usage": [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata],
        "seen": model().invoke(message(png)).usage_metadata["input_tokens"]
        > model().invoke(message()).usage_metadata["input_tokens"],
        "batched": len(model().batch([message(), message(pdf)])),
        "json": structured.invoke(message(pdf)).model_dump(),
        "strict": strict.invoke(message(pdf)).model_dump(),
        "response": responses.invoke(message(pdf)).usage_metadata["output_tokens"],
        "errors": {
            "key": status_of(lambda: model(api_key="mk-nobody-0123456789").invoke(message())),
            "request": status_of(lambda: model(temperature=7).invoke(message())),
            "tools": status_of(lambda: model().bind_tools([Receipt]).invoke(message())),
            "busy": [status_of(lambda: model(base_url=settings["busy_base_url"]).invoke(message())) for _ in range(2)],
        },
    }


def main() -> None:
    seen = {"versions": [openai.__version__], "litellm": with_litellm(), "langchain": with_langchain()}
    json.dump(seen, sys.stdout)


main()
