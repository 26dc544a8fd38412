"""The reasons in the conditions of models and pipelines: one word each, for programs."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition stands as it does. The words are an interface."""

    def __new__(cls, word: str, meaning: str) -> Reason:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    meaning: str

    SERVING = "Serving", "Some version answers calls; the message says which."
    LOADING = "Loading", "A version of the model is being fetched and loaded."
    SCALED_BY_LOAD = "ScaledByLoad", "The model has as many copies as its load asks for."
    FIGURES_STALE = (
        "FiguresStale",
        "Nothing is known of the model's load at the moment, so it is not scaled.",
    )
    ASLEEP = "Asleep", "No copies are loaded, since nobody calls the model; the next call loads it."
    SCALED_TO_ZERO = "ScaledToZero", "No replicas of the model are wanted."
    RETRYING = (
        "Retrying",
        "Loading or starting failed in a way that may pass, and is tried again.",
    )
    LOAD_FAILED = "LoadFailed", "Loading failed for good; the message says what to change."
    NO_SERVER = "NoServer", "The model fits on no server; the message says why on none."
    WAITING_FOR_SERVER = (
        "WaitingForServer",
        "A server that may suit the model is being started, or agents may come back.",
    )
    NO_STORAGE = "NoStorage", "No storage knows addresses like the model's `storageUri`."
    WAITING_FOR_OTHERS = (
        "WaitingForOthers",
        "The version is loaded, fits no pipeline without new versions of other models, and waits.",
    )
    BREAKS_PIPELINE = (
        "BreaksPipeline",
        "The version's signature does not fit a pipeline that is served; the message names the "
        "edge.",
    )
    MODELS_DO_NOT_FIT = (
        "ModelsDoNotFit",
        "Models fit on no server, and would on more replicas of this one; the message says how "
        "many.",
    )
    STARTING = "Starting", "Replicas of the server are being started."
    START_FAILED = "StartFailed", "The server cannot be started; the message says what to change."
    WAITING_FOR_AGENTS = (
        "WaitingForAgents",
        "Fewer agents of the server are there than are wanted; the message says how to start one.",
    )
    DRAINED = "Drained", "Somebody has asked that the server, or replicas of it, take no models."
    PREPARING = "Preparing", "A version of the pipeline has been recorded a moment ago."
    WAITING_FOR_MODELS = (
        "WaitingForModels",
        "Models that the pipeline calls, or the one that is explained, are on their way.",
    )
    MODEL_NOT_READY = (
        "ModelNotReady",
        "A model that the pipeline calls, or the one that is explained, could not be loaded.",
    )
    MISSING_MODEL = (
        "MissingModel",
        "A model that the pipeline calls, or the one that is explained, does not exist.",
    )
    WAITING_FOR_PIPELINES = (
        "WaitingForPipelines",
        "Pipelines that are steps of the pipeline, that it reads, or that are explained, are on "
        "their way.",
    )
    PIPELINE_NOT_READY = (
        "PipelineNotReady",
        "A pipeline that is a step of the pipeline, that it reads, or that is explained, does not "
        "serve, or has no such port.",
    )
    MISSING_PIPELINE = (
        "MissingPipeline",
        "A pipeline that is a step of the pipeline, that it reads, or that is explained, does not "
        "exist.",
    )
    MISSING_STEP = "MissingStep", "A step of another pipeline that is read does not exist."
    BREAKS_READER = (
        "BreaksReader",
        "The version does not fit a pipeline that reads it and is served; the message names the "
        "edge.",
    )
    SIGNATURES_DO_NOT_FIT = (
        "SignaturesDoNotFit",
        "Models that the pipeline calls, or pipelines that it reads, do not fit along its edges; "
        "the message names them.",
    )
    WAITING_FOR_STREAMS = (
        "WaitingForStreams",
        "The streams of the pipeline are being made, or the transport cannot be reached.",
    )
    STREAMS_DO_NOT_FIT = (
        "StreamsDoNotFit",
        "The streams of the pipeline cannot be made as they are wanted; the message says why.",
    )
    TRANSPORT_REACHED = "TransportReached", "The transport answers; the message says which it is."
    TRANSPORT_AWAY = (
        "TransportAway",
        "The transport does not answer, so requests wait or are refused until it does.",
    )
    NOT_OVER_STREAMS = (
        "NotOverStreams",
        "The pipeline cannot run over a transport between processes; the message says why.",
    )
    WAITING_FOR_CANDIDATES = (
        "WaitingForCandidates",
        "Candidates of the experiment, or its mirror, are on their way; others get the requests.",
    )
    CANDIDATE_NOT_READY = (
        "CandidateNotReady",
        "Candidates of the experiment, or its mirror, do not serve; others get the requests.",
    )
    MISSING_CANDIDATE = (
        "MissingCandidate",
        "Candidates of the experiment, or its mirror, do not exist; others get the requests.",
    )
    NO_ROUTER = "NoRouter", "The router of the experiment cannot be made; the message says why."
    WITHIN_BOUNDS = "WithinBounds", "No arm of the experiment is beyond a bound of its guard."
    BOUND_CROSSED = (
        "BoundCrossed",
        "An arm is, or was, beyond a bound of a guard that only reports; the message has the "
        "figure.",
    )
    ROLLED_BACK = (
        "RolledBack",
        "An arm was beyond a bound of the guard, so the baseline has everything until the manifest "
        "changes.",
    )
    BY_OPERATOR = "ByOperator", "Somebody has given everything to one arm."
    SETTLED = "Settled", "The rollout has ended, since everything goes to one arm."
    ROLLOUT_STEP = "RolloutStep", "The rollout is at the step that the message names."
    ROLLOUT_DONE = "RolloutDone", "The last step of the rollout is over."
    BANDIT_FAILED = "BanditFailed", "The bandit cannot be made, or fails; the weights stay."
    NO_METRIC = "NoMetric", "Metrics cannot be made; the message says which, and why."
    OTHER_WEIGHTS = (
        "OtherWeights",
        "The message has the weights that are in force, and what has set them.",
    )
