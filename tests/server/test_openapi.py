"""The OpenAPI file says what the table of routes says, and is itself in order."""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft202012Validator

from jupyter_pkgmgr.api import MAX_BODY
from jupyter_pkgmgr.api.routes import ROUTES, Route
from jupyter_pkgmgr.api.working import MAX_WAIT
from jupyter_pkgmgr.server.handlers import KERNEL_TOKEN
from tests.server.contract import Contract


def test_every_route_is_described_and_nothing_else(contract: Contract) -> None:
    described = {(method, path) for method, path, _ in contract.operations()}
    assert described == {(route.method, route.pattern) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
def test_a_route_is_described_as_it_is(contract: Contract, route: Route) -> None:
    item = contract.document["paths"][f"/{route.pattern}"]
    operation = item[route.method.lower()]
    assert operation["operationId"] == route.name
    assert operation["x-action"] == route.action
    ways = [set(way) for way in operation.get("security", contract.document["security"])]
    assert ({"kernel"} in ways) == route.kernel_token
    assert ({"token"} in ways and {"cookie"} in ways) != route.kernel_only
    named = {contract.resolve(parameter)["name"] for parameter in item.get("parameters", [])}
    assert named == set(re.findall(r"\{([a-z]+)\}", route.pattern))
    assert operation["summary"]
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Error"}


def test_every_reference_leads_somewhere(contract: Contract) -> None:
    for reference in re.findall(r'\$ref: "?(#[\w/]+)', str(contract.text)):
        assert contract.resolve({"$ref": reference}), reference


@pytest.mark.parametrize("name", ["Job", "Plan", "Environment", "Kernel", "PackageRow", "JobEvent"])
def test_schemas_are_schemas(contract: Contract, name: str) -> None:
    schema = contract.document["components"]["schemas"][name]
    Draft202012Validator.check_schema(schema)
    with pytest.raises(AssertionError):
        contract.validate(schema, {"something": "else"})


def test_numbers_that_are_said_twice_agree(contract: Contract) -> None:
    events = contract.document["paths"]["/jobs/{job}/events"]["get"]
    wait = next(parameter for parameter in events["parameters"] if parameter["name"] == "wait")
    assert wait["schema"]["maximum"] == MAX_WAIT
    assert contract.document["components"]["securitySchemes"]["kernel"]["name"] == KERNEL_TOKEN
    assert MAX_BODY == 1024**2
