"""Whatever is sent to the interface, the answer is documented, and never a fault of ours.

First what schemathesis makes of the document, by every role; then a list of classic horrors in every place where
something can be written. After the storm everything must still be readable. `long` runs more of both.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import response_schema_conformance

from alerts.kit.errors import PROBLEM_JSON
from alerts.staff.rules import Role
from tests.api.conftest import World
from tests.api.hostile import BODIES, HEADERS, IN_ADDRESSES, MEDIA_TYPES, NOT_TEXT, VALUES, leaves, replaced, to_json
from tests.api.interface import FORM, STREAMS, Operation, all_operations, faults, headers_for
from tests.api.rights import STRANGERS_WORDS
from tests.api.test_http import RIGHT_OF, role_for

GROUPS = (
    ("incidents", "broadcasts"),
    ("reports", "answer sheet", "deliveries"),
    ("persons", "check-ins", "inbox", "staff", "missions", "citizens", "health"),
    ("calls for help", "call list", "open link", "a citizen's link", "country rules"),
    ("reach", "exports"),
    ("statements", "families"),
)
ENDS = {"sign_out"}
SUPPLIED = ("idempotency-key", "if-match")
# What the last net caught should have been refused by its field.
NET = "not_storable"


Generators = dict[str, Any]


def some_of(group: tuple[str, ...], operations: list[Operation]) -> list[Operation]:
    return [o for o in operations if o.spec["tags"][0] in group and o.id not in STREAMS | ENDS]


def test_every_operation_is_in_a_group(document: dict[str, Any]) -> None:
    assert {operation.spec["tags"][0] for operation in all_operations(document)} == {tag for group in GROUPS for tag in group}


class Storm:
    """Sends, and collects what should not have come back."""

    def __init__(self, world: World, operations: list[Operation]) -> None:
        self.world, self.operations, self.count = world, operations, 0
        self.wrong: dict[str, str] = {}

    def send(self, operation: Operation, role: str | None, path: str, **more: Any) -> Any:
        headers = {name: value.encode() for name, value in (self.world.who[role] if role else {}).items()}
        headers |= {name: value.encode() for name, value in headers_for(operation).items()}
        headers |= more.pop("headers", {})
        self.count += 1
        try:
            answer = self.world.client.request(operation.method, path, headers=headers, **more)
        except Exception as error:  # noqa: BLE001 - any fault of ours is what is looked for
            self.note(operation, f"{type(error).__name__}: {error}", path, more)
            return None
        for fault in faults(operation, answer):
            self.note(operation, fault, path, more)
        # A page says what is missing as a page.
        is_problem = answer.headers.get("content-type") == PROBLEM_JSON
        if answer.status_code == 422 and is_problem and answer.json().get("code") == NET:
            self.note(operation, f"only the last net: {answer.text}", path, more)
        return answer

    def note(self, operation: Operation, fault: str, path: str, more: dict[str, Any]) -> None:
        self.wrong.setdefault(f"{operation.id}: {fault[:160]}", f"{path[:200]} {str(more)[:300]}")

    def check(self) -> None:
        """Nothing was wrong, and what was stored can be read."""
        for operation in self.operations:
            if operation.method == "GET" and operation.id not in STREAMS:
                query = "?place=TR" if operation.path.endswith("/responsible") else ""
                self.send(operation, role_for(operation), self.world.path_of(operation) + query)
        assert self.count > 100
        assert not self.wrong, "\n".join(f"{fault}\n    {where}" for fault, where in self.wrong.items())


@pytest.fixture
def storm(world: World, document: dict[str, Any]) -> Storm:
    return Storm(world, all_operations(document))


# -- what schemathesis makes of the document ------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
def test_generated_requests(storm: Storm, generators: Generators, group: tuple[str, ...]) -> None:
    generate(storm, generators, group, examples=3)


@pytest.mark.long
@pytest.mark.parametrize("group", GROUPS, ids="+".join)
def test_many_generated_requests(storm: Storm, generators: Generators, group: tuple[str, ...]) -> None:
    generate(storm, generators, group, examples=100)


@pytest.fixture(scope="session")
def generators(document: dict[str, Any]) -> Generators:
    """Schemathesis' view of each of our operations, by its name."""
    found = (result.ok() for result in schemathesis.openapi.from_dict(without_supplied(document)).get_all_operations())
    return {theirs.definition.raw["operationId"]: theirs for theirs in found}


def generate(storm: Storm, generators: Generators, group: tuple[str, ...], *, examples: int) -> None:
    for operation in some_of(group, storm.operations):
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            try_examples(storm, operation, generators[operation.id], mode=mode, examples=examples)
    storm.check()


def try_examples(storm: Storm, operation: Operation, theirs: APIOperation[Any, Any], *, mode: GenerationMode, examples: int) -> None:
    # Anything at all is a valid form and a valid file: those have tests of their own.
    has_input = not operation.id.startswith("receive_") and (operation.spec.get("parameters") or "requestBody" in operation.spec)
    if operation.id == "post_import" or (mode is GenerationMode.NEGATIVE and not has_input):
        return
    # The first example is made of the first of everything: by whoever may, of things that exist.
    roles = [*[role_for(operation)] * len(Role), *(f"token of {role.value}" for role in Role)]

    @settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=theirs.as_strategy(generation_mode=mode), role=st.sampled_from(roles), stranger=st.integers(0, 3))
    def run(case: Any, role: str | None, stranger: int) -> None:
        if stranger < 3:
            speak_of(storm.world.ids, case)
        send_case(storm, operation, role, case)

    run()


def speak_of(ids: dict[str, str], case: Any) -> None:
    """Mostly of things that exist: otherwise all that is ever seen is a 404."""
    for part in case.path_parameters, case.body:
        if isinstance(part, dict):
            part |= {name: ids[name] for name in part if name in ids}


def send_case(storm: Storm, operation: Operation, role: str | None, case: Any) -> None:
    made = case.as_transport_kwargs(base_url="http://testserver")
    more: dict[str, Any] = {"params": made.get("params")}
    if "json" in made:
        more |= as_json(made["json"])
    elif isinstance(made.get("data"), dict):
        more["data"] = made["data"]
    answer = storm.send(operation, role, made["url"], **more)
    if answer is None or not answer.headers.get("content-type", "").endswith("json"):
        return
    try:
        case.validate_response(answer, checks=[response_schema_conformance])
    except (Failure, FailureGroup) as failure:
        storm.note(operation, str(failure), made["url"], more)


def without_supplied(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what every request of ours has: an account, a key, a version."""
    document = copy.deepcopy(document)
    document["components"].pop("securitySchemes")
    for operation in all_operations(document):
        operation.spec.pop("security", None)
        given_by_us = [p for p in operation.spec.get("parameters", ()) if p["name"].lower() in SUPPLIED]
        for parameter in given_by_us:
            operation.spec["parameters"].remove(parameter)
    return document


# -- horrors in every place --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
def test_horrors(storm: Storm, group: tuple[str, ...]) -> None:
    horrify(storm, some_of(group, storm.operations), every=13)


@pytest.mark.long
@pytest.mark.parametrize("group", GROUPS, ids="+".join)
def test_all_horrors(storm: Storm, group: tuple[str, ...]) -> None:
    horrify(storm, some_of(group, storm.operations), every=1)


def horrify(storm: Storm, operations: list[Operation], *, every: int) -> None:
    """`every` 13: another thirteenth of the horrors in each place; no list of them is a multiple of 13 long, so all have their turn."""
    place = 0
    for operation in operations:
        for horror in in_fields, in_addresses, in_bodies, in_headers:
            for more in list(horror(storm, operation))[place % every :: every]:
                storm.send(operation, role_for(operation), more.pop("path", storm.world.path_of(operation)), **more)
            place += 1
        for at, body in not_text_anywhere(storm, operation):
            answer = storm.send(operation, role_for(operation), storm.world.path_of(operation), **body)
            if answer is not None and answer.status_code not in ({422, 204} if operation.id in STRANGERS_WORDS else {422}):
                storm.note(operation, f"{answer.status_code} for what is no text", str(at), body)
    storm.check()


def example_of(storm: Storm, operation: Operation) -> Any:
    return operation.body_arguments(storm.world.ids).get("json")


def as_json(value: Any) -> dict[str, Any]:
    return {"content": to_json(value), "headers": {"Content-Type": b"application/json"}}


def in_fields(storm: Storm, operation: Operation) -> Iterator[dict[str, Any]]:
    example = example_of(storm, operation)
    for at in leaves(example):
        for value in VALUES:
            yield as_json(replaced(example, at, value))


def not_text_anywhere(storm: Storm, operation: Operation) -> Iterator[tuple[Any, dict[str, Any]]]:
    example = example_of(storm, operation)
    for number, at in enumerate(leaves(example)):
        yield at, as_json(replaced(example, at, NOT_TEXT[number % len(NOT_TEXT)]))


def in_addresses(storm: Storm, operation: Operation) -> Iterator[dict[str, Any]]:
    body = operation.body_arguments(storm.world.ids)
    for value in IN_ADDRESSES:
        for name in operation.path_names:
            yield body | {"path": operation.path.format(**(storm.world.ids | {name: value or "%20"}))}
        for parameter in operation.spec.get("parameters", ()):
            if parameter["in"] == "query":
                yield body | {"path": f"{storm.world.path_of(operation)}?{parameter['name']}={value}&{value}=1"}


def in_bodies(_: Storm, operation: Operation) -> Iterator[dict[str, Any]]:
    if operation.method not in {"POST", "PATCH"}:
        return
    for number, content in enumerate(BODIES):
        yield {"content": content, "headers": {"Content-Type": b"application/json"}}
        other = MEDIA_TYPES[number % len(MEDIA_TYPES)]
        yield {"content": content, "headers": {"Content-Type": other.encode("latin-1")}}
        yield {"content": content, "headers": {"Content-Type": FORM.encode()}}


def in_headers(storm: Storm, operation: Operation) -> Iterator[dict[str, Any]]:
    for headers in HEADERS:
        yield operation.body_arguments(storm.world.ids) | {"headers": headers}


def test_every_operation_has_a_role(document: dict[str, Any]) -> None:
    assert set(RIGHT_OF) <= {operation.id for operation in all_operations(document)}
