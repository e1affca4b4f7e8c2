"""Every setting, read from the environment once, here.

Below this layer nothing reads the environment; it gets value objects. LangSmith, OpenTelemetry and
the providers' own keys (`OPENAI_API_KEY`, …) keep their standard variables, which their libraries
read by themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from motet.errors import InvalidConfig, shortened
from motet.observability.trajectory.redact import is_secret_name

_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?")
_PII_RULE = re.compile(r"(email|credit_card|ip|mac_address|url):(redact|mask|hash|block)")


def _pii(told: str) -> str:
    wrong = [] if told == "none" else [one for one in told.split(",") if not _PII_RULE.fullmatch(one.strip())]
    if wrong:
        raise ValueError(
            f"{wrong[0].strip()!r} is no rule: write KIND:STRATEGY with commas between, or none; kinds are email, "
            "credit_card, ip, mac_address and url; strategies are redact, mask, hash and block"
        )
    return told


def _origins(told: str) -> str:
    wrong = [one for one in told.split(",") if told and not _ORIGIN.fullmatch(one.strip())]
    if wrong:
        raise ValueError(f"{wrong[0].strip()!r} is no origin: write http://HOST or https://HOST:PORT, no path")
    return told


def _beats_in_time(seconds: float, told: ValidationInfo) -> float:
    lease_s: float | None = told.data.get("lease_seconds")
    if lease_s is not None and seconds >= lease_s:
        raise ValueError(
            f"it must be less than MOTET_LEASE_SECONDS ({lease_s:g}), or all runs are lost; a third is good"
        )
    return seconds


Positive = Annotated[float, Field(gt=0)]
AtLeastOne = Annotated[int, Field(ge=1)]


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "motet"


class Settings(BaseSettings):
    """The installation's settings; `MOTET_` before each name, in capitals."""

    model_config = SettingsConfigDict(env_prefix="MOTET_", frozen=True, extra="ignore", env_ignore_empty=True)

    redis_url: SecretStr | None = None
    """`redis://`, `rediss://` or `unix://`; unset: an embedded server in the data directory."""
    durability: Literal["normal", "strict"] = "normal"
    """strict: a write is answered once it is on the server's disk, or on a replica where the disk can't be asked."""
    data_dir: Path = Field(default_factory=_default_data_dir)
    """Weights, the embedded server's files, the sample workspace."""
    tenant: str = Field(default="default", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Stands in every key."""

    model: str | None = None
    """`provider:model`; unset: the embedded model."""
    model_base_url: str | None = None
    """An OpenAI-compatible server's address."""
    model_file: Path | None = None
    """A GGUF file to use instead of fetching one; its SHA-256 must be the publisher's."""
    model_timeout_seconds: Positive = 120.0
    """A call's, of embeddings too."""
    embeddings: str | None = None
    """`provider:model` for search by meaning, or `none`; unset: the embedded model."""
    embeddings_base_url: str | None = None
    """An OpenAI-compatible server's address, for embeddings."""

    agents_dir: Path | None = None
    """A folder of declared agents that join the crew, or take a built-in one's place."""

    auth: SecretStr | None = None
    """The one key clients must send; unset: none, which binds to loopback only."""
    cors_origins: Annotated[str, AfterValidator(_origins)] = ""
    """Origins, with commas between, whose pages a browser lets speak to this server, such as `http://localhost:3000`;
    empty: none. Any page could use a server that asks for no key."""
    aes_key: SecretStr | None = Field(default=None, validation_alias="LANGGRAPH_AES_KEY")
    """Encrypts states and trajectories, not the store; 16, 24 or 32 bytes. LangGraph's name, as its savers read it."""
    max_body_bytes: AtLeastOne = 8_388_608
    """A larger request is refused unread with 413."""

    approval_shape: Literal["hitl", "legacy", "raw"] = "hitl"
    """How clients are shown a question about one tool call: as LangChain's HITLRequest, as the older HumanInterrupt, or
    as the graph put it. Answers are taken in all of these."""
    approval_deadline_seconds: Annotated[float, Field(gt=0, le=315_360_000)] | None = None
    """Nobody's answer counts as a rejection after so long, unless the question says; unset: it waits for ever."""
    on_waiting: Literal["refuse", "queue", "withdraw"] = "refuse"
    """What becomes of a plain input on a thread that waits for a person. queue: it is worked after the answer.
    withdraw: what waits is rejected, with the input as the reason, and the input is worked after that."""
    webhook_url: str | None = None
    """Where openings and decisions of approvals are posted, signed; unset: nowhere."""
    webhook_secret: SecretStr | None = None
    """What they are signed with: `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks has it."""
    webhook_allow_private: bool = False
    """Lets the webhook's address be one of this machine or of a private network, and speak plain HTTP."""

    prices: Path | None = None
    """A `.toml` or `.json` file of what models cost, before the built-in table."""

    pii: Annotated[str, AfterValidator(_pii)] = "credit_card:mask"
    """What is done about personal data, `kind:strategy` with commas between; `none` does nothing."""

    lease_seconds: Positive = 30.0
    """How long a silent worker keeps its run."""
    heartbeat_seconds: Annotated[float, Field(gt=0, validate_default=True), AfterValidator(_beats_in_time)] = 10.0
    """How often a worker says that it lives; less than the lease."""
    sweep_seconds: Positive = 5.0
    """How often lost runs are looked for."""
    run_timeout_seconds: Positive | None = None
    """How long an attempt at a run may take before the run ends as `timeout`; unset: as long as its budget lets it."""
    idle_timeout_seconds: Positive | None = None
    """How long a node may show no progress before the run ends as `timeout`, unless the graph says; unset: for ever."""
    drain_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How long runs may take to the end of their superstep when the process is told to stop."""
    retention_hours: Annotated[float, Field(ge=24)] = 24.0
    """How long an ended run and its events can be read."""
    events_kept: Annotated[int, Field(ge=100)] = 10_000
    """At least so many of a run's newest events can be read; a reader is told of those that are gone."""
    trajectory_days: Positive = 7.0
    """How long a run's trajectory is kept, from its last record on."""
    trajectory_megabytes: AtLeastOne = 64
    """What the trajectories of a thread may take together, compressed. The oldest runs' give way; of a run that alone
    takes more, the rest is left out, and its trajectory says so."""
    coalesce_ms: Annotated[int, Field(ge=0, le=1000)] = 30
    """So long tokens gather before they are stored and sent together."""
    max_state_mb: AtLeastOne = 64
    """What a graph writes in one step may weigh; more ends its run."""
    failpoint: str = ""
    """For tests of crashes: where this process dies, as `name:kill`."""
    alive_file: Path | None = None
    """Touched after each look for lost runs, so its age tells a health check that loop and Redis answer."""

    budget_model_calls: AtLeastOne = 50
    budget_tool_calls: AtLeastOne = 100
    budget_tokens: AtLeastOne = 200_000
    budget_seconds: Positive = 600.0
    """The four limits of one run with all its sub-agents."""
    run_memory_mb: Annotated[int, Field(ge=64)] | None = None
    """What a run may allocate that has a process of its own, because it lost a worker; unset: no limit. Linux only."""

    @property
    def traces(self) -> bool:
        """Whether spans go to OTLP: OpenTelemetry's own variables name where."""
        names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        return any(os.environ.get(name) for name in names)

    @property
    def sends_metrics(self) -> bool:
        """Whether metrics go to OTLP, as spans do; `OTEL_METRICS_EXPORTER=none` is for a receiver of spans alone."""
        names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
        return os.environ.get("OTEL_METRICS_EXPORTER") != "none" and any(os.environ.get(name) for name in names)

    @property
    def sends_evaluations(self) -> bool:
        """Whether scores and feedback go to OTLP as events; `OTEL_LOGS_EXPORTER=none` keeps them here."""
        names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
        return os.environ.get("OTEL_LOGS_EXPORTER") != "none" and any(os.environ.get(name) for name in names)

    @property
    def pii_rules(self) -> Mapping[str, str]:
        """From a kind of personal data to LangChain's name of what is done about it."""
        rules = [] if self.pii == "none" else self.pii.split(",")
        return {kind: strategy for kind, _, strategy in (rule.strip().partition(":") for rule in rules)}

    @property
    def secrets(self) -> Sequence[str]:
        """Values that must be seen nowhere: our own, and those of the environment whose names or URLs say so."""
        found = [one.get_secret_value() for one in (self.auth, self.aes_key, self.webhook_secret) if one is not None]
        told = dict(os.environ)
        if self.redis_url is not None:
            told["MOTET_REDIS_URL"] = self.redis_url.get_secret_value()
        if self.webhook_url is not None:
            found.append(self.webhook_url)
        for name, value in told.items():
            # `PWD` is a folder, and a variable may name the file a secret is in.
            if is_secret_name(name) and not value.startswith(("/", "~", ".")):
                found.append(value)
            if name.startswith("OTEL_EXPORTER_OTLP") and name.endswith("HEADERS"):
                found += [unquote(header.partition("=")[2].strip()) for header in value.split(",")]
            for password in _PASSWORD.findall(value):
                found += [password, unquote(password)]
        return found


def load() -> Settings:
    """The settings of this process.

    Raises:
        InvalidConfig: a variable's value can't be used; names the variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "MOTET_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidConfig(name, f"{shortened(first['input'])} is not allowed: {first['msg']}") from None


def apply_environment(variables: Mapping[str, str]) -> None:
    """Set what a `langgraph.json` asks for under `env`; what is set already wins, as in LangGraph's own CLI."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)
