"""What `motet doctor` looks at: the machine, Redis and the settings, as plain findings."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path

from motet.errors import InvalidConfig, MotetError, StoreUnavailable
from motet.memory.redis import health
from motet.memory.redis.client import address, answering, reached
from motet.memory.redis.durability import Durability, strict
from motet.memory.redis.health import Level
from motet.memory.serde import AesCipher
from motet.server.settings import Settings
from motet.server.store import redis_url

_FREE_GB = 1.0
"""Below this, weights and states may soon find no room."""

_SLOW_MS = 5.0
"""A step of a graph takes several round trips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report."""

    about: str
    """What was looked at: Python, data directory, Redis, …"""
    level: Level
    what: str
    advice: str = ""
    """What to do; empty if nothing."""
    unreachable: bool = False
    """Whether the line says that Redis doesn't answer."""


_NORMAL = Check(about="durability", level="ok", what="normal: a write is answered before it is on a disk")


async def diagnose(settings: Settings) -> Sequence[Check]:
    """Every check, in a fixed order. Starts the embedded server if Redis is to be that; calls no model."""
    return [
        _python(),
        _data_dir(settings.data_dir),
        *await _redis(settings),
        _encryption(settings),
        _model(settings),
    ]


async def _redis(settings: Settings) -> Sequence[Check]:
    whose = "the one given" if settings.redis_url else "our own, in the data directory"
    try:
        async with redis_url(settings) as url, reached(url) as client:
            with answering(client):
                found = await health.look(client)
                took_ms = await health.round_trip_ms(client)
            return [
                Check(about="Redis", level="ok", what=f"{address(client)} ({whose})"),
                *(Check(about="Redis", level=one.level, what=one.what, advice=one.advice) for one in found),
                _round_trip(took_ms),
                await _strict(strict(client)) if settings.durability == "strict" else _NORMAL,
            ]
    except StoreUnavailable as error:
        advice = "look after it, or set another MOTET_REDIS_URL" if settings.redis_url else "see its log"
        return [Check(about="Redis", level="error", what=str(error), advice=advice, unreachable=True)]
    except MotetError as error:
        return [Check(about="Redis", level="error", what=str(error))]


def _round_trip(median_ms: float) -> Check:
    what = f"{median_ms:.2f} ms (median of {health.PINGS})"
    if median_ms < _SLOW_MS:
        return Check(about="round trip", level="ok", what=what)
    return Check(about="round trip", level="warning", what=what, advice="run Motet nearer to its Redis")


async def _strict(trying: Awaitable[Durability]) -> Check:
    try:
        reached_by = await trying
    except InvalidConfig as error:
        return Check(about="durability", level="error", what="strict can't be kept", advice=error.reason)
    return Check(about="durability", level="ok", what=f"strict: a write is answered once it reached {reached_by}")


def _python() -> Check:
    return Check(about="Python", level="ok", what=f"{platform.python_version()} ({sys.executable})")


def _data_dir(folder: Path) -> Check:
    about = "data directory"
    unfit = Check(
        about=about,
        level="error",
        what=f"{folder} can't be written to",
        advice="make it yours and writable, or set another MOTET_DATA_DIR",
    )
    try:
        there = next(one for one in (folder, *folder.parents) if one.exists())
    except OSError:  # a folder on the way that may not be entered, or a name too long
        return unfit
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return unfit
    free_gb = shutil.disk_usage(there).free / 1e9
    what = f"{folder}, {'' if there == folder else 'made at the first start, '}{free_gb:.1f} GB free"
    if free_gb < _FREE_GB:
        return Check(about=about, level="warning", what=what, advice="make room, or set another MOTET_DATA_DIR")
    return Check(about=about, level="ok", what=what)


def _encryption(settings: Settings) -> Check:
    about = "encryption"
    if settings.aes_key is None:
        return Check(about=about, level="ok", what="none: states are stored as they are (no LANGGRAPH_AES_KEY)")
    try:
        AesCipher(settings.aes_key.get_secret_value().encode())
    except MotetError as error:
        return Check(about=about, level="error", what=str(error))
    plain = "memories, runs' inputs and events, trajectories and documents are not"
    return Check(about=about, level="ok", what=f"AES: states are encrypted; {plain} (LANGGRAPH_AES_KEY)")


def _model(settings: Settings) -> Check:
    about = "model"
    if settings.model is None:
        return Check(about=about, level="ok", what="the embedded one (no MOTET_MODEL); not called here")
    where = f" at {settings.model_base_url}" if settings.model_base_url else ""
    return Check(about=about, level="ok", what=f"{settings.model}{where}; not called here")
