"""A stream of events to one of very many screens: the bytes of a version are made once, and nothing is kept per screen but its slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
Watch = Callable[[asyncio.Task[object] | None], AsyncGenerator[T, None]]
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Stream(StreamingResponse):
    """Sends what `watch` yields, as `frame` makes it, until the screen hangs up or `watch` ends.

    The framework's own way costs a task group, two streams and an encoding for each screen; here the serving task waits for the
    next version, and a second one for the end. `watch` is given the first, so that it can cancel a screen that does not read.
    """

    media_type = "text/event-stream"

    def __init__(self, watch: Watch[T], frame: Callable[[T], bytes]) -> None:
        super().__init__(iter(()), headers=HEADERS)
        self._watch, self._frame = watch, frame

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the form of ASGI
        """The ASGI side. Whoever cancels the serving task (a slow screen, the end of the server) is not contradicted."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        serving, has_gone = asyncio.current_task(), asyncio.Event()
        assert serving is not None
        listening = asyncio.create_task(_hang_up(receive, serving, has_gone))
        try:
            async with aclosing(self._watch(serving)) as items:
                async for item in items:
                    await send({"type": "http.response.body", "body": self._frame(item), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            if not has_gone.is_set():
                raise
            serving.uncancel()
        finally:
            listening.cancel()


async def _hang_up(receive: Receive, serving: asyncio.Task[object], has_gone: asyncio.Event) -> None:
    """Wait until the screen has gone, and end its stream."""
    while (await receive())["type"] != "http.disconnect":
        pass
    has_gone.set()
    serving.cancel()
