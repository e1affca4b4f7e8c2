"""Made-up secrets, each found nowhere else."""

from __future__ import annotations

AUTH = "canary-of-the-auth-setting"
OPENAI = "canary-of-the-openai-key"
REDIS = "canary-of-the-redis-password"
TOKEN = "canary-of-some-other-variable"
LANGSMITH = "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789"
DOCUMENT = "sk-proj-canaryofadocument0123"
CELL = "ghp_canaryofadatacell01234567890123456789"
PERSON = "AKIACANARYOFPERSON00"
ALL = (AUTH, OPENAI, REDIS, TOKEN, LANGSMITH, DOCUMENT, CELL, PERSON)
