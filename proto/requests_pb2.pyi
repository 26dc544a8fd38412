# ruff: noqa
# fmt: off
from penstock.proto import open_inference_pb2 as _open_inference_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: _open_inference_pb2.ModelInferRequest
    def __init__(self, request: _Optional[_Union[_open_inference_pb2.ModelInferRequest, _Mapping[str, object]]] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: str
    def __init__(self, request: _Optional[str] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("request", "wait_ms")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    request: str
    wait_ms: int
    def __init__(self, request: _Optional[str] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("response",)
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    response: _open_inference_pb2.ModelInferResponse
    def __init__(self, response: _Optional[_Union[_open_inference_pb2.ModelInferResponse, _Mapping[str, object]]] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: str
    def __init__(self, request: _Optional[str] = ...) -> None: ...

class FollowResponse(_message.Message):
    __slots__ = ("event", "document", "response")
    class Event(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EVENT_UNSPECIFIED: _ClassVar[FollowResponse.Event]
        EVENT_RECORD: _ClassVar[FollowResponse.Event]
        EVENT_ANSWER: _ClassVar[FollowResponse.Event]
        EVENT_END: _ClassVar[FollowResponse.Event]
    EVENT_UNSPECIFIED: FollowResponse.Event
    EVENT_RECORD: FollowResponse.Event
    EVENT_ANSWER: FollowResponse.Event
    EVENT_END: FollowResponse.Event
    EVENT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    event: FollowResponse.Event
    document: str
    response: _open_inference_pb2.ModelInferResponse
    def __init__(self, event: _Optional[_Union[FollowResponse.Event, str]] = ..., document: _Optional[str] = ..., response: _Optional[_Union[_open_inference_pb2.ModelInferResponse, _Mapping[str, object]]] = ...) -> None: ...
