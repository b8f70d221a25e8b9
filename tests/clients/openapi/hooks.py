"""What makes made-up calls reach further: keys are asked for of the API that there is."""

import schemathesis


@schemathesis.hook
def map_body(context, body):
    operation = context.operation
    if (operation.method.lower(), operation.path) == ("post", "/v1/keys") and isinstance(body, dict):
        # A body that is wrong on purpose stays wrong: only what is right is replaced.
        if isinstance(body.get("api"), str):
            body["api"] = "docs"
        if body.get("anywhere", False) is False:
            body["anywhere"] = True
    return body
