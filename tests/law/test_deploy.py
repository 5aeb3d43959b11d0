"""The image and the compose file say what the code understands. (There is no engine here to start them with.)"""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml
from typer.main import get_command

from alerts.cli import app
from alerts.embedded.scratch import CHECKOUT
from alerts.settings import Settings, new_key
from workers.wiring import ALL_QUEUES, QUEUES, QUICK

DEPLOY = CHECKOUT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
OURS = ("migrate", "serve", "worker", "quick", "evidence", "paging", "relay")
FINAL_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
VARIABLE = re.compile(r"\$\{(\w+)(:[-?][^}]*)?\}")


def filled(text: str) -> str:
    values = {name: new_key() for name in ("SIAGA_KEYS_DATA", "SIAGA_KEYS_INDEX", "SIAGA_KEYS_LINK", "SIAGA_KEYS_CALLBACK")}
    values |= {"SIAGA_PUBLIC_URL": "https://siaga.example", "POSTGRES_PASSWORD": "a1", "VALKEY_PASSWORD": "b2"}
    return VARIABLE.sub(lambda match: values.get(match[1], ""), text)


def test_the_services_are_the_servers_and_our_processes() -> None:
    assert set(COMPOSE["services"]) == {"postgres", "valkey", *OURS}
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"
    assert COMPOSE["services"]["valkey"]["image"] == "valkey/valkey:9"


@pytest.mark.parametrize("name", OURS)
def test_each_process_gets_settings_that_are_understood(name: str) -> None:
    given = {key: filled(value) for key, value in COMPOSE["services"][name]["environment"].items()}
    settings = Settings.from_environment(given)
    assert settings.public_url == "https://siaga.example"
    assert "@postgres:5432/siaga" in settings.database.url.get_secret_value()
    assert settings.redis.url.get_secret_value().startswith("redis://:b2@valkey")
    assert settings.keyring


@pytest.mark.parametrize("name", OURS)
def test_each_process_is_a_command_of_ours_with_options_that_exist(name: str) -> None:
    command, *options = COMPOSE["services"][name]["command"]
    known = get_command(app).commands[command]
    names = {option for parameter in known.params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= names


def test_every_queue_has_a_worker_and_no_storm_shares_one_with_a_release() -> None:
    taken = [COMPOSE["services"][name]["command"] for name in OURS]
    queues = [queue for command in taken if "--queues" in command for queue in command[command.index("--queues") + 1].split(",")]
    assert sorted(queues) == sorted(ALL_QUEUES)
    assert {QUEUES.get(task, QUICK) for task in ("deliveries.release", "deliveries.stop", "live.refresh")} == {QUICK}
    assert QUICK not in {QUEUES.get(task, QUICK) for task in ("inbox.understand", "inbox.reply", "deliveries.send", "notices.send")}


def test_every_variable_is_in_the_example() -> None:
    used = {match[1] for match in VARIABLE.finditer((DEPLOY / "compose.yaml").read_text())} - {"SIAGA_VERSION"}
    listed = {line.partition("=")[0] for line in (DEPLOY / "example.env").read_text().splitlines() if "=" in line and line[0].isupper()}
    assert used == listed
    assert not [line for line in (DEPLOY / "example.env").read_text().splitlines() if re.match(r"\w+=.", line)], "a secret with a default"


def test_whoever_waits_for_a_service_can_tell_when_it_is_there() -> None:
    for name in OURS:
        for other, how in COMPOSE["services"][name]["depends_on"].items():
            if how["condition"] == "service_healthy":
                assert COMPOSE["services"][other]["healthcheck"]["test"]


def test_nothing_but_the_web_server_is_published_and_that_on_loopback() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert set(published) == {"serve"}
    assert all(port.startswith("127.0.0.1:") for port in published["serve"])


def test_the_image_is_not_root_and_holds_no_servers_and_no_tests() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", FINAL_STAGE, re.MULTILINE)
    assert user
    assert int(user[1]) > 1000
    assert FINAL_STAGE.index("USER ") < FINAL_STAGE.index("ENTRYPOINT")
    syncs = [line for line in DOCKERFILE.splitlines() if "uv sync" in line]
    assert syncs
    assert all("--no-default-groups" in shlex.split(line) and "--frozen" in line and "--group" not in shlex.split(line) for line in syncs)
    assert "COPY tests" not in DOCKERFILE


def test_the_image_is_built_with_the_python_and_the_uv_of_the_makefile() -> None:
    uv = re.search(r"uv==([\d.]+)", (CHECKOUT / "Makefile").read_text())
    assert uv
    assert f"uv=={uv[1]}" in DOCKERFILE
    assert set(re.findall(r"FROM (\S+)", DOCKERFILE)) == {"python:3.11-slim-bookworm"}


def test_what_the_dockerfile_copies_is_let_through() -> None:
    let_through = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    copied: set[str] = set()
    for line in DOCKERFILE.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    assert copied == let_through
