"""An OpenAI-compatible server on loopback whose answers a test decides. No model: it speaks the protocol only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

Reply = Callable[[dict[str, Any]], str]
"""From the request's body to the answer's text; raises TimeoutError to say nothing for ever."""

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@dataclass(slots=True)
class OpenAIServer:
    """What was asked, and where to ask."""

    reply: Reply
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def complete(self, request: Request) -> Response:
        """POST /v1/chat/completions, streamed or whole."""
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        try:
            text = self.reply(body)
        except TimeoutError:
            await asyncio.sleep(3600)
            raise
        if body.get("stream"):
            return StreamingResponse(_chunks(body["model"], text), media_type="text/event-stream")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({**_head(body["model"], "chat.completion"), "choices": [choice], "usage": USAGE})


async def _chunks(model: str, text: str) -> AsyncIterator[str]:
    head = _head(model, "chat.completion.chunk")
    words = text.split(" ")
    for number, word in enumerate(words):
        delta = {"role": "assistant", "content": word if number == len(words) - 1 else f"{word} "}
        yield _frame({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _frame({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _frame({**head, "choices": [], "usage": USAGE})
    yield "data: [DONE]\n\n"


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model}


def _frame(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


@asynccontextmanager
async def openai_server(reply: Reply) -> AsyncGenerator[OpenAIServer]:
    """The server on a free port, until the context ends."""
    served = OpenAIServer(reply)
    app = FastAPI()
    app.add_api_route("/v1/chat/completions", served.complete, methods=["POST"])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=0))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it by nothing else
        await asyncio.sleep(0.01)
    served.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.should_exit = True
        await running
