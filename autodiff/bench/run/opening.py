"""From what a user asked for to a request and its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..ask.request import Request, refuse_disagreement, request_from
from ..records.folder import Folder, create, open_run


def opened(given: Mapping[str, Any], out: Path | None, resume: Path | None) -> tuple[Folder, Request]:
    """The folder of a run and what it is asked to do; nothing is written before that is known to be right.

    Args:
        given: the command line's options by name, None (or empty, or False) for those left out.
        out: the folder of a new run; None for ``results/<time>-<host>``.
        resume: the folder of a run to go on with. Options given again must agree with what it was asked for.

    Raises:
        InputError: whatever is wrong, in a sentence; UnsupportedError: an engine that was asked for cannot run here.
    """
    if resume is None:
        request = request_from(given)
        return create(out), request
    folder, request = open_run(resume)
    refuse_disagreement(given, request, folder.request)
    request.check()
    return folder, request
