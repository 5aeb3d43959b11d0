"""The live page as it is usually written, for comparison: each open stream asks the database every second and computes its own sheet.

`python naive_live.py PORT INCIDENT` serves it; the product's own sheet, without its hub.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from alerts.incidents.queries import get_incident
from alerts.kit.db import begin, make_engine, make_sessions
from alerts.live.queries import load_sheet
from alerts.reports.queries import load_filed
from alerts.settings import Settings

EVERY_SECONDS = 1.0


def main(port: int, incident_id: UUID) -> None:
    sessions = make_sessions(make_engine(Settings.from_environment().database.url.get_secret_value(), pool_size=20))
    app = FastAPI()

    def look(known: int) -> tuple[int, str]:
        with begin(sessions) as session:
            count = len(load_filed(session, incident_id).reports)
            return count, "" if count == known else load_sheet(session, get_incident(session, incident_id)).model_dump_json()

    async def watch() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            known = -1
            while True:
                count, text = await run_in_threadpool(look, known)
                if text:
                    known = count
                    yield f"id: {count}\ndata: {text}\n\n"
                await asyncio.sleep(EVERY_SECONDS)

        return StreamingResponse(events(), media_type="text/event-stream")

    app.add_api_route("/live", watch)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), UUID(sys.argv[2]))
