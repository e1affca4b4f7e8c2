"""Every Redis key, made here and nowhere else.

Each key starts with the installation's prefix and the tenant. Keys of one thread carry the hash tag
`{tenant:thread}`, so one script may touch them all, in a cluster too. `docs/design/0004-redis-keys.md`
holds the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from motet.errors import InvalidConfig, shortened


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of keys for one tenant."""

    tenant: str = "default"
    """Letters, digits, `_` and `-`: what follows it in a key can't be taken for a part of it."""
    prefix: str = "motet"

    def __post_init__(self) -> None:
        """Raises InvalidConfig for a tenant whose keys could be another's."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.tenant):
            raise InvalidConfig("tenant", f"{shortened(self.tenant)} is not allowed; 1 to 64 letters, digits, _ or -")

    def _of_thread(self, thread_id: str, suffix: str) -> str:
        return f"{self.prefix}:{{{self.tenant}:{thread_id}}}:{suffix}"

    def thread(self, thread_id: str) -> str:
        """HASH: the thread's record, status and waiting interrupts. No TTL."""
        return self._of_thread(thread_id, "thread")

    def queue(self, thread_id: str) -> str:
        """LIST of run ids that wait for their turn on the thread, first to start on the left. No TTL; empty = gone."""
        return self._of_thread(thread_id, "queue")

    def run(self, thread_id: str, run_id: str) -> str:
        """HASH: request, status, attempt, lease. TTL set when the run ends."""
        return self._of_thread(thread_id, f"run:{run_id}")

    def events(self, thread_id: str, run_id: str) -> str:
        """STREAM of the run's events. TTL set when the run ends."""
        return self._of_thread(thread_id, f"events:{run_id}")

    def runs(self, thread_id: str) -> str:
        """ZSET run id -> acceptance in microseconds. No TTL; whoever lists them drops those whose record is gone."""
        return self._of_thread(thread_id, "runs")

    def effects(self, thread_id: str) -> str:
        """HASH of the effects that tools began and did for the thread. TTL a month after the last."""
        return self._of_thread(thread_id, "effects")

    def approvals(self, thread_id: str) -> str:
        """HASH of the thread's approvals: what was asked and decided, ten fields each. No TTL; goes with its thread."""
        return self._of_thread(thread_id, "approvals")

    def grants(self, thread_id: str) -> str:
        """HASH grant id -> what is approved on the thread beforehand, JSON. No TTL; goes with the thread."""
        return self._of_thread(thread_id, "grants")

    def journal(self, thread_id: str) -> str:
        """LIST of entries on their way to the tenant's journal. No TTL; empty = gone. Outlives the thread."""
        return self._of_thread(thread_id, "journal")

    def epoch(self, thread_id: str) -> str:
        """STRING: the newest epoch given out for the thread; a claim with another one, or once it is gone, is refused.

        No TTL while the thread exists, and a day after: nobody who was late may bring it back.
        """
        return self._of_thread(thread_id, "epoch")

    def checkpoints(self, thread_id: str) -> list[str]:
        """All keys of a thread's checkpoints, in the order in which scripts take them; TTL if the saver has one.

        NUL stands between the parts of a name: namespace `ns`, checkpoint `id`, channel, version, task, index.

        `cp:ids` ZSET ns, number, id: checkpoints in the order in which they were put. `cp:records` HASH ns, id ->
        parent, checkpoint, metadata and which value each channel has. `cp:values` HASH ns, channel, version ->
        value. `cp:elements` HASH digest -> a part of values that are lists. `cp:writes` ZSET ns, id, task, index, task
        path, channel, value: pending writes; and, after byte 255, what takes back those that a run made on top of
        another's checkpoint. `cp:runs` SET of the runs that wrote. Last, the thread's `epoch`.
        """
        parts = ("ids", "records", "values", "elements", "writes", "runs")
        return [*(self._of_thread(thread_id, f"cp:{part}") for part in parts), self.epoch(thread_id)]

    def checkpoints_of_all(self) -> str:
        """Glob that every `cp:ids` key of the tenant matches, and no other key."""
        return self._of_all("cp:ids")

    def queues_of_all(self) -> str:
        """Glob that every `queue` key of the tenant matches, and no other key."""
        return self._of_all("queue")

    def approvals_of_threads(self) -> str:
        """Glob that every thread's `approvals` key of the tenant matches, and no other key."""
        return self._of_all("approvals")

    def _of_all(self, suffix: str) -> str:
        return re.sub(r"([*?\[\]\\^])", r"\\\1", f"{self.prefix}:{{{self.tenant}:") + f"*}}:{suffix}"

    def thread_id(self, key: str) -> str:
        """The thread that a `cp:ids` key belongs to."""
        return key.removeprefix(f"{self.prefix}:{{{self.tenant}:").removesuffix("}:cp:ids")

    def journals_of_all(self) -> str:
        """Glob that every `journal` key of the tenant matches, and no other key."""
        return self._of_all("journal")

    def thread_of(self, key: str) -> str:
        """The thread that a key with a single word behind it belongs to."""
        return key.removeprefix(f"{self.prefix}:{{{self.tenant}:").rpartition("}:")[0]

    def threads_of_run(self, run_id: str) -> str:
        """SET of the threads with a run's checkpoints, unless it wrote under a claim and to the claim's thread only.

        Goes with the last one; TTL, a week more, if a saver has one.
        """
        return f"{self.prefix}:{{{self.tenant}:{run_id}}}:threads"

    def cached(self, namespace: str, part: str) -> str:
        """One part of a namespace of the cache. TTL of its last entry; none where one never expires.

        `entries` HASH key -> digest, encoding and value. `expiries` ZSET of the keys that expire, by ms.
        """
        return f"{self.caches()}:{part}:{namespace}"

    def caches(self) -> str:
        """ZSET of the cache's namespaces, by the ms at which the last entry goes. TTL as `cached`."""
        return f"{self.prefix}:{{{self.tenant}:cache}}:cache"

    def trajectories(self, thread_id: str) -> list[str]:
        """All keys of what the thread's runs did, in the order in which scripts take them. TTL from the last write on.

        `trajectory:runs` ZSET run -> its last write in ms. `trajectory:records` HASH; NUL stands between the parts of
        a name: run -> how many batches it has; run, n -> batch; run, n, `refs` -> the contents it holds, 16 bytes
        each; run, `follows` -> run; run, `cut` -> it reached the largest size; empty -> bytes that all take.
        `trajectory:contents` HASH, 16 bytes -> content; `#` and these -> how many batches and contents hold it; `>` and
        these -> the contents it holds.
        """
        return [self._of_thread(thread_id, f"trajectory:{part}") for part in ("runs", "records", "contents")]

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

    def datasets(self) -> str:
        """HASH dataset -> what is told of its newest version, JSON. No TTL; a row goes with its dataset."""
        return self._of_evaluations("datasets")

    def dataset(self, name: str) -> list[str]:
        """All keys of a dataset's versions, in the order in which scripts take them. No TTL; go when it is deleted.

        `eval:order` ZSET version -> number, the newest has the highest. `eval:versions` HASH version -> what is told
        of it, JSON. `eval:examples` HASH version -> its examples, one JSON a line.
        """
        return [self._of_evaluations(f"{part}:{name}") for part in ("order", "versions", "examples")]

    def experiments(self) -> str:
        """ZSET experiment -> number, the newest has the highest. No TTL; a row goes with its experiment."""
        return self._of_evaluations("experiments")

    def experiment(self, experiment_id: str) -> list[str]:
        """All keys of an experiment, in the order in which scripts take them. No TTL; go when it is deleted.

        `eval:experiment` HASH: `plan`; `stopped`, why it goes on no more. `eval:results` HASH trial -> its result.
        `eval:trajectories` HASH trial -> its exported trajectory.
        """
        return [self._of_evaluations(f"{part}:{experiment_id}") for part in ("experiment", "results", "trajectories")]

    def _of_evaluations(self, suffix: str) -> str:
        return f"{self.prefix}:{{{self.tenant}:eval}}:eval:{suffix}"

    def feedback(self) -> list[str]:
        """All keys of what was said of runs, in one slot, in the order in which scripts take them. TTL.

        `feedback:items` HASH id -> the feedback; id NUL -> run, thread, key and time of its rows. `feedback:order`
        ZSET id -> when it was said or changed last, in ms. `feedback:index` ZSET of rows, all 0: `a`, `k`, `r` or `t`,
        what it is looked for by, time, id, with NUL between. All three go some days after the last was said.
        `feedback:used` ZSET one-time link -> its end in ms; goes with the last.
        """
        return [self._of_feedback(part) for part in ("items", "order", "index", "used")]

    def feedback_secret(self) -> str:
        """STRING: what one-time links are signed with, 32 bytes. No TTL: links hold in every process and after all."""
        return self._of_feedback("secret")

    def _of_feedback(self, part: str) -> str:
        return f"{self.prefix}:{{{self.tenant}:feedback}}:feedback:{part}"

    def store(self) -> list[str]:
        """All keys of the tenant's store, in one slot, in the order in which scripts take them. No TTL; items expire.

        A namespace ends each of its labels in NUL; a name is a namespace, NUL and a key; an id is the number of its
        namespace and its own. `store:meta` HASH: the last number given out, when the first was, and up to which
        removals are forgotten. `store:names` HASH namespace -> number, name -> id. `store:items` HASH id -> times, TTL,
        name, value. `store:spaces` ZSET prefix, number, namespace: a row for each prefix of each namespace.
        `store:order` ZSET of ids. `store:expiries` ZSET id -> time in ms. `store:vectors` HASH id -> the item's
        vectors. `store:changed` ZSET id -> number of its vectors' last change. `store:gone` ZSET id -> number of their
        removal, the newest 5,000.
        """
        parts = ("meta", "names", "items", "spaces", "order", "expiries", "vectors", "changed", "gone")
        return [f"{self.prefix}:{{{self.tenant}:store}}:store:{part}" for part in parts]

    def ready(self) -> str:
        """ZSET `thread|run` -> time in ms: runs that may start. A hint; threads hold the truth."""
        return f"{self.prefix}:{{{self.tenant}}}:ready"

    def active(self) -> str:
        """SET of `thread|run` not ended yet, from which the sweeper rebuilds the ready hint."""
        return f"{self.prefix}:{{{self.tenant}}}:active"

    def recent(self) -> str:
        """ZSET `thread|run` -> acceptance in microseconds: the newest 10,000 runs, for a person who looks. No TTL."""
        return f"{self.prefix}:{{{self.tenant}}}:recent"

    def threads(self) -> str:
        """ZSET thread -> when it was last noted, in microseconds: the threads to list. A hint. No TTL."""
        return f"{self.prefix}:{{{self.tenant}}}:listed"

    def attention(self) -> str:
        """ZSET thread -> when its approvals want looking at, in ms; all that may have an open one. A hint. No TTL."""
        return f"{self.prefix}:{{{self.tenant}}}:attention"

    def open(self) -> str:
        """ZSET open approval -> since when in ms, as far as the journal has come. No TTL; empties itself."""
        return f"{self.prefix}:{{{self.tenant}}}:open"

    def approvals_of_all(self) -> str:
        """ZSET approval -> its opening in ms: the newest 10,000, for a person who looks. No TTL."""
        return f"{self.prefix}:{{{self.tenant}}}:approvals"

    def audit(self) -> str:
        """STREAM: the tenant's journal, one line an entry, its number for an id. No TTL: kept for ever."""
        return f"{self.prefix}:{{{self.tenant}}}:audit"

    def audit_head(self) -> str:
        """HASH: number and hash of the journal's last entry; `taken:THREAD` while a thread's are taken over. No TTL."""
        return f"{self.prefix}:{{{self.tenant}}}:audit_head"

    def signals(self) -> str:
        """STREAM of runs that are to be cancelled: workers beat at once for those they hold. TTL one minute: a hint."""
        return f"{self.prefix}:{{{self.tenant}}}:signals"

    def webhook(self) -> str:
        """HASH: how far the journal was told outside, who tells it, and since when that fails. TTL a month, renewed."""
        return f"{self.prefix}:{{{self.tenant}}}:webhook"

    def news(self, thread_id: str, run_id: str) -> str:
        """Pub/sub channel, no key: says that a run has new events. A hint; the events are in its stream."""
        return self._of_thread(thread_id, f"news:{run_id}")

    def rebuilding(self) -> str:
        """STRING: somebody looked for runs that `active` lost. TTL ten minutes; then it may be done again."""
        return f"{self.prefix}:{{{self.tenant}}}:rebuilding"

    def wakeup(self) -> str:
        """LIST that idle workers block on; one element a run made ready. TTL one minute: only a hint."""
        return f"{self.prefix}:{{{self.tenant}}}:wakeup"
