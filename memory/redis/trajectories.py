"""What runs did, in Redis, in the slot of their thread: what several runs hold in common is kept once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b

import orjson
from redis.asyncio import Redis

from motet.errors import NotFound
from motet.memory.redis.client import answering
from motet.memory.redis.keys import Keys
from motet.memory.redis.lately import Lately
from motet.memory.redis.scripts import Argument, Scripts
from motet.memory.redis.sealing import Sealing
from motet.memory.serde import AesCipher
from motet.memory.trajectories import StoredTrajectory, TrajectoryBatch
from motet.observability.trajectory.records import CUT, Truncated, decode, encode
from motet.observability.trajectory.references import listed

WEEK_S = 7 * 24 * 3600
MOST_BYTES = 64 * 1024 * 1024

_HOLDS = ">"
"""After the name of a content that holds others."""


class RedisTrajectories:
    """`TrajectoryStore` on Redis.

    A run's batches are numbered. A batch holds the contents that it came with, but for those that one of these holds,
    as a list its elements. Each content counts who holds it, and goes with the last one: so an element that is added to
    a long list costs itself and its row. All of a thread's runs share three keys, whatever their number.

    What this process knows to be there isn't sent again; where that was wrong, all of the batch is.
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        *,
        retention_s: float = WEEK_S,
        most_bytes: int = MOST_BYTES,
        cipher: AesCipher | None = None,
    ) -> None:
        """Trajectories of one tenant.

        Args:
            client: what `client.connect` gave.
            keys: names of the tenant's keys.
            retention_s: seconds for which a run's trajectory is kept, from its last write on.
            most_bytes: what the runs of a thread may take together, compressed.
            cipher: encrypts what is kept, and hides the names of contents, which are hashes; None keeps it as it is.
        """
        self._client = client
        # What is written after a batch, such as a checkpoint, waits for the disk: the batch is on it by then.
        self._scripts = Scripts(client)
        self._keys = keys
        self._retention_ms = round(retention_s * 1000)
        self._most_bytes = most_bytes
        self._cipher = cipher
        self._sealing = Sealing(cipher)
        self._stored: Lately[str, str] = Lately(200_000)
        """The contents that are there, by thread, as this process knows; what holds others with `_HOLDS`, too."""

    async def append(self, thread_id: str, run_id: str, batch: TrajectoryBatch, *, late: bool = False) -> bool:
        """See `TrajectoryStore.append`."""
        if not batch.records and not batch.contents:
            return True
        outcome = await self._append(thread_id, run_id, batch.records, batch.contents, late=late)
        if outcome == b"cut":
            first = decode(batch.records[0]) if batch.records else None
            said = Truncated(
                run_id=run_id,
                attempt=1 if first is None else first.attempt,
                index=0 if first is None else first.index,
                at="" if first is None else first.at,
                limit_bytes=self._most_bytes,
            )
            await self._append(thread_id, run_id, [encode(said)], {}, last=True, late=late)
        return outcome == b"kept"

    async def runs(self, thread_id: str) -> Mapping[str, str]:
        """See `TrajectoryStore.runs`."""
        with answering(self._client):
            told = await self._scripts.read("trajectory_runs", keys=self._keys.trajectories(thread_id)[:2])
        names = [one.decode() for one in told]
        return dict(zip(names[::2], names[1::2], strict=True))

    async def read(self, thread_id: str, run_id: str, *others: str) -> StoredTrajectory:
        """See `TrajectoryStore.read`."""
        run_ids = [run_id, *others]
        with answering(self._client):
            told = await self._scripts.read(
                "trajectory_read", keys=self._keys.trajectories(thread_id)[1:], args=run_ids
            )
        batches, contents = told
        if not any(batches):
            raise NotFound("trajectory", run_id)
        where = f"the trajectory of run {run_id}"
        opened = (self._sealing.opened(one, where) for one in contents if one is not None)
        return StoredTrajectory(
            records=[
                line
                for kept in batches
                for one in kept
                for line in self._sealing.opened(one, where).split(b"\n")
                if line
            ],
            contents={data[:16].hex(): data[16:] for data in opened},
        )

    async def forget(self, thread_id: str, *run_ids: str) -> None:
        """See `TrajectoryStore.forget`."""
        keys = self._keys.trajectories(thread_id)
        self._stored.forget(thread_id)
        with answering(self._client):
            if run_ids:
                await self._scripts.run("trajectory_forget", keys=keys, args=run_ids)
            else:
                await self._client.delete(*keys)

    async def _append(
        self,
        thread_id: str,
        run_id: str,
        records: Sequence[bytes],
        contents: Mapping[str, bytes],
        *,
        last: bool = False,
        late: bool = False,
    ) -> bytes:
        head: list[Argument] = [run_id, self._retention_ms, self._most_bytes, _follows(records), int(last), int(late)]
        batch = self._sealing.closed(b"\n".join(records))
        keys = [*self._keys.trajectories(thread_id), self._keys.run(thread_id, run_id)]
        there = self._stored.of(thread_id)
        new = [ref for ref in contents if ref not in there]
        held = self._held(contents, there)
        inner = {one for names in held.values() for one in names}
        own = [ref for ref in contents if ref not in inner]
        with answering(self._client):
            sent = [*head, "", batch, self._named(own), *self._sent(new, contents, held)]
            outcome = await self._scripts.run("trajectory_append", keys=keys, args=sent)
            if outcome == b"missing":
                self._stored.forget(thread_id)
                new = list(contents)
                sent = [*head, "1", batch, self._named(own), *self._sent(new, contents, held)]
                outcome = await self._scripts.run("trajectory_append", keys=keys, args=sent)
        if outcome == b"kept":
            self._stored.add(thread_id, [*new, *(ref + _HOLDS for ref in new if ref in held)])
        else:
            self._stored.forget(thread_id)
        return outcome

    def _held(self, contents: Mapping[str, bytes], there: AbstractSet[str]) -> Mapping[str, Sequence[str]]:
        """What those contents hold that hold others; most are there since an earlier run and aren't looked at again."""
        held = {ref: listed(content) for ref, content in contents.items() if ref not in there or ref + _HOLDS in there}
        return {ref: names for ref, names in held.items() if names}

    def _sent(
        self, refs: Sequence[str], contents: Mapping[str, bytes], held: Mapping[str, Sequence[str]]
    ) -> list[Argument]:
        """Contents as the script takes them: all their names, then each with the names of those that it holds."""
        sent: list[Argument] = [self._named(refs)]
        for ref in refs:
            sent += (self._sealing.closed(bytes.fromhex(ref) + contents[ref]), self._named(held.get(ref, ())))
        return sent

    def _named(self, refs: Sequence[str]) -> bytes:
        """Names of contents in Redis, each once; what was cut has none."""
        names = [ref for ref in dict.fromkeys(refs) if ref != CUT]
        return bytes.fromhex("".join(names)) if self._cipher is None else b"".join(map(self._hidden, names))

    def _hidden(self, ref: str) -> bytes:
        """A content's name in Redis under a key, 16 bytes: it tells nobody whether a guess at the content is right."""
        assert self._cipher is not None, "without a key, the name stands as it is"
        return blake2b(bytes.fromhex(ref), key=self._cipher.digest_key, digest_size=16).digest()


def _follows(records: Sequence[bytes]) -> str:
    """The run that the first record says that this one follows; empty for none."""
    if not records or b'"type":"run_started"' not in records[0]:
        return ""
    return orjson.loads(records[0]).get("follows") or ""
