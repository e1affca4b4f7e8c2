"""What the environment says, as the rest of the process gets it."""

from __future__ import annotations

import pytest

from motet.errors import InvalidConfig
from motet.server import settings


def test_secrets_are_ours_and_those_whose_names_or_addresses_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, tokens, passwords in URLs and exporters' headers are secrets; folders, files and other values aren't."""
    given = {
        "MOTET_AUTH": "our-own-key",
        "MOTET_REDIS_URL": "rediss://me:p%40ss-word@host/0",
        "DATABASE_URL": "postgresql://me:database-password@host/db",
        "OPENAI_API_KEY": "the-providers-key",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-honeycomb-team=the%20team,b=header-value",
        "PWD": "/home/me/project",
        "SSL_PRIVATE_KEY": "~/keys/private.pem",
        "EDITOR": "an-editor",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    found = set(settings.load().secrets)

    assert found >= {
        "our-own-key", "p%40ss-word", "p@ss-word", "database-password", "the-providers-key", "the team", "header-value",
    }  # fmt: skip
    assert not found & {"/home/me/project", "~/keys/private.pem", "an-editor"}


@pytest.mark.parametrize(
    ("told", "rules"),
    [
        (None, {"credit_card": "mask"}),
        ("none", {}),
        ("email:redact, ip:hash,url:block", {"email": "redact", "ip": "hash", "url": "block"}),
    ],
)
def test_rules_for_personal_data_are_read(
    monkeypatch: pytest.MonkeyPatch, told: str | None, rules: dict[str, str]
) -> None:
    """Without a word cards are masked; `none` switches everything off."""
    monkeypatch.delenv("MOTET_PII", raising=False)
    if told is not None:
        monkeypatch.setenv("MOTET_PII", told)

    assert settings.load().pii_rules == rules


@pytest.mark.parametrize("told", ["email", "email:hide", "phone:mask", "email:mask,none"])
def test_a_rule_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """A misspelt rule would guard nothing: it stops the start and says what can be written."""
    monkeypatch.setenv("MOTET_PII", told)

    with pytest.raises(InvalidConfig, match=r"MOTET_PII.*strategies are redact"):
        settings.load()


def test_a_worker_must_beat_more_often_than_its_lease_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is over before the next beat would lose every run: it stops the start, and names both settings."""
    monkeypatch.setenv("MOTET_LEASE_SECONDS", "3")

    with pytest.raises(InvalidConfig, match=r"MOTET_HEARTBEAT_SECONDS.*MOTET_LEASE_SECONDS \(3\)"):
        settings.load()
    monkeypatch.setenv("MOTET_HEARTBEAT_SECONDS", "1")
    assert settings.load().heartbeat_seconds == 1
