"""docs/reference/http.md: the routes of caas_worker.api, from the OpenAPI document that the service shows."""

from collections.abc import Iterator
from typing import Any

from caas_worker.api.app import build
from caas_worker.errors import HTTP_STATUSES
from docs.pages.text import bullets, code, document, paragraph

PRESENTED = {
    "worker key": "`Authorization: Bearer` with one of the keys of `CAAS_WORKER_API_KEY`",
    "API key": "`X-API-Key` with one of the keys of `CAAS_API_KEY`",
}
"""How a caller presents a key of each kind."""


def routes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every route."""
    for path, methods in build().openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def page() -> str:
    described = build().openapi()
    return document(
        "HTTP routes",
        "caas_worker/api",
        paragraph(
            "`caas-worker serve` answers these. The page `/docs` of a running service shows the same with every field, "
            "and `/openapi.json` is for programs. See [serve scores over HTTP](../how-to/serve-over-http.md)."
        ),
        "## All at a glance",
        _table(),
        *(part for method, path, operation in routes() for part in _route(method, path, operation)),
        "## Bodies",
        *(part for name, schema in sorted(described["components"]["schemas"].items()) for part in _body(name, schema)),
        "## Errors",
        paragraph(
            'Every error of a well-formed request has one shape, `{"error": {"code", "message", "details"}}`. A `code` '
            "is for programs, the `message` a sentence for people; `details` says of an invalid request where it is "
            "wrong. A path that is no route is 404 `NOT_FOUND`, another method 405 `METHOD_NOT_ALLOWED`, a body beyond "
            "64 KiB 413 `TOO_LARGE`; a body that is too large or no JSON is refused before the key is looked at. What "
            "a browser asks before a page of an origin that is not let in may call is 400 in plain text. An error that "
            "nobody foresaw is 500 `INTERNAL`, and a fault of ours."
        ),
        bullets(
            f"{status}: " + ", ".join(code(kind.code) for kind, its in HTTP_STATUSES.items() if its == status)
            for status in sorted(set(HTTP_STATUSES.values()))
        ),
        paragraph(
            "What stands nowhere in this list is answered as its nearest ancestor in the "
            "[tree of errors](errors.md): 503, the service cannot do now what was asked."
        ),
    )


def _table() -> str:
    rows = ["| route | key | answers |", "|---|---|---|"]
    for method, path, operation in routes():
        key = _key(operation) or "none"
        rows.append(f"| {code(f'{method} {path}')} | {key} | {', '.join(sorted(operation['responses']))} |")
    return "\n".join(rows)


def _key(operation: dict[str, Any]) -> str | None:
    return next((name for scheme in operation.get("security", ()) for name in scheme), None)


def _route(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {code(f'{method} {path}')}"
    yield from (paragraph(part) for part in operation["description"].split("\n\n"))
    if key := _key(operation):
        yield paragraph(f"Needs {PRESENTED[key]}.")
    parameters = [
        f"{code(one['name'])} ({one['in']}{'' if one['required'] else ', optional'}): "
        f"{one.get('description') or one['schema'].get('description', '')}"
        for one in operation.get("parameters", [])
    ]
    yield bullets(parameters)
    yield bullets(f"{status}: {_answer(response)}" for status, response in sorted(operation["responses"].items()))


def _answer(response: dict[str, Any]) -> str:
    names = [
        schema["$ref"].rsplit("/", 1)[-1]
        for content in response.get("content", {}).values()
        if "$ref" in (schema := content.get("schema", {}))
    ]
    body = f"{code(names[0])}. " if names and names[0] != "ProblemBody" else ""
    text = response["description"]
    return body.strip() if text == "Successful Response" and body else f"{body}{text}"


def _body(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {code(name)}"
    yield paragraph(schema.get("description", ""))
    yield bullets(
        f"{code(field)} ({_type(facts)}){': ' + facts['description'] if 'description' in facts else ''}"
        for field, facts in schema.get("properties", {}).items()
    )


def _type(facts: dict[str, Any]) -> str:
    if "anyOf" in facts:
        return " or ".join(_type(one) for one in facts["anyOf"])
    if "$ref" in facts:
        return str(facts["$ref"]).rsplit("/", 1)[-1]
    if "enum" in facts or "const" in facts:
        return " or ".join(code(str(word)) for word in facts.get("enum", [facts.get("const")]))
    return str(facts.get("format") or facts.get("type", "anything"))
