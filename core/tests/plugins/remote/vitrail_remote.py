"""Its weights lie wherever the test that runs it says."""

from __future__ import annotations

import os

from vitrail.hookspecs import hookimpl
from vitrail.specs import ComponentSpec, Weights


@hookimpl
def vitrail_components():
    return [
        ComponentSpec(
            id="remote/one",
            kind="segmenter",
            target="vitrail.testing.fake_components:FakeSegmenter",
            summary="weights from elsewhere",
            weights=Weights(
                url=os.environ["REMOTE_URL"],
                sha256=os.environ["REMOTE_SHA256"],
                size=int(os.environ["REMOTE_SIZE"]),
                licence="for research only",
            ),
        )
    ]
