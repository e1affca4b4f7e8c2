"""Every Redis key, made here and nowhere else.

Each key starts with the installation's prefix and the tenant. Keys of one thread carry the hash tag
`{tenant:thread}`, so one script may touch them all, in a cluster too. `docs/design/0004-redis-keys.md`
holds the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of keys for one tenant."""

    tenant: str = "default"
    prefix: str = "motet"

    def _of_thread(self, thread_id: str, suffix: str) -> str:
        return f"{self.prefix}:{{{self.tenant}:{thread_id}}}:{suffix}"

    def thread(self, thread_id: str) -> str:
        """HASH: the thread's record, status and waiting interrupts. No TTL."""
        return self._of_thread(thread_id, "thread")

    def queue(self, thread_id: str) -> str:
        """LIST of run ids that wait for their turn on the thread, first to start on the left. No TTL; empty = gone."""
        return self._of_thread(thread_id, "queue")

    def run(self, thread_id: str, run_id: str) -> str:
        """HASH: request, status, epoch, attempt. TTL set when the run ends."""
        return self._of_thread(thread_id, f"run:{run_id}")

    def events(self, thread_id: str, run_id: str) -> str:
        """STREAM of the run's events. TTL set when the run ends."""
        return self._of_thread(thread_id, f"events:{run_id}")

    def namespaces(self, thread_id: str) -> str:
        """SET of checkpoint namespaces of the thread. No TTL."""
        return self._of_thread(thread_id, "ns")

    def namespaces_of_all(self) -> str:
        """Glob that every `namespaces` key of the tenant matches, and no other key."""
        return re.sub(r"([*?\[\]\\^])", r"\\\1", f"{self.prefix}:{{{self.tenant}:") + "*}:ns"

    def thread_id(self, key: str) -> str:
        """The thread that a `namespaces` key belongs to."""
        return key.removeprefix(f"{self.prefix}:{{{self.tenant}:").removesuffix("}:ns")

    def checkpoints(self, thread_id: str, namespace: str, part: str) -> str:
        """One part of a namespace's checkpoints. No TTL.

        `ids` ZSET of checkpoint ids, sorted as text. `records` HASH id -> parent, checkpoint, metadata and refs.
        `blobs` HASH ref (channel and version) -> value. `writes` HASH checkpoint id, task id, index -> pending
        write. `order` ZSET of the fields of `writes`, so that one checkpoint's can be found.
        """
        return self._of_thread(thread_id, f"cp:{part}:{namespace}")

    def trajectory(self, run_id: str) -> str:
        """LIST of a run's trajectory records. TTL from the first write on."""
        return f"{self.prefix}:{{{self.tenant}:{run_id}}}:trajectory"

    def corpus(self, corpus: str) -> str:
        """HASH of a corpus of documents: its version, and the models whose vectors there are. No TTL."""
        return self._of_corpus(corpus, "corpus")

    def documents(self, corpus: str, part: str) -> str:
        """One part of a corpus' documents. No TTL.

        `files` HASH file -> what tells whether it changed. `texts` HASH file -> text and passages. `wanted` HASH
        file -> the vector id of each passage, 16 bytes each.
        """
        return self._of_corpus(corpus, f"docs:{part}")

    def vectors(self, corpus: str, model: str) -> str:
        """HASH vector id -> unit vector, float16. No TTL."""
        return self._of_corpus(corpus, f"docs:vectors:{model}")

    def indexing(self, corpus: str) -> str:
        """STRING that whoever indexes a corpus holds. TTL 30 seconds, renewed while it works."""
        return self._of_corpus(corpus, "indexing")

    def _of_corpus(self, corpus: str, suffix: str) -> str:
        return f"{self.prefix}:{{{self.tenant}:corpus:{corpus}}}:{suffix}"

    def ready(self) -> str:
        """ZSET `thread|run` -> time in ms: runs that may start. A hint; threads hold the truth."""
        return f"{self.prefix}:{{{self.tenant}}}:ready"

    def active(self) -> str:
        """SET of `thread|run` not ended yet, from which the sweeper rebuilds the ready hint."""
        return f"{self.prefix}:{{{self.tenant}}}:active"

    def wakeup(self) -> str:
        """LIST that idle workers block on; one element a run made ready. TTL one minute: only a hint."""
        return f"{self.prefix}:{{{self.tenant}}}:wakeup"
