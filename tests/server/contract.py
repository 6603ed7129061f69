"""The OpenAPI file as something that answers can be held against."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from ruamel.yaml import YAML

from jupyter_pkgmgr.server.host import OPENAPI

__all__ = ["Contract"]

_HERE = "urn:openapi"


class Contract:
    """What every path and method answers, by the file."""

    def __init__(self) -> None:
        self.text = OPENAPI.read_text(encoding="utf-8")
        self.document: dict[str, Any] = YAML(typ="safe").load(self.text)
        resource: Resource[Any] = DRAFT202012.create_resource(self.document)
        self._registry: Registry[Any] = Registry().with_resource(_HERE, resource)

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path without a slash in front, and the description of each."""
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    yield method.upper(), path.removeprefix("/"), operation

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        """What a ``$ref`` stands for."""
        while set(node) == {"$ref"}:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """Fail if this isn't an answer that the file describes."""
        operation = self._operation(method, path)
        if operation is None:
            response = self.document["components"]["responses"]["Error"]
        else:
            responses = operation["responses"]
            response = self.resolve(responses.get(str(status), responses["default"]))
            assert status >= 400 or str(status) in responses, f"{method} {path} answered {status}"
        content = response.get("content")
        if content is None:
            assert body is None, f"{method} {path} answered {status} with a body"
        elif "application/json" in content:
            self.validate(content["application/json"]["schema"], body)

    def validate(self, schema: dict[str, Any], body: Any) -> None:
        """Fail if a document isn't as a schema of the file says."""
        validator = Draft202012Validator(_absolute(schema), registry=self._registry)
        errors = [
            f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(body)
        ]
        assert not errors, "\n".join(errors)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for there, pattern, operation in self.operations():
            regex = re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(pattern))
            if there == method and re.fullmatch(regex, path):
                return operation
        return None


def _absolute(node: Any) -> Any:
    """The same schema with references that hold outside of the file."""
    if isinstance(node, dict):
        return {key: f"{_HERE}{value}" if key == "$ref" else _absolute(value) for key, value in node.items()}
    return [_absolute(item) for item in node] if isinstance(node, list) else node
