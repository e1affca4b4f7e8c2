"""all-MiniLM-L6-v2 on ONNX Runtime. Importing it needs the extra `local`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import onnxruntime
from langchain_core.embeddings import Embeddings
from tokenizers import Tokenizer

LONGEST_TOKENS = 256
"""What the publisher's model takes, its two marks included; about 190 English words."""

_TOKENIZER = Path(__file__).with_name("tokenizer.json")
_MOST_THREADS = 4


class MiniLM(Embeddings):
    """384 floats a text, of length 1: a dot product is the cosine. English.

    What lies beyond `LONGEST_TOKENS` doesn't count. Texts go through the model one by one: for passages
    that is a fifth faster than batches of 8, which pad, takes 100 MB less and can be cancelled between
    two texts. Any number of calls may be under way, in any threads; the async ones never block the loop.
    """

    model = "minilm-l6-v2-int8"
    """Under it the index keeps the vectors."""

    def __init__(self, file: Path) -> None:
        """Load verified weights; blocking, 0.3 s."""
        self._tokenizer = Tokenizer.from_file(str(_TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(_MOST_THREADS, os.cpu_count() or 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        onnxruntime.disable_telemetry_events()
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def embed_query(self, text: str) -> list[float]:
        sayable = text.encode("utf-8", "replace").decode()
        tokens = self._tokenizer.encode(sayable).ids
        ids = np.array([tokens], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(["last_hidden_state"], inputs)[0]
        mean = np.asarray(states, np.float32)[0].mean(axis=0)
        return (mean / np.linalg.norm(mean)).tolist()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    async def aembed_query(self, text: str) -> list[float]:
        return await asyncio.to_thread(self.embed_query, text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [await self.aembed_query(text) for text in texts]
