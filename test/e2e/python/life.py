"""The whole life of files, batches and chat completions through the official client; what it saw as JSON on stdout.

Settings come as JSON on stdin: `base_url`, `expiring_base_url` (of a gateway whose batches expire soon), `api_key`,
`model`, `pdf` and `png` (paths).
"""

import base64
import hashlib
import json
import pathlib
import sys
import time

import openai

settings = json.load(sys.stdin)
MODEL, PDF = settings["model"], settings["pdf"]
ENDLESS = {"max_completion_tokens": 300_000}
PATIENCE_S = 120


def client_of(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key=settings["api_key"], max_retries=0)


client = client_of(settings["base_url"])


def data_url(path: str, media_type: str) -> str:
    with open(path, "rb") as file:
        return f"data:{media_type};base64,{base64.b64encode(file.read()).decode()}"


def ask(*content: dict, **changes: object) -> dict:
    parts = [*content, {"type": "text", "text": "Total?"}]
    return {"model": MODEL, "messages": [{"role": "user", "content": parts}], "max_completion_tokens": 4, **changes}


def file_part(**file: str) -> dict:
    return {"type": "file", "file": file}


def poll(look, accept):
    until = time.monotonic() + PATIENCE_S
    while not accept(seen := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"still {seen}")
        time.sleep(0.1)
    return seen


def status_and_code(call) -> list:
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code]
    return []


def files() -> dict:
    with open(PDF, "rb") as file:
        created = client.files.create(file=file, purpose="user_data")
    with open(PDF, "rb") as file:
        same = client.files.content(created.id).read() == file.read()
    return {
        "created": created.model_dump(),
        "retrieved": client.files.retrieve(created.id).id == created.id,
        "listed": created.id in [found.id for found in client.files.list(limit=1)],
        "same": same,
        "deleted": client.files.delete(created.id).deleted,
        "gone": status_and_code(lambda: client.files.retrieve(created.id)),
    }


def uploads() -> dict:
    path = pathlib.Path(PDF)
    content = path.read_bytes()
    whole = client.uploads.upload_file_chunked(
        file=path, mime_type="application/pdf", purpose="user_data", part_size=1_000, md5=hashlib.md5(content).hexdigest()
    )
    begun = client.uploads.create(bytes=2, filename="a.jsonl", mime_type="application/jsonl", purpose="batch")
    part = client.uploads.parts.create(begun.id, data=b"{}")
    return {
        "whole": whole.model_dump(),
        "same": client.files.content(whole.file.id).read() == content,
        "begun": begun.model_dump(),
        "part": part.model_dump(),
        "refused": status_and_code(lambda: client.uploads.complete(begun.id, part_ids=[part.id, part.id])),
        "cancelled": client.uploads.cancel(begun.id).model_dump(),
        "late": status_and_code(lambda: client.uploads.complete(begun.id, part_ids=[part.id])),
    }


def hang_up() -> str:
    """Closes the connection in the middle of a request."""
    try:
        client.with_options(timeout=1).chat.completions.create(**ask(**ENDLESS))
    except openai.APIError as error:
        return type(error).__name__
    return "answered"


def chat(file_id: str) -> dict:
    document = file_part(file_id=file_id)
    plain = client.chat.completions.create(**ask(document), extra_body={"madakv": {"cache_ratio": 0.3}})
    by_data = client.chat.completions.create(
        **ask(file_part(filename="receipt.pdf", file_data=data_url(PDF, "application/pdf"))),
        extra_body={"madakv": {"cache_ratio": 0.3}},
    )
    stream = client.chat.completions.create(
        **ask(document),
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"madakv": {"cache_ratio": 0.3}},
    )
    chunks = list(stream)
    picture = {"type": "image_url", "image_url": {"url": data_url(settings["png"], "image/png")}}
    with client.chat.completions.create(**ask(**ENDLESS), stream=True) as left:
        first = next(iter(left)).choices[0].delta.role
    return {
        "plain": plain.model_dump(),
        "by_data": by_data.choices[0].message.content,
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "streamed_usage": chunks[-1].usage.model_dump(),
        "seen": client.chat.completions.create(**ask(picture)).model_dump(),
        "left_after": first,
        "hung_up": hang_up(),
        "refused": status_and_code(
            lambda: client.chat.completions.create(**ask(document), extra_body={"madakv": {"x": 1}})
        ),
    }


def submit(via: openai.OpenAI, bodies: list[dict]) -> openai.types.Batch:
    lines = [
        json.dumps({"custom_id": f"c{i}", "method": "POST", "url": "/v1/chat/completions", "body": body})
        for i, body in enumerate(bodies, 1)
    ]
    file = via.files.create(file=("input.jsonl", "\n".join(lines).encode()), purpose="batch")
    return via.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")


def results_of(file_id: str | None) -> list:
    if file_id is None:
        return []
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def responses(file_id: str) -> dict:
    parts = [{"type": "input_file", "file_id": file_id}, {"type": "input_text", "text": "Total?"}]
    asked = {
        "model": MODEL,
        "input": [{"role": "user", "content": parts}],
        "max_output_tokens": 4,
        "extra_body": {"madakv": {"cache_ratio": 0.3}},
    }
    plain = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        events = list(stream)
    types = [event.type for event in events]
    return {
        "plain": plain.model_dump(),
        "text": plain.output_text,
        "streamed": events[-1].response.output_text,
        "types": sorted(set(types), key=types.index),
        "refused": status_and_code(lambda: client.responses.create(**asked, previous_response_id="resp_1")),
    }


def ended(batch_id: str) -> dict:
    ends = {"completed", "failed", "expired", "cancelled"}
    batch = poll(lambda: client.batches.retrieve(batch_id), lambda found: found.status in ends)
    return {
        "batch": batch.model_dump(),
        "output": results_of(batch.output_file_id),
        "errors": results_of(batch.error_file_id),
    }


def batches(file_id: str) -> dict:
    endless = [ask(), ask(**ENDLESS)]
    expiring = submit(client_of(settings["expiring_base_url"]), endless)
    mixed = submit(client, [ask(file_part(file_id=file_id)), ask(file_part(file_id="file-none")), {"model": MODEL}])
    cancelled = submit(client, endless)
    poll(lambda: client.batches.retrieve(cancelled.id).request_counts.completed, lambda completed: completed == 1)
    return {
        "cancelling": client.batches.cancel(cancelled.id).status,
        "cancelled": ended(cancelled.id),
        "mixed": ended(mixed.id),
        "expired": ended(expiring.id),
        "listed": {batch.id for batch in client.batches.list(limit=1)} >= {expiring.id, mixed.id, cancelled.id},
    }


def main() -> None:
    with open(PDF, "rb") as file:
        document = client.files.create(file=file, purpose="user_data").id
    seen = {
        "version": openai.__version__,
        "models": [model.id for model in client.models.list()],
        "files": files(),
        "uploads": uploads(),
        "chat": chat(document),
        "responses": responses(document),
        "batches": batches(document),
    }
    json.dump(seen, sys.stdout)


main()
