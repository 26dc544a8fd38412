"""The states of versions of models, and of pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from penstock.core.control.reasons import Reason
from penstock.core.states import StateTable, Turn

VersionState: TypeAlias = Literal["coming", "held", "serving", "lapsed", "leaving", "gone"]

PipelineState: TypeAlias = Literal["waiting", "serving", "behind", "gone"]

VERSION_STATES: Final[StateTable[VersionState]] = StateTable(
    "version of a model",
    {
        "coming": "Fewer copies are loaded than it needs to serve (`minReplicas`, 1 without it). "
        "They are being loaded, or wait for room, for a server or for another try. The version "
        "before it goes on serving.",
        "held": "Enough copies are loaded. It serves as soon as it is known to break no pipeline; "
        "it may have to wait for new versions of other models.",
        "serving": "Calls go to its copies, however many there are.",
        "lapsed": "It served, and its last copy is gone. It serves again with the next one.",
        "leaving": "No new calls go to it; its copies leave when those under way have ended.",
        "gone": "All of its copies are unloaded.",
    },
    (
        Turn("coming", "enough copies are loaded", "held"),
        Turn("coming", "it is deleted, or another version is wanted in its place", "leaving"),
        Turn("held", "copies are gone, or more are wanted", "coming"),
        Turn("held", "it breaks no pipeline, and calls go to it from now on", "serving"),
        Turn(
            "held",
            "it is deleted, another version is wanted in its place, or it is refused for "
            "what it would break",
            "leaving",
        ),
        Turn("serving", "its last copy is gone", "lapsed"),
        Turn("serving", "it is deleted, or a newer version serves", "leaving"),
        Turn("lapsed", "a copy is loaded", "serving"),
        Turn("lapsed", "it is deleted, or a newer version serves", "leaving"),
        Turn("leaving", "its copies are unloaded", "gone"),
    ),
)

VERSION_REASONS: Final[Mapping[VersionState, tuple[Reason, ...]]] = {
    "coming": (
        Reason.LOADING,
        Reason.RETRYING,
        Reason.LOAD_FAILED,
        Reason.NO_STORAGE,
        Reason.NO_SERVER,
        Reason.WAITING_FOR_SERVER,
        Reason.SCALED_TO_ZERO,
    ),
    "held": (Reason.LOADING, Reason.RETRYING, Reason.WAITING_FOR_OTHERS),
    "serving": (Reason.SERVING,),
    "lapsed": (
        Reason.LOADING,
        Reason.RETRYING,
        Reason.LOAD_FAILED,
        Reason.NO_STORAGE,
        Reason.NO_SERVER,
        Reason.WAITING_FOR_SERVER,
        Reason.SCALED_TO_ZERO,
    ),
    "leaving": (Reason.BREAKS_PIPELINE,),
    "gone": (Reason.BREAKS_PIPELINE,),
}
"""What the status may say of the version that is wanted."""

PIPELINE_STATES: Final[StateTable[PipelineState]] = StateTable(
    "pipeline",
    {
        "waiting": "No version serves, since models or pipelines that the newest one needs do not, "
        "or do not fit.",
        "serving": "The newest version takes all new requests.",
        "behind": "The version before takes them, since the newest one cannot serve yet.",
        "gone": "It is deleted. It takes no requests; those under way finish.",
    },
    (
        Turn("waiting", "all that the newest version needs serves and fits", "serving"),
        Turn("waiting", "it is deleted", "gone"),
        Turn("serving", "something that it needs does not serve any more", "waiting"),
        Turn("serving", "another version is wanted, which cannot serve yet", "behind"),
        Turn("serving", "it is deleted", "gone"),
        Turn("behind", "the newest version can serve", "serving"),
        Turn("behind", "the version before cannot serve any more either", "waiting"),
        Turn("behind", "it is deleted", "gone"),
    ),
)

PIPELINE_REASONS: Final[Mapping[PipelineState, tuple[Reason, ...]]] = {
    "waiting": (
        Reason.PREPARING,
        Reason.WAITING_FOR_MODELS,
        Reason.MODEL_NOT_READY,
        Reason.MISSING_MODEL,
        Reason.WAITING_FOR_PIPELINES,
        Reason.PIPELINE_NOT_READY,
        Reason.MISSING_PIPELINE,
        Reason.MISSING_STEP,
        Reason.SIGNATURES_DO_NOT_FIT,
    ),
    "serving": (Reason.SERVING,),
    "behind": (
        Reason.PREPARING,
        Reason.WAITING_FOR_MODELS,
        Reason.MODEL_NOT_READY,
        Reason.MISSING_MODEL,
        Reason.WAITING_FOR_PIPELINES,
        Reason.PIPELINE_NOT_READY,
        Reason.MISSING_PIPELINE,
        Reason.MISSING_STEP,
        Reason.BREAKS_READER,
        Reason.SIGNATURES_DO_NOT_FIT,
    ),
    "gone": (),
}
"""What the status may say of the version that is wanted."""
