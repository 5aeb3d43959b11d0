"""The limit of a receipts' door: the product's web server around a route that reads the body, answers 204, and does nothing else."""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import Receive, Scope, Send


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Any request: read to its end and thanked for."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off")
