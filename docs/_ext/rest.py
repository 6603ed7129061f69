"""The REST reference, written from ``openapi.yaml`` and the schemas of the events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import jupyter_pkgmgr

__all__ = ["describe_events", "describe_routes", "describe_schemas", "load_api"]

SERVER = Path(jupyter_pkgmgr.__file__).parent / "server"
METHODS = ("get", "post", "put", "patch", "delete")
OPENERS = {"token": "Jupyter's token", "cookie": "a login", "kernel": "the kernel's own token"}

Json = Mapping[str, Any]
Schema = Json | bool
"""`true` is a schema too: anything."""


def load_api() -> Json:
    """The OpenAPI file."""
    content: Json = YAML(typ="safe").load(SERVER / "openapi.yaml")
    return content


def describe_routes(api: Json) -> Iterator[str]:
    """A heading for each tag, and one for each route."""
    for tag in api["tags"]:
        yield f"## {tag['name'].capitalize()}\n"
        for path, item in api["paths"].items():
            for method in (name for name in METHODS if name in item):
                if tag["name"] in item[method]["tags"]:
                    yield from _route(api, f"{method.upper()} pkgmgr{path}", item, item[method])


def _route(api: Json, title: str, path: Json, operation: Json) -> Iterator[str]:
    yield f"### `{title}`\n\n{operation['summary']}.\n"
    openers = [OPENERS[name] for choice in operation.get("security", api["security"]) for name in choice]
    yield f"Action `{operation['x-action']}`; opened by {' or '.join(openers)}.\n"
    parameters = [_resolved(api, item) for item in (*path.get("parameters", ()), *operation.get("parameters", ()))]
    if parameters:
        yield "| parameter | in | type | meaning |\n|---|---|---|---|"
        for item in parameters:
            yield f"| `{item['name']}` | {item['in']} | {_type(item['schema'])} | {item.get('description', '')} |"
        yield ""
    if body := operation.get("requestBody"):
        yield from _body(api, body["content"]["application/json"]["schema"])
    for status, answer in operation["responses"].items():
        if status != "default":
            yield from _answer(status, _resolved(api, answer))


def _body(api: Json, schema: Json) -> Iterator[str]:
    for number, form in enumerate(schema.get("oneOf", [schema])):
        yield ("Or:" if number else "Body:") + "\n"
        yield from _properties(_resolved(api, form))


def _answer(status: str, answer: Json) -> Iterator[str]:
    content = answer.get("content", {}).get("application/json")
    schema = content["schema"] if content else {}
    fields = ", ".join(f"`{name}`: {_type(item)}" for name, item in schema.get("properties", {}).items())
    parts = [_type(part) for part in schema.get("allOf", ()) if not part.get("$ref", "").endswith("/Document")]
    holds = fields or ", ".join(parts)
    yield f"Answers {status}: {answer['description'].strip()}" + (f" ({holds})" if holds else "") + ".\n"


def describe_schemas(api: Json) -> Iterator[str]:
    """A heading for each type of document."""
    for name, schema in api["components"]["schemas"].items():
        yield f"(rest-{name.lower()})=\n### {name}\n"
        if text := schema.get("description"):
            yield f"{text.strip()}\n"
        if schema.get("properties"):
            yield from _properties(schema)
        else:
            yield f"{_type(schema)}\n"


def describe_events() -> Iterator[str]:
    """A heading for each kind of Jupyter Event."""
    for path in sorted((SERVER / "event_schemas").glob("*/v*.yaml")):
        schema = YAML(typ="safe").load(path)
        yield f"### {path.parent.name}\n\n{schema['title']}: `{schema['$id']}`\n\n{schema['description'].strip()}\n"
        yield from _properties(schema)


def _properties(schema: Json) -> Iterator[str]:
    required = set(schema.get("required", ()))
    yield "| field | type | meaning |\n|---|---|---|"
    for name, item in schema.get("properties", {}).items():
        optional = "" if name in required else " (optional)"
        yield f"| `{name}`{optional} | {_type(item)} | {_about(item)} |"
    yield ""


def _resolved(api: Json, item: Json) -> Json:
    target: Any = api
    if "$ref" not in item:
        return item
    for part in item["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return target  # type: ignore[no-any-return]  # as the file has it


def _type(schema: Schema) -> str:
    if isinstance(schema, bool):
        return "anything"
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#rest-{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    for key, word in (("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")):
        if key in schema:
            return word.join(dict.fromkeys(_type(item) for item in schema[key]))
    kinds = schema.get("type", "anything")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return " or ".join(_kind(kind, schema) for kind in kinds)


def _kind(kind: str, schema: Json) -> str:
    if kind == "array":
        return f"list of {_type(schema['items'])}" if "items" in schema else "list"
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict):
        return f"object of {_type(values)}"
    if kind == "object" and schema.get("properties"):
        return "object with " + ", ".join(f"`{name}`" for name in schema["properties"])
    return kind


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _about(schema: Schema) -> str:
    """The description, where a schema has one."""
    return "" if isinstance(schema, bool) else _cell(schema.get("description", ""))
