# ruff: noqa
# fmt: off
from penstock.proto import signature_pb2 as _signature_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_COPIES: _ClassVar[Kind]
    KIND_MODEL: _ClassVar[Kind]
    KIND_PIPELINE: _ClassVar[Kind]
    KIND_EXPERIMENT: _ClassVar[Kind]
    KIND_DOOR: _ClassVar[Kind]
KIND_UNSPECIFIED: Kind
KIND_COPIES: Kind
KIND_MODEL: Kind
KIND_PIPELINE: Kind
KIND_EXPERIMENT: Kind
KIND_DOOR: Kind

class Acknowledgement(_message.Message):
    __slots__ = ("gateway", "epoch", "seen", "in_use", "leaving", "door", "tallies", "trouble", "report")
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    IN_USE_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    DOOR_FIELD_NUMBER: _ClassVar[int]
    TALLIES_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    gateway: str
    epoch: str
    seen: int
    in_use: _containers.RepeatedCompositeFieldContainer[InUse]
    leaving: bool
    door: Door
    tallies: _containers.RepeatedCompositeFieldContainer[Tally]
    trouble: str
    report: int
    def __init__(self, gateway: _Optional[str] = ..., epoch: _Optional[str] = ..., seen: _Optional[int] = ..., in_use: _Optional[_Iterable[_Union[InUse, _Mapping[str, object]]]] = ..., leaving: bool = ..., door: _Optional[_Union[Door, _Mapping[str, object]]] = ..., tallies: _Optional[_Iterable[_Union[Tally, _Mapping[str, object]]]] = ..., trouble: _Optional[str] = ..., report: _Optional[int] = ...) -> None: ...

class Door(_message.Message):
    __slots__ = ("rest", "grpc", "zone")
    REST_FIELD_NUMBER: _ClassVar[int]
    GRPC_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    rest: str
    grpc: str
    zone: str
    def __init__(self, rest: _Optional[str] = ..., grpc: _Optional[str] = ..., zone: _Optional[str] = ...) -> None: ...

class Tally(_message.Message):
    __slots__ = ("experiment", "version", "arm", "requests", "failures", "latencies", "latency_ms", "metrics")
    class LatenciesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Moments
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Moments, _Mapping[str, object]]] = ...) -> None: ...
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    LATENCIES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    experiment: str
    version: int
    arm: str
    requests: int
    failures: int
    latencies: _containers.ScalarMap[int, int]
    latency_ms: float
    metrics: _containers.MessageMap[str, Moments]
    def __init__(self, experiment: _Optional[str] = ..., version: _Optional[int] = ..., arm: _Optional[str] = ..., requests: _Optional[int] = ..., failures: _Optional[int] = ..., latencies: _Optional[_Mapping[int, int]] = ..., latency_ms: _Optional[float] = ..., metrics: _Optional[_Mapping[str, Moments]] = ...) -> None: ...

class Moments(_message.Message):
    __slots__ = ("count", "sum", "squares")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    SQUARES_FIELD_NUMBER: _ClassVar[int]
    count: int
    sum: float
    squares: float
    def __init__(self, count: _Optional[int] = ..., sum: _Optional[float] = ..., squares: _Optional[float] = ...) -> None: ...

class InUse(_message.Message):
    __slots__ = ("kind", "name", "version", "revision")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    kind: Kind
    name: str
    version: int
    revision: int
    def __init__(self, kind: _Optional[_Union[Kind, str]] = ..., name: _Optional[str] = ..., version: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("epoch", "revision", "whole", "settled", "routes", "more", "kept")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    revision: int
    whole: bool
    settled: bool
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    more: bool
    kept: int
    def __init__(self, epoch: _Optional[str] = ..., revision: _Optional[int] = ..., whole: bool = ..., settled: bool = ..., routes: _Optional[_Iterable[_Union[Route, _Mapping[str, object]]]] = ..., more: bool = ..., kept: _Optional[int] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("kind", "name", "revision", "copies", "model", "pipeline", "not_ready", "gone", "experiment", "door")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    NOT_READY_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    DOOR_FIELD_NUMBER: _ClassVar[int]
    kind: Kind
    name: str
    revision: int
    copies: Copies
    model: Model
    pipeline: Pipeline
    not_ready: NotReady
    gone: Gone
    experiment: Experiment
    door: Door
    def __init__(self, kind: _Optional[_Union[Kind, str]] = ..., name: _Optional[str] = ..., revision: _Optional[int] = ..., copies: _Optional[_Union[Copies, _Mapping[str, object]]] = ..., model: _Optional[_Union[Model, _Mapping[str, object]]] = ..., pipeline: _Optional[_Union[Pipeline, _Mapping[str, object]]] = ..., not_ready: _Optional[_Union[NotReady, _Mapping[str, object]]] = ..., gone: _Optional[_Union[Gone, _Mapping[str, object]]] = ..., experiment: _Optional[_Union[Experiment, _Mapping[str, object]]] = ..., door: _Optional[_Union[Door, _Mapping[str, object]]] = ...) -> None: ...

class Copies(_message.Message):
    __slots__ = ("version", "signature", "places")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    version: int
    signature: _signature_pb2.Signature
    places: _containers.RepeatedCompositeFieldContainer[Place]
    def __init__(self, version: _Optional[int] = ..., signature: _Optional[_Union[_signature_pb2.Signature, _Mapping[str, object]]] = ..., places: _Optional[_Iterable[_Union[Place, _Mapping[str, object]]]] = ...) -> None: ...

class Place(_message.Message):
    __slots__ = ("address", "model", "version", "rest", "zone")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    address: str
    model: str
    version: str
    rest: str
    zone: str
    def __init__(self, address: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[str] = ..., rest: _Optional[str] = ..., zone: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("version", "signature")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    version: int
    signature: _signature_pb2.Signature
    def __init__(self, version: _Optional[int] = ..., signature: _Optional[_Union[_signature_pb2.Signature, _Mapping[str, object]]] = ...) -> None: ...

class Pipeline(_message.Message):
    __slots__ = ("version", "signature", "manifest", "record", "read", "partitions", "matched")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    version: int
    signature: _signature_pb2.Signature
    manifest: str
    record: str
    read: _containers.RepeatedCompositeFieldContainer[Port]
    partitions: int
    matched: bool
    def __init__(self, version: _Optional[int] = ..., signature: _Optional[_Union[_signature_pb2.Signature, _Mapping[str, object]]] = ..., manifest: _Optional[str] = ..., record: _Optional[str] = ..., read: _Optional[_Iterable[_Union[Port, _Mapping[str, object]]]] = ..., partitions: _Optional[int] = ..., matched: bool = ...) -> None: ...

class Experiment(_message.Message):
    __slots__ = ("version", "manifest", "weights")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    version: int
    manifest: str
    weights: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, version: _Optional[int] = ..., manifest: _Optional[str] = ..., weights: _Optional[_Iterable[float]] = ...) -> None: ...

class Port(_message.Message):
    __slots__ = ("step", "side")
    STEP_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    step: str
    side: str
    def __init__(self, step: _Optional[str] = ..., side: _Optional[str] = ...) -> None: ...

class NotReady(_message.Message):
    __slots__ = ("version", "reason")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    version: int
    reason: str
    def __init__(self, version: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Gone(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
