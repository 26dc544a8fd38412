"""The table of all fields of all manifests: what each means, and what becomes of it.

The fields of ``mlops.seldon.io/v1alpha1`` are those of Seldon's public documentation
(https://docs.seldon.ai/seldon-core-2); the others are Penstock's. Adding the machinery for a field
means changing its outcome here. ``docs/reference/manifests.md`` is made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from penstock.core.manifests.outcomes import ANY, FieldRule, Outcome

SKIPPED_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        kind: f"{kind} is about an installation of Seldon Core 2, and is skipped"
        for kind in ("ServerConfig", "SeldonConfig", "SeldonRuntime")
    }
)
"""Kinds that are read past with a warning, and the warning."""


def _field(path: str, meaning: str, *, seldon: bool = True) -> FieldRule:
    return FieldRule(_pattern(path), Outcome.HONOURED, meaning, seldon=seldon)


def _own(path: str, meaning: str) -> FieldRule:
    return _field(path, meaning, seldon=False)


def _idle(path: str, meaning: str, reason: str, *harmless: object) -> FieldRule:
    return FieldRule(_pattern(path), Outcome.IDLE, meaning, reason, harmless)


def _refused(path: str, meaning: str, reason: str) -> FieldRule:
    return FieldRule(_pattern(path), Outcome.REFUSED, meaning, reason, foreign=True)


def _of_kubernetes(path: str, meaning: str, reason: str) -> FieldRule:
    return FieldRule(_pattern(path), Outcome.IDLE, meaning, reason, foreign=True)


def _within(path: str, meaning: str, outcome: Outcome) -> FieldRule:
    """A field that has the outcome of the section it belongs to, which tells the reason."""
    return FieldRule(_pattern(path), outcome, meaning)


def _pattern(path: str) -> tuple[str, ...]:
    return tuple(path.replace("[]", f".{ANY}").split("."))


_BY_KUBERNETES: Final = "it is Kubernetes' own and says nothing to Penstock"

COMMON: Final = (
    _field("apiVersion", "The version of the format."),
    _field("kind", "What the document is."),
    _field("metadata", "Its name and what is written on it."),
    _field(
        "metadata.name",
        "Letters, digits, `-` and `_`, with a letter or digit at both ends; at most 63 characters.",
    ),
    _field("metadata.namespace", "One runtime serves one namespace."),
    _field("metadata.labels", "Words to select by; a change makes no new version."),
    _field("metadata.annotations", "Notes; a change makes no new version."),
    _field("spec", "What is wanted."),
    *(
        _of_kubernetes(f"metadata.{field}", "Written by Kubernetes.", _BY_KUBERNETES)
        for field in (
            "creationTimestamp",
            "finalizers",
            "generation",
            "managedFields",
            "ownerReferences",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    ),
    _of_kubernetes(
        "status",
        "Written by the system that the manifest was taken from.",
        "the status of a resource is found out, not applied",
    ),
)
"""The fields of every kind."""

MODEL: Final = (
    _field(
        "spec.storageUri",
        "Where its artifacts are: a folder or file (relative to the manifest), `file://`, "
        "`http(s)://`, or any fsspec address.",
    ),
    _own(
        "spec.python",
        "The function or class that serves it, as `package.module:name`, looked for in the "
        "manifest's folder and the working directory. Instead of `storageUri`, or beside it.",
    ),
    _field(
        "spec.artifactVersion",
        "Which version of an artifact that holds several in numbered folders.",
    ),
    _own(
        "spec.artifactDigest",
        "What its artifacts must be, as `sha256:<64 hex>`; `penstock digest PATH` prints it. They "
        "are not loaded when they are anything else.",
    ),
    _field("spec.requirements", "Capabilities that its server must have, as `sklearn`."),
    _field(
        "spec.parameters",
        "Settings that are handed to the model: a mapping, or a list of `name` and `value`.",
    ),
    _field("spec.memory", "How much memory a copy takes, as `100Mi`, of what its server has."),
    _field(
        "spec.replicas",
        "How many copies are loaded, each on another replica of a server; without it one, or with "
        "`penstock up --workers` one in each worker.",
    ),
    _field(
        "spec.minReplicas",
        "The fewest copies that count as ready, and that it is scaled to by its load; 1 without "
        "it. With 0 it sleeps while nobody calls it, and its next call waits until it is loaded.",
    ),
    _field(
        "spec.maxReplicas",
        "The most copies that it is scaled to by its load, beginning with `replicas`; it is not "
        "scaled without it, nor where it is not more than `minReplicas`.",
    ),
    _own(
        "spec.execution",
        "Where its calls run: `auto`, `inline` (on the event loop), `thread` or `process`.",
    ),
    _own("spec.concurrency", "How many of its calls run at a time."),
    *(
        _own(
            f"spec.{side}",
            f"The tensors that it {verb}, as a list; not declared when left out. Must agree with "
            "its annotations, and is checked along the edges of pipelines.",
        )
        for side, verb in (("inputs", "takes"), ("outputs", "puts out"))
    ),
    *(
        _own(f"spec.{side}[].{field}", meaning)
        for side in ("inputs", "outputs")
        for field, meaning in (
            ("name", "The tensor's name."),
            ("datatype", "One of V2's datatypes, as `FP32`."),
            ("shape", "A list of lengths; a name or -1 where a length is not fixed."),
            ("optional", "Whether it may be missing."),
        )
    ),
    _field("spec.server", "The server that it must be placed on."),
    _field("spec.explainer", "What it explains, and how; it is loaded after that."),
    _field("spec.explainer.type", "The method, as `permutation_shap`: a plug-in brings it."),
    _field("spec.explainer.modelRef", "The model that is explained."),
    _field("spec.explainer.pipelineRef", "The pipeline that is explained."),
    _own(
        "spec.explainer.batchSize",
        "How many rows one call of what is explained has; by default 4096 where its signature "
        "leaves the first axis free, else what that says, else 1.",
    ),
    _own("spec.explainer.callsInFlight", "How many such calls one explanation has at a time."),
    _own(
        "spec.explainer.maxEvaluations",
        "How many rows one explanation may ask for; a request that needs more is refused.",
    ),
    _idle(
        "spec.modelType",
        "The type of the artifact.",
        "the loader is chosen by the artifacts and the requirements",
    ),
    _idle(
        "spec.schemaUri",
        "Where a description of the artifact is.",
        "the signature comes from inputs and outputs, from annotations or from the server",
    ),
    _idle(
        "spec.secretName",
        "The Kubernetes secret with what the storage asks for.",
        "outside Kubernetes there are no secrets; the storage's own settings are used",
    ),
    _idle(
        "spec.logger",
        "Where copies of its requests are sent.",
        "copies of requests are not sent anywhere; what is kept is said by record on a pipeline",
    ),
    _within("spec.logger.uri", "The address that gets the copies.", Outcome.IDLE),
    _within("spec.logger.percent", "How many percent of the requests.", Outcome.IDLE),
    _idle(
        "spec.preloaded",
        "Whether the server has it already.",
        "every model is loaded by Penstock",
        False,
    ),
    _idle(
        "spec.dedicated",
        "Whether it has a server to itself.",
        "models share one process",
        False,
    ),
    _within("spec.dataflow", "How its topics are kept.", Outcome.IDLE),
    _idle(
        "spec.dataflow.cleanTopicsOnDelete",
        "Whether its topics go when it is deleted.",
        "in one process there are no topics",
        False,
    ),
    _refused(
        "spec.llm",
        "Settings of Seldon's runtime for language models.",
        "Seldon's runtime for language models is not part of Penstock; "
        "serve the model with python or on a server of its own",
    ),
)
"""The fields of a model."""

PIPELINE: Final = (
    _field("spec.steps", "Its steps."),
    _field("spec.steps[].name", "The step's name, once in the pipeline."),
    _own("spec.steps[].model", "The model that it calls; the step's name when left out."),
    _own("spec.steps[].pipeline", "The pipeline that it calls instead of a model."),
    _field("spec.steps[].inputs", "References; the pipeline's input when left out."),
    _field("spec.steps[].triggers", "References that gate it; their data is not passed on."),
    _field(
        "spec.steps[].tensorMap",
        "New names for tensors on their way in; keys are full references, as `scale.outputs.x`.",
    ),
    _field("spec.steps[].inputsJoinType", "How its inputs are joined."),
    _field("spec.steps[].triggersJoinType", "How its triggers are joined."),
    _field(
        "spec.steps[].joinWindowMs",
        "How long its joins wait; 0 is as if not written. `auto`: until what follows has just "
        "the time left that it usually needs.",
    ),
    _field("spec.steps[].batch", "How its visits are run as one call; not at all without `size`."),
    _field("spec.steps[].batch.size", "How many rows one call takes at most."),
    _field(
        "spec.steps[].batch.windowMs",
        "How long the first visit waits for others, at most half of the shortest time left.",
    ),
    _idle(
        "spec.steps[].batch.rolling",
        "Whether the batch moves on by one record.",
        "every visit is in one batch only",
        False,
    ),
    _own("spec.steps[].retries", "How often a retriable error is tried again."),
    _own("spec.steps[].retryBackoffMs", "How long before the first retry; doubles, with jitter."),
    _own("spec.steps[].timeoutMs", "For one attempt; what is left of the deadline when left out."),
    _own("spec.steps[].onError", "`fail`, or `absent`: its own failure becomes absence."),
    _field("spec.input", "What it reads of others, and how its requests are taken up."),
    _field(
        "spec.input.externalInputs",
        "References to ports of other pipelines: `other`, `other.outputs.t`, `other.inputs.t`, "
        "`other.step.scale.outputs.t`.",
    ),
    _field(
        "spec.input.externalTriggers",
        "References to ports of other pipelines that gate those inputs; a call of the pipeline "
        "itself is not gated.",
    ),
    _field("spec.input.joinType", "How the external inputs are joined."),
    _field("spec.input.triggersJoinType", "How the external triggers are joined."),
    _field("spec.input.joinWindowMs", "How long those joins wait; 60,000 when left out."),
    _field("spec.input.tensorMap", "New names for tensors of external inputs."),
    _own(
        "spec.input.key",
        "Where each request has its key: a header, as `x-customer`, or a tensor of the input; the "
        "request's identity when left out. The key decides the partition and which state is seen.",
    ),
    _own(
        "spec.input.match",
        "What external inputs are joined by: `identity`, or `key` (in order, where every side "
        "keeps it).",
    ),
    _own(
        "spec.input.deadlineMs",
        "The deadline of asynchronous requests, and of those that other pipelines begin; 600,000 "
        "when left out.",
    ),
    _field("spec.output", "Its answer; without it the pipeline is asynchronous only."),
    _field("spec.output.steps", "References that make the answer."),
    _field("spec.output.stepsJoin", "How they are joined."),
    _field(
        "spec.output.joinWindowMs",
        "How long that join waits; 0 is as if not written. `auto`: until shortly before the "
        "deadline.",
    ),
    _field("spec.output.tensorMap", "New names for tensors of the answer."),
    _own(
        "spec.output.order",
        "`key` or `partition`: answers keep the order of the inputs, of each key or of all in a "
        "partition. As they get ready when left out.",
    ),
    _own(
        "spec.output.maxHeld",
        "How many answers of a partition are held back for the order at most, 1,000 when left out; "
        "beyond that its intake pauses.",
    ),
    _field("spec.allowCycles", "Whether steps may form loops."),
    _field("spec.maxStepRevisits", "How often a step of a loop may run again."),
    _own(
        "spec.record",
        "Which streams are kept: `boundary` (input and output), `all` or `none`; as configured "
        "when left out.",
    ),
    _own(
        "spec.layout",
        "Who calls the models: `fused`, the worker that has the request; `spread`, model gateways, "
        "through streams of their own; `direct`, the gateway. In one process all are the same.",
    ),
    _own(
        "spec.delivery",
        "`at-least-once` or `exactly-once`, in every layout. When left out at least once, or "
        "exactly once where `input.match: key` needs that. In one process both are the same.",
    ),
    _field("spec.dataflow", "How its streams are kept."),
    _own(
        "spec.dataflow.partitions",
        "How many partitions each of its streams has, which so many processes can share. In one "
        "process, by how many orders `output.order` goes. As configured (`dataflow.partitions`) "
        "when left out, or one where a join keeps state for all requests.",
    ),
    _own(
        "spec.dataflow.shareGroup",
        "Whether its requests are taken one by one through a share group of Kafka (KIP-932), by "
        "any number of workers, at least once and in no order. In one process nothing changes.",
    ),
    _field(
        "spec.dataflow.cleanTopicsOnDelete",
        "Whether its streams go when it is deleted, over a transport between processes. What is in "
        "them stays when left out.",
    ),
)
"""The fields of a pipeline."""

SERVER: Final = (
    _field("spec.serverConfig", "The kind of server, as `mlserver` or `triton`."),
    _field("spec.capabilities", "What it offers to models, in place of what its kind does."),
    _field("spec.extraCapabilities", "What it offers beside that."),
    _own("spec.options", "Options of its kind, over those in the config file."),
    _own("spec.memory", "The room for models on each replica, as `4Gi`; not counted without it."),
    _own(
        "spec.overcommitPercent",
        "How much more than `memory` may be registered: some models are put out for others, "
        "and come back when they are called.",
    ),
    _field("spec.replicas", "How many servers."),
    _field(
        "spec.minReplicas",
        "The fewest servers that count as ready, and that are kept where it follows its models; 1 "
        "without it.",
    ),
    _field(
        "spec.maxReplicas",
        "The most servers that are started for models that fit nowhere, beginning with `replicas`; "
        "of servers that agents bring, which others start, it changes nothing.",
    ),
    *(
        _idle(f"spec.{field}", meaning, "outside Kubernetes there are no pods", {})
        for field, meaning in (
            ("podSpec", "What its pods look like."),
            ("imageOverrides", "Other images for its containers."),
            (
                "statefulSetPersistentVolumeClaimRetentionPolicy",
                "What becomes of its volumes.",
            ),
        )
    ),
    _idle(
        "spec.disableAutoUpdate",
        "Whether it stays as it is when its ServerConfig changes.",
        "there are no ServerConfigs",
        False,
    ),
)
"""The fields of a server."""

ARMS: Final = (
    _own("spec.metrics", "What plug-ins measure of each answer of an arm."),
    _own("spec.metrics[].name", "What the metric is called."),
    _own("spec.metrics[].measure", "What computes it, as `tensor-mean`."),
    _own("spec.metrics[].parameters", "What that is made with."),
    _own("spec.metrics[].better", "`higher` or `lower`; without it the metric is only shown."),
    _own("spec.guard", "The bounds within which every candidate must stay."),
    _own(
        "spec.guard.baseline",
        "The candidate that gets everything when another crosses a bound; the `default`, else the "
        "first, when left out.",
    ),
    _own("spec.guard.maxErrorRate", "The largest share of requests that may fail, as 0.05."),
    _own(
        "spec.guard.maxErrorRateIncrease",
        "How much larger than the baseline's that share may be.",
    ),
    _own("spec.guard.maxLatencyMs", "How long answers may take."),
    *(
        _own(f"spec.guard.maxLatencyMs.p{share}", f"How long {share} of 100 answers may.")
        for share in (50, 95, 99)
    ),
    _own("spec.guard.metric", "Between which figures the mean of a metric must lie."),
    _own("spec.guard.metric.name", "The metric, one of `spec.metrics`."),
    _own("spec.guard.metric.min", "The smallest mean."),
    _own("spec.guard.metric.max", "The largest mean."),
    _own("spec.guard.minRequests", "Nothing is concluded from fewer requests to an arm."),
    _own("spec.guard.windowMs", "How far back requests count; longer where they are few."),
    _own("spec.guard.confidence", "How sure it must be that a bound is crossed."),
    _own(
        "spec.guard.action",
        "`rollback` gives everything to the baseline, `report` only says so in the status.",
    ),
    _own("spec.rollout", "How the one new candidate gets more and more, instead of its weight."),
    _own("spec.rollout.steps", "The steps, each with a larger weight."),
    _own("spec.rollout.steps[].weight", "The percentage that the new candidate gets."),
    _own("spec.rollout.steps[].holdMs", "How long the step lasts at least."),
    _own("spec.rollout.steps[].minRequests", "How many requests the new candidate has in it."),
    _own(
        "spec.bandit",
        "What gives the candidates their weights, by what becomes of requests; after the last step "
        "of a rollout, where there is one.",
    ),
    _own("spec.bandit.name", "The policy, as `thompson`."),
    _own("spec.bandit.parameters", "What it is made with."),
)
"""The fields of an experiment that say what is concluded from it."""

EXPERIMENT: Final = (
    _field("spec.candidates", "Those that the traffic is split over."),
    _field("spec.candidates[].name", "A model or a pipeline."),
    _field("spec.candidates[].weight", "Its share, in proportion to the sum of all weights."),
    _field("spec.default", "The candidate whose own address is split as well."),
    _field("spec.mirror", "Who gets copies of requests."),
    _field("spec.mirror.name", "A model or a pipeline; its answers are thrown away."),
    _field("spec.mirror.percent", "How many percent of the requests."),
    _field("spec.resourceType", "What candidates are: `model`, `pipeline` or `experiment`."),
    _own("spec.router", "What chooses, as `weighted` (by chance) or `sticky-hash(x-user)`."),
    _own(
        "spec.sticky",
        "How callers are told which way a request took, to have it taken again: in the `header`s "
        "`x-seldon-route` and `penstock-route`, or in a `cookie` as well.",
    ),
    *ARMS,
)
"""The fields of an experiment."""

FIELDS: Final[Mapping[str, tuple[FieldRule, ...]]] = MappingProxyType(
    {
        "Model": (*COMMON, *MODEL),
        "Pipeline": (*COMMON, *PIPELINE),
        "Server": (*COMMON, *SERVER),
        "Experiment": (*COMMON, *EXPERIMENT),
    }
)
"""The table, by kind."""
