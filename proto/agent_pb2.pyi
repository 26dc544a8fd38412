# ruff: noqa
# fmt: off
from penstock.proto import signature_pb2 as _signature_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FromAgent(_message.Message):
    __slots__ = ("register", "report")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    register: Register
    report: Report
    def __init__(self, register: _Optional[_Union[Register, _Mapping[str, object]]] = ..., report: _Optional[_Union[Report, _Mapping[str, object]]] = ...) -> None: ...

class ToAgent(_message.Message):
    __slots__ = ("welcome", "load", "unload", "drain", "beat")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    UNLOAD_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    load: Load
    unload: Unload
    drain: Drain
    beat: Beat
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping[str, object]]] = ..., load: _Optional[_Union[Load, _Mapping[str, object]]] = ..., unload: _Optional[_Union[Unload, _Mapping[str, object]]] = ..., drain: _Optional[_Union[Drain, _Mapping[str, object]]] = ..., beat: _Optional[_Union[Beat, _Mapping[str, object]]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("server", "number", "process", "place", "kind", "capabilities", "memory_bytes", "address", "copies", "scheduler", "rest", "zone")
    SERVER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    server: str
    number: int
    process: str
    place: str
    kind: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    memory_bytes: int
    address: str
    copies: _containers.RepeatedCompositeFieldContainer[Copy]
    scheduler: str
    rest: str
    zone: str
    def __init__(self, server: _Optional[str] = ..., number: _Optional[int] = ..., process: _Optional[str] = ..., place: _Optional[str] = ..., kind: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., memory_bytes: _Optional[int] = ..., address: _Optional[str] = ..., copies: _Optional[_Iterable[_Union[Copy, _Mapping[str, object]]]] = ..., scheduler: _Optional[str] = ..., rest: _Optional[str] = ..., zone: _Optional[str] = ...) -> None: ...

class Copy(_message.Message):
    __slots__ = ("name", "model", "version", "loaded", "revision", "signature")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    version: int
    loaded: bool
    revision: int
    signature: _signature_pb2.Signature
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[int] = ..., loaded: bool = ..., revision: _Optional[int] = ..., signature: _Optional[_Union[_signature_pb2.Signature, _Mapping[str, object]]] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("loaded", "load_failed", "unloaded", "beat", "leaving")
    LOADED_FIELD_NUMBER: _ClassVar[int]
    LOAD_FAILED_FIELD_NUMBER: _ClassVar[int]
    UNLOADED_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    loaded: Loaded
    load_failed: LoadFailed
    unloaded: Unloaded
    beat: Beat
    leaving: Leaving
    def __init__(self, loaded: _Optional[_Union[Loaded, _Mapping[str, object]]] = ..., load_failed: _Optional[_Union[LoadFailed, _Mapping[str, object]]] = ..., unloaded: _Optional[_Union[Unloaded, _Mapping[str, object]]] = ..., beat: _Optional[_Union[Beat, _Mapping[str, object]]] = ..., leaving: _Optional[_Union[Leaving, _Mapping[str, object]]] = ...) -> None: ...

class Loaded(_message.Message):
    __slots__ = ("revision", "name", "signature")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    revision: int
    name: str
    signature: _signature_pb2.Signature
    def __init__(self, revision: _Optional[int] = ..., name: _Optional[str] = ..., signature: _Optional[_Union[_signature_pb2.Signature, _Mapping[str, object]]] = ...) -> None: ...

class LoadFailed(_message.Message):
    __slots__ = ("revision", "reason", "message", "retriable")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRIABLE_FIELD_NUMBER: _ClassVar[int]
    revision: int
    reason: str
    message: str
    retriable: bool
    def __init__(self, revision: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., retriable: bool = ...) -> None: ...

class Unloaded(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class Leaving(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Beat(_message.Message):
    __slots__ = ("memory_bytes", "away", "calls")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    AWAY_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    away: _containers.RepeatedScalarFieldContainer[str]
    calls: _containers.RepeatedCompositeFieldContainer[Calls]
    def __init__(self, memory_bytes: _Optional[int] = ..., away: _Optional[_Iterable[str]] = ..., calls: _Optional[_Iterable[_Union[Calls, _Mapping[str, object]]]] = ...) -> None: ...

class Calls(_message.Message):
    __slots__ = ("name", "ended", "busy_ms", "under_way")
    class EndedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    BUSY_MS_FIELD_NUMBER: _ClassVar[int]
    UNDER_WAY_FIELD_NUMBER: _ClassVar[int]
    name: str
    ended: _containers.ScalarMap[int, int]
    busy_ms: float
    under_way: int
    def __init__(self, name: _Optional[str] = ..., ended: _Optional[_Mapping[int, int]] = ..., busy_ms: _Optional[float] = ..., under_way: _Optional[int] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("number", "scheduler", "beat_ms", "silence_ms", "kept", "overcommitted_bytes")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SCHEDULER_FIELD_NUMBER: _ClassVar[int]
    BEAT_MS_FIELD_NUMBER: _ClassVar[int]
    SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    OVERCOMMITTED_BYTES_FIELD_NUMBER: _ClassVar[int]
    number: int
    scheduler: str
    beat_ms: float
    silence_ms: float
    kept: _containers.RepeatedScalarFieldContainer[str]
    overcommitted_bytes: int
    def __init__(self, number: _Optional[int] = ..., scheduler: _Optional[str] = ..., beat_ms: _Optional[float] = ..., silence_ms: _Optional[float] = ..., kept: _Optional[_Iterable[str]] = ..., overcommitted_bytes: _Optional[int] = ...) -> None: ...

class Load(_message.Message):
    __slots__ = ("revision", "model", "folder", "version")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FOLDER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    model: str
    folder: str
    version: int
    def __init__(self, revision: _Optional[int] = ..., model: _Optional[str] = ..., folder: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class Unload(_message.Message):
    __slots__ = ("revision", "name", "loaded_for")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LOADED_FOR_FIELD_NUMBER: _ClassVar[int]
    revision: int
    name: str
    loaded_for: int
    def __init__(self, revision: _Optional[int] = ..., name: _Optional[str] = ..., loaded_for: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("why",)
    WHY_FIELD_NUMBER: _ClassVar[int]
    why: str
    def __init__(self, why: _Optional[str] = ...) -> None: ...
