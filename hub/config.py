"""Settings, read from the environment once and checked before anything starts."""

from __future__ import annotations

import os
import re
import secrets
import sys
from difflib import get_close_matches
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "HUB_"
HOST = re.compile(
    r"(?=.*[a-z])[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE
)
"""A host's name, with a letter in it: digits and dots alone are a network that was mistyped."""

BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?")
"""A bucket as S3 lets them be named, and what the names in it begin with."""

DATABASE_FORM = "postgresql://user:password@host:5432/name"
SECRETS = frozenset(
    {
        "secret_key",
        "database_url",
        "database_read_urls",
        "elasticsearch_url",
        "elasticsearch_api_key",
        "files_endpoint",
        "files_secret_key",
    }
)
"""Settings whose values may hold a password and are never printed."""


OTHERS = frozenset({"soak_orders", "soak_seconds", "test_elasticsearch_url", "token", "url"})
"""What begins like a setting and is read by others: tests, and examples of consumers."""


def _driven(url: object) -> object:
    """The address with the driver that the hub uses, whatever prefix it was given."""
    if not isinstance(url, str):
        return url
    for prefix in ("postgresql+psycopg://", "postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    raise PydanticCustomError("address", "no PostgreSQL address")


def _web(url: object) -> object:
    if isinstance(url, str) and not url.startswith(("http://", "https://")):
        raise PydanticCustomError("address", "no HTTP address")
    return url


def _place(value: object) -> object:
    if isinstance(value, str) and value.startswith("s3:") and not BUCKET.fullmatch(value):
        raise PydanticCustomError("address", "no bucket")
    return value


def _split(value: object) -> object:
    """The parts of a list written with commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _network(value: object) -> object:
    """A network, or a host's name where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return ip_network(value)
    except ValueError:
        if not HOST.fullmatch(value):
            raise
        return value


DatabaseUrl = Annotated[str, BeforeValidator(_driven)]
Place = Annotated[str, BeforeValidator(_place)]
WebUrl = Annotated[str, BeforeValidator(_web)]
Network = Annotated[IPv4Network | IPv6Network | str, BeforeValidator(_network)]


class Settings(BaseSettings):
    """Every setting; each field's description says what a right value looks like.

    Raises ``pydantic.ValidationError`` for a wrong one; ``load`` turns that into one line and exit code 2.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    env: Literal["development", "production"] = Field("development", description="development or production")
    var: Path = Field(Path("var"), description="a folder that the hub may write to; no spaces in its path")
    data: Path = Field(Path("../shared/data"), description="the folder with the outside data")
    host: str = Field("127.0.0.1", description="the address to listen on, for example 0.0.0.0", min_length=1)
    port: int = Field(8000, description="a whole number from 1 to 65535", ge=1, le=65535)
    secret_key: SecretStr | None = Field(
        None,
        description="at least 32 random characters, for example from: openssl rand -hex 32",
        min_length=32,
    )
    database_url: DatabaseUrl | None = Field(None, description=DATABASE_FORM)
    database_read_urls: Annotated[tuple[DatabaseUrl, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description=f"addresses of replicas with commas between them, each {DATABASE_FORM}"
    )
    database_pool: int = Field(8, description="connections kept open, from 1 to 500", ge=1, le=500)
    elasticsearch_url: WebUrl | None = Field(
        None, description="http://host:9200 or https://user:password@host"
    )
    elasticsearch_api_key: SecretStr | None = Field(
        None, description="an API key of Elasticsearch, where its address holds no user and password"
    )
    elasticsearch_ca: Path | None = Field(
        None,
        description="a file with the certificate authority of Elasticsearch, where the system does not know it",
    )
    elasticsearch_prefix: str = Field(
        "hub",
        description="what the names of the indices begin with: small letters, digits, - and _",
        pattern="^[a-z][a-z0-9_-]{0,99}$",
    )
    webhook_allowed_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_split)] = Field(
        (),
        description="private networks and hosts with commas between them, for example 10.1.0.0/16,erp.internal",
    )
    feed_days: int = Field(90, description="days to keep the change feed, from 1 to 3650", ge=1, le=3650)
    cart_abandoned_minutes: float = Field(
        60, description="minutes without a change after which a cart counts as left behind, more than 0", gt=0
    )
    message_days: float = Field(
        30,
        description="days that a message waits for its order, and is known after it ended, more than 0",
        gt=0,
    )
    webhook_failing_days: float = Field(
        5, description="days that an endpoint may fail before it is disabled, more than 0", gt=0
    )
    relay_metrics_port: int | None = Field(
        None, description="a whole number from 1 to 65535, on which hub relay answers", ge=1, le=65535
    )
    export_hours: float = Field(
        24, description="hours to keep the result of an export, more than 0 and at most 720", gt=0, le=720
    )
    export_gigabytes: float = Field(
        10, description="gigabytes that all results of one token may take up, more than 0", gt=0
    )
    files: Place | None = Field(
        None,
        description="the folder that holds the contents of files, or s3://bucket/prefix; HUB_VAR/files if none is named",
    )
    files_endpoint: WebUrl | None = Field(
        None, description="http://host:9000, where the bucket is not at AWS itself"
    )
    files_region: str | None = Field(None, description="the bucket's region, for example eu-central-1")
    files_access_key: str | None = Field(None, description="the key that opens the bucket")
    files_secret_key: SecretStr | None = Field(None, description="the secret of HUB_FILES_ACCESS_KEY")
    file_megabytes: int = Field(
        200, description="megabytes that one file may have, from 1 to 10000", ge=1, le=10_000
    )
    file_megapixels: int = Field(
        80, description="million pixels that one picture may have, from 1 to 200", ge=1, le=200
    )
    file_unused_days: float = Field(
        30, description="days that a file must have been unused before it may be removed, 0 or more", ge=0
    )
    rendition_gigabytes: float = Field(
        5, description="gigabytes of renditions that are kept on this machine, more than 0", gt=0
    )
    search_event_days: int = Field(
        90, description="days to keep the events of search, from 1 to 3650", ge=1, le=3650
    )
    search_event_share: float = Field(
        1.0, description="how many of all queries are noted, from 0 (none) to 1 (all)", ge=0, le=1
    )
    relay_lag_seconds: float = Field(
        60, description="seconds that the relay may be behind before /ready says so, more than 0", gt=0
    )

    @field_validator("var")
    @classmethod
    def _without_spaces(cls, var: Path) -> Path:
        """The embedded PostgreSQL takes its socket's folder as a word of a command line."""
        if any(letter.isspace() for letter in str(var.absolute())):
            raise PydanticCustomError("path", "a space in the path")
        return var.absolute()

    @model_validator(mode="after")
    def _production_stands_alone(self) -> Self:
        """Production takes none of development's conveniences."""
        if self.env == "production":
            for name in ("database_url", "secret_key"):
                if getattr(self, name) is None:
                    raise PydanticCustomError("missing", "{name}", {"name": name})
        return self

    def told(self) -> dict[str, Any]:
        """All of them as JSON, secrets too: for a process of the hub's own, by a way that nobody else hears."""
        told = self.model_dump(mode="json", exclude_none=True)
        secret = {name: getattr(self, name) for name in told}
        return told | {
            name: value.get_secret_value() for name, value in secret.items() if isinstance(value, SecretStr)
        }

    @property
    def development(self) -> bool:
        """Whether conveniences are on: embedded database, generated secret, migration at start, GraphiQL."""
        return self.env == "development"

    @property
    def url(self) -> str:
        """The address that people open; a server that listens everywhere is reached by the local one."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @cached_property
    def secret(self) -> str:
        """The key that signs and seals; made once under ``var`` in development."""
        return (
            self.secret_key.get_secret_value() if self.secret_key else _kept_secret(self.var / "secret_key")
        )


KNOWN = Settings.model_fields.keys() | OTHERS


def load() -> Settings:
    """The settings of this process. A wrong one ends it with one line on stderr and exit code 2.

    A name that is no setting is told of on stderr, and does nothing.
    """
    for name in os.environ:
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in KNOWN:
            sys.stderr.write(_unknown(name) + "\n")
    try:
        settings = Settings()
    except ValidationError as error:
        _refuse(error)
    try:
        settings.var.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        sys.stderr.write(
            f'Setting HUB_VAR is "{settings.var}", which cannot be made ({wrong.strerror}):'
            f" set it to {Settings.model_fields['var'].description}.\n"
        )
        raise SystemExit(2) from wrong
    return settings


def _unknown(name: str) -> str:
    near = get_close_matches(name.removeprefix(PREFIX).lower(), Settings.model_fields, 1)
    right = (
        f"the nearest is {PREFIX}{near[0].upper()}"
        if near
        else "see docs/operations.md for those that there are"
    )
    return f"Setting {name} is unknown and does nothing: {right}."


def _refuse(error: ValidationError) -> NoReturn:
    for problem in error.errors(include_url=False):
        sys.stderr.write(_sentence(dict(problem)) + "\n")
    raise SystemExit(2)


def _sentence(problem: dict[str, Any]) -> str:
    """One wrong setting: its name, its value unless secret, and what would be right."""
    missing = not problem["loc"]
    name = str(problem["ctx"]["name"] if missing else problem["loc"][0])
    right = Settings.model_fields[name].description
    if missing:
        return f"Setting {PREFIX}{name.upper()} is missing, which production needs: set it to {right}."
    value = "not usable (its value is not shown)" if name in SECRETS else f'"{_given(name, problem)}"'
    return f"Setting {PREFIX}{name.upper()} is {value}: set it to {right}."


def _given(name: str, problem: dict[str, Any]) -> object:
    return os.environ.get(f"{PREFIX}{name.upper()}", problem["input"])


def _kept_secret(path: Path) -> str:
    """The secret in ``path``, made when missing; two processes that start together agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text()
