# ruff: noqa
# fmt: off
import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import wrappers_pb2 as _wrappers_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CodecClientType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HTTP1: _ClassVar[CodecClientType]

class ApiVersion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTO: _ClassVar[ApiVersion]
    V3: _ClassVar[ApiVersion]
HTTP1: CodecClientType
AUTO: ApiVersion
V3: ApiVersion

class DeltaDiscoveryRequest(_message.Message):
    __slots__ = ("type_url", "resource_names_subscribe", "resource_names_unsubscribe", "initial_resource_versions", "response_nonce", "error_detail")
    class InitialResourceVersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_NAMES_SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_NAMES_UNSUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    INITIAL_RESOURCE_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_NONCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_DETAIL_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    resource_names_subscribe: _containers.RepeatedScalarFieldContainer[str]
    resource_names_unsubscribe: _containers.RepeatedScalarFieldContainer[str]
    initial_resource_versions: _containers.ScalarMap[str, str]
    response_nonce: str
    error_detail: Status
    def __init__(self, type_url: _Optional[str] = ..., resource_names_subscribe: _Optional[_Iterable[str]] = ..., resource_names_unsubscribe: _Optional[_Iterable[str]] = ..., initial_resource_versions: _Optional[_Mapping[str, str]] = ..., response_nonce: _Optional[str] = ..., error_detail: _Optional[_Union[Status, _Mapping[str, object]]] = ...) -> None: ...

class DeltaDiscoveryResponse(_message.Message):
    __slots__ = ("resources", "type_url", "nonce", "removed_resources")
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    type_url: str
    nonce: str
    removed_resources: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, resources: _Optional[_Iterable[_Union[Resource, _Mapping[str, object]]]] = ..., type_url: _Optional[str] = ..., nonce: _Optional[str] = ..., removed_resources: _Optional[_Iterable[str]] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("version", "resource", "name")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    version: str
    resource: TypedConfig
    name: str
    def __init__(self, version: _Optional[str] = ..., resource: _Optional[_Union[TypedConfig, _Mapping[str, object]]] = ..., name: _Optional[str] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class TypedConfig(_message.Message):
    __slots__ = ("type_url", "value")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    value: bytes
    def __init__(self, type_url: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class TypedExtensionConfig(_message.Message):
    __slots__ = ("name", "typed_config")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPED_CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    typed_config: TypedConfig
    def __init__(self, name: _Optional[str] = ..., typed_config: _Optional[_Union[TypedConfig, _Mapping[str, object]]] = ...) -> None: ...

class Runtime(_message.Message):
    __slots__ = ("name", "layer")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    name: str
    layer: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., layer: _Optional[_Union[_struct_pb2.Struct, _Mapping[str, object]]] = ...) -> None: ...

class Cluster(_message.Message):
    __slots__ = ("name", "type", "eds_cluster_config", "connect_timeout", "health_checks", "circuit_breakers", "outlier_detection", "common_lb_config", "ignore_health_on_host_removal", "load_assignment", "typed_extension_protocol_options", "load_balancing_policy")
    class DiscoveryType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATIC: _ClassVar[Cluster.DiscoveryType]
        STRICT_DNS: _ClassVar[Cluster.DiscoveryType]
        EDS: _ClassVar[Cluster.DiscoveryType]
    STATIC: Cluster.DiscoveryType
    STRICT_DNS: Cluster.DiscoveryType
    EDS: Cluster.DiscoveryType
    class EdsClusterConfig(_message.Message):
        __slots__ = ("eds_config",)
        EDS_CONFIG_FIELD_NUMBER: _ClassVar[int]
        eds_config: ConfigSource
        def __init__(self, eds_config: _Optional[_Union[ConfigSource, _Mapping[str, object]]] = ...) -> None: ...
    class CommonLbConfig(_message.Message):
        __slots__ = ("healthy_panic_threshold", "update_merge_window")
        HEALTHY_PANIC_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
        UPDATE_MERGE_WINDOW_FIELD_NUMBER: _ClassVar[int]
        healthy_panic_threshold: Percent
        update_merge_window: _duration_pb2.Duration
        def __init__(self, healthy_panic_threshold: _Optional[_Union[Percent, _Mapping[str, object]]] = ..., update_merge_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ...) -> None: ...
    class TypedExtensionProtocolOptionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TypedConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TypedConfig, _Mapping[str, object]]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    EDS_CLUSTER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECKS_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_BREAKERS_FIELD_NUMBER: _ClassVar[int]
    OUTLIER_DETECTION_FIELD_NUMBER: _ClassVar[int]
    COMMON_LB_CONFIG_FIELD_NUMBER: _ClassVar[int]
    IGNORE_HEALTH_ON_HOST_REMOVAL_FIELD_NUMBER: _ClassVar[int]
    LOAD_ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    TYPED_EXTENSION_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    LOAD_BALANCING_POLICY_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: Cluster.DiscoveryType
    eds_cluster_config: Cluster.EdsClusterConfig
    connect_timeout: _duration_pb2.Duration
    health_checks: _containers.RepeatedCompositeFieldContainer[HealthCheck]
    circuit_breakers: CircuitBreakers
    outlier_detection: OutlierDetection
    common_lb_config: Cluster.CommonLbConfig
    ignore_health_on_host_removal: bool
    load_assignment: ClusterLoadAssignment
    typed_extension_protocol_options: _containers.MessageMap[str, TypedConfig]
    load_balancing_policy: LoadBalancingPolicy
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[Cluster.DiscoveryType, str]] = ..., eds_cluster_config: _Optional[_Union[Cluster.EdsClusterConfig, _Mapping[str, object]]] = ..., connect_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., health_checks: _Optional[_Iterable[_Union[HealthCheck, _Mapping[str, object]]]] = ..., circuit_breakers: _Optional[_Union[CircuitBreakers, _Mapping[str, object]]] = ..., outlier_detection: _Optional[_Union[OutlierDetection, _Mapping[str, object]]] = ..., common_lb_config: _Optional[_Union[Cluster.CommonLbConfig, _Mapping[str, object]]] = ..., ignore_health_on_host_removal: bool = ..., load_assignment: _Optional[_Union[ClusterLoadAssignment, _Mapping[str, object]]] = ..., typed_extension_protocol_options: _Optional[_Mapping[str, TypedConfig]] = ..., load_balancing_policy: _Optional[_Union[LoadBalancingPolicy, _Mapping[str, object]]] = ...) -> None: ...

class ClusterLoadAssignment(_message.Message):
    __slots__ = ("cluster_name", "endpoints")
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    cluster_name: str
    endpoints: _containers.RepeatedCompositeFieldContainer[LocalityLbEndpoints]
    def __init__(self, cluster_name: _Optional[str] = ..., endpoints: _Optional[_Iterable[_Union[LocalityLbEndpoints, _Mapping[str, object]]]] = ...) -> None: ...

class LocalityLbEndpoints(_message.Message):
    __slots__ = ("lb_endpoints", "priority")
    LB_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    lb_endpoints: _containers.RepeatedCompositeFieldContainer[LbEndpoint]
    priority: int
    def __init__(self, lb_endpoints: _Optional[_Iterable[_Union[LbEndpoint, _Mapping[str, object]]]] = ..., priority: _Optional[int] = ...) -> None: ...

class LbEndpoint(_message.Message):
    __slots__ = ("endpoint",)
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    endpoint: Endpoint
    def __init__(self, endpoint: _Optional[_Union[Endpoint, _Mapping[str, object]]] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("address", "health_check_config")
    class HealthCheckConfig(_message.Message):
        __slots__ = ("address",)
        ADDRESS_FIELD_NUMBER: _ClassVar[int]
        address: Address
        def __init__(self, address: _Optional[_Union[Address, _Mapping[str, object]]] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_CONFIG_FIELD_NUMBER: _ClassVar[int]
    address: Address
    health_check_config: Endpoint.HealthCheckConfig
    def __init__(self, address: _Optional[_Union[Address, _Mapping[str, object]]] = ..., health_check_config: _Optional[_Union[Endpoint.HealthCheckConfig, _Mapping[str, object]]] = ...) -> None: ...

class HealthCheck(_message.Message):
    __slots__ = ("timeout", "interval", "unhealthy_threshold", "healthy_threshold", "http_health_check", "tcp_health_check", "no_traffic_interval")
    class HttpHealthCheck(_message.Message):
        __slots__ = ("path", "codec_client_type")
        PATH_FIELD_NUMBER: _ClassVar[int]
        CODEC_CLIENT_TYPE_FIELD_NUMBER: _ClassVar[int]
        path: str
        codec_client_type: CodecClientType
        def __init__(self, path: _Optional[str] = ..., codec_client_type: _Optional[_Union[CodecClientType, str]] = ...) -> None: ...
    class TcpHealthCheck(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    UNHEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HEALTHY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    HTTP_HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    TCP_HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    NO_TRAFFIC_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    timeout: _duration_pb2.Duration
    interval: _duration_pb2.Duration
    unhealthy_threshold: _wrappers_pb2.UInt32Value
    healthy_threshold: _wrappers_pb2.UInt32Value
    http_health_check: HealthCheck.HttpHealthCheck
    tcp_health_check: HealthCheck.TcpHealthCheck
    no_traffic_interval: _duration_pb2.Duration
    def __init__(self, timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., unhealthy_threshold: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., healthy_threshold: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., http_health_check: _Optional[_Union[HealthCheck.HttpHealthCheck, _Mapping[str, object]]] = ..., tcp_health_check: _Optional[_Union[HealthCheck.TcpHealthCheck, _Mapping[str, object]]] = ..., no_traffic_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ...) -> None: ...

class CircuitBreakers(_message.Message):
    __slots__ = ("thresholds",)
    class Thresholds(_message.Message):
        __slots__ = ("max_connections", "max_pending_requests", "max_requests", "retry_budget")
        class RetryBudget(_message.Message):
            __slots__ = ("budget_percent", "min_retry_concurrency")
            BUDGET_PERCENT_FIELD_NUMBER: _ClassVar[int]
            MIN_RETRY_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
            budget_percent: Percent
            min_retry_concurrency: _wrappers_pb2.UInt32Value
            def __init__(self, budget_percent: _Optional[_Union[Percent, _Mapping[str, object]]] = ..., min_retry_concurrency: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ...) -> None: ...
        MAX_CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
        MAX_PENDING_REQUESTS_FIELD_NUMBER: _ClassVar[int]
        MAX_REQUESTS_FIELD_NUMBER: _ClassVar[int]
        RETRY_BUDGET_FIELD_NUMBER: _ClassVar[int]
        max_connections: _wrappers_pb2.UInt32Value
        max_pending_requests: _wrappers_pb2.UInt32Value
        max_requests: _wrappers_pb2.UInt32Value
        retry_budget: CircuitBreakers.Thresholds.RetryBudget
        def __init__(self, max_connections: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., max_pending_requests: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., max_requests: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., retry_budget: _Optional[_Union[CircuitBreakers.Thresholds.RetryBudget, _Mapping[str, object]]] = ...) -> None: ...
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    thresholds: _containers.RepeatedCompositeFieldContainer[CircuitBreakers.Thresholds]
    def __init__(self, thresholds: _Optional[_Iterable[_Union[CircuitBreakers.Thresholds, _Mapping[str, object]]]] = ...) -> None: ...

class OutlierDetection(_message.Message):
    __slots__ = ("consecutive_5xx", "interval", "base_ejection_time", "max_ejection_percent", "enforcing_consecutive_5xx", "enforcing_success_rate", "enforcing_consecutive_gateway_failure", "split_external_local_origin_errors", "consecutive_local_origin_failure", "enforcing_consecutive_local_origin_failure", "enforcing_local_origin_success_rate", "successful_active_health_check_uneject_host", "always_eject_one_host")
    CONSECUTIVE_5XX_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BASE_EJECTION_TIME_FIELD_NUMBER: _ClassVar[int]
    MAX_EJECTION_PERCENT_FIELD_NUMBER: _ClassVar[int]
    ENFORCING_CONSECUTIVE_5XX_FIELD_NUMBER: _ClassVar[int]
    ENFORCING_SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    ENFORCING_CONSECUTIVE_GATEWAY_FAILURE_FIELD_NUMBER: _ClassVar[int]
    SPLIT_EXTERNAL_LOCAL_ORIGIN_ERRORS_FIELD_NUMBER: _ClassVar[int]
    CONSECUTIVE_LOCAL_ORIGIN_FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENFORCING_CONSECUTIVE_LOCAL_ORIGIN_FAILURE_FIELD_NUMBER: _ClassVar[int]
    ENFORCING_LOCAL_ORIGIN_SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    SUCCESSFUL_ACTIVE_HEALTH_CHECK_UNEJECT_HOST_FIELD_NUMBER: _ClassVar[int]
    ALWAYS_EJECT_ONE_HOST_FIELD_NUMBER: _ClassVar[int]
    consecutive_5xx: _wrappers_pb2.UInt32Value
    interval: _duration_pb2.Duration
    base_ejection_time: _duration_pb2.Duration
    max_ejection_percent: _wrappers_pb2.UInt32Value
    enforcing_consecutive_5xx: _wrappers_pb2.UInt32Value
    enforcing_success_rate: _wrappers_pb2.UInt32Value
    enforcing_consecutive_gateway_failure: _wrappers_pb2.UInt32Value
    split_external_local_origin_errors: bool
    consecutive_local_origin_failure: _wrappers_pb2.UInt32Value
    enforcing_consecutive_local_origin_failure: _wrappers_pb2.UInt32Value
    enforcing_local_origin_success_rate: _wrappers_pb2.UInt32Value
    successful_active_health_check_uneject_host: _wrappers_pb2.BoolValue
    always_eject_one_host: _wrappers_pb2.BoolValue
    def __init__(self, consecutive_5xx: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., base_ejection_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., max_ejection_percent: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., enforcing_consecutive_5xx: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., enforcing_success_rate: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., enforcing_consecutive_gateway_failure: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., split_external_local_origin_errors: bool = ..., consecutive_local_origin_failure: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., enforcing_consecutive_local_origin_failure: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., enforcing_local_origin_success_rate: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., successful_active_health_check_uneject_host: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping[str, object]]] = ..., always_eject_one_host: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping[str, object]]] = ...) -> None: ...

class LoadBalancingPolicy(_message.Message):
    __slots__ = ("policies",)
    class Policy(_message.Message):
        __slots__ = ("typed_extension_config",)
        TYPED_EXTENSION_CONFIG_FIELD_NUMBER: _ClassVar[int]
        typed_extension_config: TypedExtensionConfig
        def __init__(self, typed_extension_config: _Optional[_Union[TypedExtensionConfig, _Mapping[str, object]]] = ...) -> None: ...
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[LoadBalancingPolicy.Policy]
    def __init__(self, policies: _Optional[_Iterable[_Union[LoadBalancingPolicy.Policy, _Mapping[str, object]]]] = ...) -> None: ...

class LeastRequest(_message.Message):
    __slots__ = ("choice_count", "slow_start_config")
    CHOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SLOW_START_CONFIG_FIELD_NUMBER: _ClassVar[int]
    choice_count: _wrappers_pb2.UInt32Value
    slow_start_config: SlowStartConfig
    def __init__(self, choice_count: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., slow_start_config: _Optional[_Union[SlowStartConfig, _Mapping[str, object]]] = ...) -> None: ...

class SlowStartConfig(_message.Message):
    __slots__ = ("slow_start_window", "min_weight_percent")
    SLOW_START_WINDOW_FIELD_NUMBER: _ClassVar[int]
    MIN_WEIGHT_PERCENT_FIELD_NUMBER: _ClassVar[int]
    slow_start_window: _duration_pb2.Duration
    min_weight_percent: Percent
    def __init__(self, slow_start_window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., min_weight_percent: _Optional[_Union[Percent, _Mapping[str, object]]] = ...) -> None: ...

class RingHash(_message.Message):
    __slots__ = ("hash_function", "consistent_hashing_lb_config")
    class HashFunction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DEFAULT_HASH: _ClassVar[RingHash.HashFunction]
        XX_HASH: _ClassVar[RingHash.HashFunction]
    DEFAULT_HASH: RingHash.HashFunction
    XX_HASH: RingHash.HashFunction
    HASH_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    CONSISTENT_HASHING_LB_CONFIG_FIELD_NUMBER: _ClassVar[int]
    hash_function: RingHash.HashFunction
    consistent_hashing_lb_config: ConsistentHashingLbConfig
    def __init__(self, hash_function: _Optional[_Union[RingHash.HashFunction, str]] = ..., consistent_hashing_lb_config: _Optional[_Union[ConsistentHashingLbConfig, _Mapping[str, object]]] = ...) -> None: ...

class ConsistentHashingLbConfig(_message.Message):
    __slots__ = ("hash_balance_factor",)
    HASH_BALANCE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    hash_balance_factor: _wrappers_pb2.UInt32Value
    def __init__(self, hash_balance_factor: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ...) -> None: ...

class HttpProtocolOptions(_message.Message):
    __slots__ = ("common_http_protocol_options", "explicit_http_config")
    class ExplicitHttpConfig(_message.Message):
        __slots__ = ("http_protocol_options", "http2_protocol_options")
        HTTP_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
        HTTP2_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
        http_protocol_options: Http1ProtocolOptions
        http2_protocol_options: Http2ProtocolOptions
        def __init__(self, http_protocol_options: _Optional[_Union[Http1ProtocolOptions, _Mapping[str, object]]] = ..., http2_protocol_options: _Optional[_Union[Http2ProtocolOptions, _Mapping[str, object]]] = ...) -> None: ...
    COMMON_HTTP_PROTOCOL_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    EXPLICIT_HTTP_CONFIG_FIELD_NUMBER: _ClassVar[int]
    common_http_protocol_options: CommonHttpProtocolOptions
    explicit_http_config: HttpProtocolOptions.ExplicitHttpConfig
    def __init__(self, common_http_protocol_options: _Optional[_Union[CommonHttpProtocolOptions, _Mapping[str, object]]] = ..., explicit_http_config: _Optional[_Union[HttpProtocolOptions.ExplicitHttpConfig, _Mapping[str, object]]] = ...) -> None: ...

class CommonHttpProtocolOptions(_message.Message):
    __slots__ = ("idle_timeout",)
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    idle_timeout: _duration_pb2.Duration
    def __init__(self, idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ...) -> None: ...

class Http1ProtocolOptions(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Http2ProtocolOptions(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Listener(_message.Message):
    __slots__ = ("name", "address", "filter_chains", "enable_reuse_port")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FILTER_CHAINS_FIELD_NUMBER: _ClassVar[int]
    ENABLE_REUSE_PORT_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: Address
    filter_chains: _containers.RepeatedCompositeFieldContainer[FilterChain]
    enable_reuse_port: _wrappers_pb2.BoolValue
    def __init__(self, name: _Optional[str] = ..., address: _Optional[_Union[Address, _Mapping[str, object]]] = ..., filter_chains: _Optional[_Iterable[_Union[FilterChain, _Mapping[str, object]]]] = ..., enable_reuse_port: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping[str, object]]] = ...) -> None: ...

class FilterChain(_message.Message):
    __slots__ = ("filters",)
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    def __init__(self, filters: _Optional[_Iterable[_Union[Filter, _Mapping[str, object]]]] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("name", "typed_config")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPED_CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    typed_config: TypedConfig
    def __init__(self, name: _Optional[str] = ..., typed_config: _Optional[_Union[TypedConfig, _Mapping[str, object]]] = ...) -> None: ...

class HttpConnectionManager(_message.Message):
    __slots__ = ("codec_type", "stat_prefix", "rds", "http_filters", "drain_timeout", "access_log", "generate_request_id", "skip_xff_append", "stream_idle_timeout", "max_request_headers_kb", "preserve_external_request_id", "server_header_transformation", "local_reply_config")
    class CodecType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        AUTO: _ClassVar[HttpConnectionManager.CodecType]
        HTTP2: _ClassVar[HttpConnectionManager.CodecType]
    AUTO: HttpConnectionManager.CodecType
    HTTP2: HttpConnectionManager.CodecType
    class ServerHeaderTransformation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OVERWRITE: _ClassVar[HttpConnectionManager.ServerHeaderTransformation]
        PASS_THROUGH: _ClassVar[HttpConnectionManager.ServerHeaderTransformation]
    OVERWRITE: HttpConnectionManager.ServerHeaderTransformation
    PASS_THROUGH: HttpConnectionManager.ServerHeaderTransformation
    CODEC_TYPE_FIELD_NUMBER: _ClassVar[int]
    STAT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    RDS_FIELD_NUMBER: _ClassVar[int]
    HTTP_FILTERS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ACCESS_LOG_FIELD_NUMBER: _ClassVar[int]
    GENERATE_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SKIP_XFF_APPEND_FIELD_NUMBER: _ClassVar[int]
    STREAM_IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_HEADERS_KB_FIELD_NUMBER: _ClassVar[int]
    PRESERVE_EXTERNAL_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_HEADER_TRANSFORMATION_FIELD_NUMBER: _ClassVar[int]
    LOCAL_REPLY_CONFIG_FIELD_NUMBER: _ClassVar[int]
    codec_type: HttpConnectionManager.CodecType
    stat_prefix: str
    rds: Rds
    http_filters: _containers.RepeatedCompositeFieldContainer[Filter]
    drain_timeout: _duration_pb2.Duration
    access_log: _containers.RepeatedCompositeFieldContainer[AccessLog]
    generate_request_id: _wrappers_pb2.BoolValue
    skip_xff_append: bool
    stream_idle_timeout: _duration_pb2.Duration
    max_request_headers_kb: _wrappers_pb2.UInt32Value
    preserve_external_request_id: bool
    server_header_transformation: HttpConnectionManager.ServerHeaderTransformation
    local_reply_config: LocalReplyConfig
    def __init__(self, codec_type: _Optional[_Union[HttpConnectionManager.CodecType, str]] = ..., stat_prefix: _Optional[str] = ..., rds: _Optional[_Union[Rds, _Mapping[str, object]]] = ..., http_filters: _Optional[_Iterable[_Union[Filter, _Mapping[str, object]]]] = ..., drain_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., access_log: _Optional[_Iterable[_Union[AccessLog, _Mapping[str, object]]]] = ..., generate_request_id: _Optional[_Union[_wrappers_pb2.BoolValue, _Mapping[str, object]]] = ..., skip_xff_append: bool = ..., stream_idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., max_request_headers_kb: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., preserve_external_request_id: bool = ..., server_header_transformation: _Optional[_Union[HttpConnectionManager.ServerHeaderTransformation, str]] = ..., local_reply_config: _Optional[_Union[LocalReplyConfig, _Mapping[str, object]]] = ...) -> None: ...

class Rds(_message.Message):
    __slots__ = ("config_source", "route_config_name")
    CONFIG_SOURCE_FIELD_NUMBER: _ClassVar[int]
    ROUTE_CONFIG_NAME_FIELD_NUMBER: _ClassVar[int]
    config_source: ConfigSource
    route_config_name: str
    def __init__(self, config_source: _Optional[_Union[ConfigSource, _Mapping[str, object]]] = ..., route_config_name: _Optional[str] = ...) -> None: ...

class Router(_message.Message):
    __slots__ = ("suppress_envoy_headers",)
    SUPPRESS_ENVOY_HEADERS_FIELD_NUMBER: _ClassVar[int]
    suppress_envoy_headers: bool
    def __init__(self, suppress_envoy_headers: bool = ...) -> None: ...

class Lua(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LuaPerRoute(_message.Message):
    __slots__ = ("source_code",)
    SOURCE_CODE_FIELD_NUMBER: _ClassVar[int]
    source_code: DataSource
    def __init__(self, source_code: _Optional[_Union[DataSource, _Mapping[str, object]]] = ...) -> None: ...

class LocalReplyConfig(_message.Message):
    __slots__ = ("mappers",)
    MAPPERS_FIELD_NUMBER: _ClassVar[int]
    mappers: _containers.RepeatedCompositeFieldContainer[ResponseMapper]
    def __init__(self, mappers: _Optional[_Iterable[_Union[ResponseMapper, _Mapping[str, object]]]] = ...) -> None: ...

class ResponseMapper(_message.Message):
    __slots__ = ("filter", "status_code", "body", "body_format_override", "headers_to_add")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    BODY_FORMAT_OVERRIDE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_TO_ADD_FIELD_NUMBER: _ClassVar[int]
    filter: AccessLogFilter
    status_code: _wrappers_pb2.UInt32Value
    body: DataSource
    body_format_override: SubstitutionFormatString
    headers_to_add: _containers.RepeatedCompositeFieldContainer[HeaderValueOption]
    def __init__(self, filter: _Optional[_Union[AccessLogFilter, _Mapping[str, object]]] = ..., status_code: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., body: _Optional[_Union[DataSource, _Mapping[str, object]]] = ..., body_format_override: _Optional[_Union[SubstitutionFormatString, _Mapping[str, object]]] = ..., headers_to_add: _Optional[_Iterable[_Union[HeaderValueOption, _Mapping[str, object]]]] = ...) -> None: ...

class SubstitutionFormatString(_message.Message):
    __slots__ = ("json_format", "omit_empty_values", "content_type")
    JSON_FORMAT_FIELD_NUMBER: _ClassVar[int]
    OMIT_EMPTY_VALUES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    json_format: _struct_pb2.Struct
    omit_empty_values: bool
    content_type: str
    def __init__(self, json_format: _Optional[_Union[_struct_pb2.Struct, _Mapping[str, object]]] = ..., omit_empty_values: bool = ..., content_type: _Optional[str] = ...) -> None: ...

class RouteConfiguration(_message.Message):
    __slots__ = ("name", "virtual_hosts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_HOSTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    virtual_hosts: _containers.RepeatedCompositeFieldContainer[VirtualHost]
    def __init__(self, name: _Optional[str] = ..., virtual_hosts: _Optional[_Iterable[_Union[VirtualHost, _Mapping[str, object]]]] = ...) -> None: ...

class VirtualHost(_message.Message):
    __slots__ = ("name", "domains", "routes", "request_headers_to_remove", "typed_per_filter_config", "retry_policy", "matcher")
    class TypedPerFilterConfigEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TypedConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TypedConfig, _Mapping[str, object]]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HEADERS_TO_REMOVE_FIELD_NUMBER: _ClassVar[int]
    TYPED_PER_FILTER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    RETRY_POLICY_FIELD_NUMBER: _ClassVar[int]
    MATCHER_FIELD_NUMBER: _ClassVar[int]
    name: str
    domains: _containers.RepeatedScalarFieldContainer[str]
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    request_headers_to_remove: _containers.RepeatedScalarFieldContainer[str]
    typed_per_filter_config: _containers.MessageMap[str, TypedConfig]
    retry_policy: RetryPolicy
    matcher: Matcher
    def __init__(self, name: _Optional[str] = ..., domains: _Optional[_Iterable[str]] = ..., routes: _Optional[_Iterable[_Union[Route, _Mapping[str, object]]]] = ..., request_headers_to_remove: _Optional[_Iterable[str]] = ..., typed_per_filter_config: _Optional[_Mapping[str, TypedConfig]] = ..., retry_policy: _Optional[_Union[RetryPolicy, _Mapping[str, object]]] = ..., matcher: _Optional[_Union[Matcher, _Mapping[str, object]]] = ...) -> None: ...

class Matcher(_message.Message):
    __slots__ = ("matcher_tree", "on_no_match")
    class MatcherTree(_message.Message):
        __slots__ = ("input", "exact_match_map")
        class MatchMap(_message.Message):
            __slots__ = ("map",)
            class MapEntry(_message.Message):
                __slots__ = ("key", "value")
                KEY_FIELD_NUMBER: _ClassVar[int]
                VALUE_FIELD_NUMBER: _ClassVar[int]
                key: str
                value: Matcher.OnMatch
                def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Matcher.OnMatch, _Mapping[str, object]]] = ...) -> None: ...
            MAP_FIELD_NUMBER: _ClassVar[int]
            map: _containers.MessageMap[str, Matcher.OnMatch]
            def __init__(self, map: _Optional[_Mapping[str, Matcher.OnMatch]] = ...) -> None: ...
        INPUT_FIELD_NUMBER: _ClassVar[int]
        EXACT_MATCH_MAP_FIELD_NUMBER: _ClassVar[int]
        input: TypedExtensionConfig
        exact_match_map: Matcher.MatcherTree.MatchMap
        def __init__(self, input: _Optional[_Union[TypedExtensionConfig, _Mapping[str, object]]] = ..., exact_match_map: _Optional[_Union[Matcher.MatcherTree.MatchMap, _Mapping[str, object]]] = ...) -> None: ...
    class OnMatch(_message.Message):
        __slots__ = ("action",)
        ACTION_FIELD_NUMBER: _ClassVar[int]
        action: TypedExtensionConfig
        def __init__(self, action: _Optional[_Union[TypedExtensionConfig, _Mapping[str, object]]] = ...) -> None: ...
    MATCHER_TREE_FIELD_NUMBER: _ClassVar[int]
    ON_NO_MATCH_FIELD_NUMBER: _ClassVar[int]
    matcher_tree: Matcher.MatcherTree
    on_no_match: Matcher.OnMatch
    def __init__(self, matcher_tree: _Optional[_Union[Matcher.MatcherTree, _Mapping[str, object]]] = ..., on_no_match: _Optional[_Union[Matcher.OnMatch, _Mapping[str, object]]] = ...) -> None: ...

class HttpRequestHeaderMatchInput(_message.Message):
    __slots__ = ("header_name",)
    HEADER_NAME_FIELD_NUMBER: _ClassVar[int]
    header_name: str
    def __init__(self, header_name: _Optional[str] = ...) -> None: ...

class RouteList(_message.Message):
    __slots__ = ("routes",)
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    def __init__(self, routes: _Optional[_Iterable[_Union[Route, _Mapping[str, object]]]] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("match", "route")
    MATCH_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    match: RouteMatch
    route: RouteAction
    def __init__(self, match: _Optional[_Union[RouteMatch, _Mapping[str, object]]] = ..., route: _Optional[_Union[RouteAction, _Mapping[str, object]]] = ...) -> None: ...

class RouteMatch(_message.Message):
    __slots__ = ("prefix", "headers")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    headers: _containers.RepeatedCompositeFieldContainer[HeaderMatcher]
    def __init__(self, prefix: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[HeaderMatcher, _Mapping[str, object]]]] = ...) -> None: ...

class HeaderMatcher(_message.Message):
    __slots__ = ("name", "present_match", "string_match")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRESENT_MATCH_FIELD_NUMBER: _ClassVar[int]
    STRING_MATCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    present_match: bool
    string_match: StringMatcher
    def __init__(self, name: _Optional[str] = ..., present_match: bool = ..., string_match: _Optional[_Union[StringMatcher, _Mapping[str, object]]] = ...) -> None: ...

class StringMatcher(_message.Message):
    __slots__ = ("exact",)
    EXACT_FIELD_NUMBER: _ClassVar[int]
    exact: str
    def __init__(self, exact: _Optional[str] = ...) -> None: ...

class RouteAction(_message.Message):
    __slots__ = ("cluster", "cluster_header", "weighted_clusters", "timeout", "hash_policy", "cluster_not_found_response_code", "idle_timeout", "request_mirror_policies")
    class ClusterNotFoundResponseCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SERVICE_UNAVAILABLE: _ClassVar[RouteAction.ClusterNotFoundResponseCode]
    SERVICE_UNAVAILABLE: RouteAction.ClusterNotFoundResponseCode
    class HashPolicy(_message.Message):
        __slots__ = ("header",)
        class Header(_message.Message):
            __slots__ = ("header_name",)
            HEADER_NAME_FIELD_NUMBER: _ClassVar[int]
            header_name: str
            def __init__(self, header_name: _Optional[str] = ...) -> None: ...
        HEADER_FIELD_NUMBER: _ClassVar[int]
        header: RouteAction.HashPolicy.Header
        def __init__(self, header: _Optional[_Union[RouteAction.HashPolicy.Header, _Mapping[str, object]]] = ...) -> None: ...
    class RequestMirrorPolicy(_message.Message):
        __slots__ = ("cluster", "runtime_fraction", "disable_shadow_host_suffix_append", "request_headers_mutations")
        CLUSTER_FIELD_NUMBER: _ClassVar[int]
        RUNTIME_FRACTION_FIELD_NUMBER: _ClassVar[int]
        DISABLE_SHADOW_HOST_SUFFIX_APPEND_FIELD_NUMBER: _ClassVar[int]
        REQUEST_HEADERS_MUTATIONS_FIELD_NUMBER: _ClassVar[int]
        cluster: str
        runtime_fraction: RuntimeFractionalPercent
        disable_shadow_host_suffix_append: bool
        request_headers_mutations: _containers.RepeatedCompositeFieldContainer[HeaderMutation]
        def __init__(self, cluster: _Optional[str] = ..., runtime_fraction: _Optional[_Union[RuntimeFractionalPercent, _Mapping[str, object]]] = ..., disable_shadow_host_suffix_append: bool = ..., request_headers_mutations: _Optional[_Iterable[_Union[HeaderMutation, _Mapping[str, object]]]] = ...) -> None: ...
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_HEADER_FIELD_NUMBER: _ClassVar[int]
    WEIGHTED_CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    HASH_POLICY_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NOT_FOUND_RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MIRROR_POLICIES_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    cluster_header: str
    weighted_clusters: WeightedCluster
    timeout: _duration_pb2.Duration
    hash_policy: _containers.RepeatedCompositeFieldContainer[RouteAction.HashPolicy]
    cluster_not_found_response_code: RouteAction.ClusterNotFoundResponseCode
    idle_timeout: _duration_pb2.Duration
    request_mirror_policies: _containers.RepeatedCompositeFieldContainer[RouteAction.RequestMirrorPolicy]
    def __init__(self, cluster: _Optional[str] = ..., cluster_header: _Optional[str] = ..., weighted_clusters: _Optional[_Union[WeightedCluster, _Mapping[str, object]]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., hash_policy: _Optional[_Iterable[_Union[RouteAction.HashPolicy, _Mapping[str, object]]]] = ..., cluster_not_found_response_code: _Optional[_Union[RouteAction.ClusterNotFoundResponseCode, str]] = ..., idle_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., request_mirror_policies: _Optional[_Iterable[_Union[RouteAction.RequestMirrorPolicy, _Mapping[str, object]]]] = ...) -> None: ...

class WeightedCluster(_message.Message):
    __slots__ = ("clusters",)
    class ClusterWeight(_message.Message):
        __slots__ = ("name", "weight", "request_headers_to_add", "response_headers_to_add", "request_headers_to_remove")
        NAME_FIELD_NUMBER: _ClassVar[int]
        WEIGHT_FIELD_NUMBER: _ClassVar[int]
        REQUEST_HEADERS_TO_ADD_FIELD_NUMBER: _ClassVar[int]
        RESPONSE_HEADERS_TO_ADD_FIELD_NUMBER: _ClassVar[int]
        REQUEST_HEADERS_TO_REMOVE_FIELD_NUMBER: _ClassVar[int]
        name: str
        weight: _wrappers_pb2.UInt32Value
        request_headers_to_add: _containers.RepeatedCompositeFieldContainer[HeaderValueOption]
        response_headers_to_add: _containers.RepeatedCompositeFieldContainer[HeaderValueOption]
        request_headers_to_remove: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, name: _Optional[str] = ..., weight: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., request_headers_to_add: _Optional[_Iterable[_Union[HeaderValueOption, _Mapping[str, object]]]] = ..., response_headers_to_add: _Optional[_Iterable[_Union[HeaderValueOption, _Mapping[str, object]]]] = ..., request_headers_to_remove: _Optional[_Iterable[str]] = ...) -> None: ...
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    clusters: _containers.RepeatedCompositeFieldContainer[WeightedCluster.ClusterWeight]
    def __init__(self, clusters: _Optional[_Iterable[_Union[WeightedCluster.ClusterWeight, _Mapping[str, object]]]] = ...) -> None: ...

class HeaderMutation(_message.Message):
    __slots__ = ("append",)
    APPEND_FIELD_NUMBER: _ClassVar[int]
    append: HeaderValueOption
    def __init__(self, append: _Optional[_Union[HeaderValueOption, _Mapping[str, object]]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("retry_on", "num_retries", "retry_host_predicate", "host_selection_retry_max_attempts", "retry_back_off")
    class RetryHostPredicate(_message.Message):
        __slots__ = ("name", "typed_config")
        NAME_FIELD_NUMBER: _ClassVar[int]
        TYPED_CONFIG_FIELD_NUMBER: _ClassVar[int]
        name: str
        typed_config: TypedConfig
        def __init__(self, name: _Optional[str] = ..., typed_config: _Optional[_Union[TypedConfig, _Mapping[str, object]]] = ...) -> None: ...
    class RetryBackOff(_message.Message):
        __slots__ = ("base_interval", "max_interval")
        BASE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
        MAX_INTERVAL_FIELD_NUMBER: _ClassVar[int]
        base_interval: _duration_pb2.Duration
        max_interval: _duration_pb2.Duration
        def __init__(self, base_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., max_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ...) -> None: ...
    RETRY_ON_FIELD_NUMBER: _ClassVar[int]
    NUM_RETRIES_FIELD_NUMBER: _ClassVar[int]
    RETRY_HOST_PREDICATE_FIELD_NUMBER: _ClassVar[int]
    HOST_SELECTION_RETRY_MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RETRY_BACK_OFF_FIELD_NUMBER: _ClassVar[int]
    retry_on: str
    num_retries: _wrappers_pb2.UInt32Value
    retry_host_predicate: _containers.RepeatedCompositeFieldContainer[RetryPolicy.RetryHostPredicate]
    host_selection_retry_max_attempts: int
    retry_back_off: RetryPolicy.RetryBackOff
    def __init__(self, retry_on: _Optional[str] = ..., num_retries: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., retry_host_predicate: _Optional[_Iterable[_Union[RetryPolicy.RetryHostPredicate, _Mapping[str, object]]]] = ..., host_selection_retry_max_attempts: _Optional[int] = ..., retry_back_off: _Optional[_Union[RetryPolicy.RetryBackOff, _Mapping[str, object]]] = ...) -> None: ...

class PreviousHostsPredicate(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AccessLog(_message.Message):
    __slots__ = ("name", "filter", "typed_config")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TYPED_CONFIG_FIELD_NUMBER: _ClassVar[int]
    name: str
    filter: AccessLogFilter
    typed_config: TypedConfig
    def __init__(self, name: _Optional[str] = ..., filter: _Optional[_Union[AccessLogFilter, _Mapping[str, object]]] = ..., typed_config: _Optional[_Union[TypedConfig, _Mapping[str, object]]] = ...) -> None: ...

class AccessLogFilter(_message.Message):
    __slots__ = ("status_code_filter", "header_filter", "response_flag_filter")
    STATUS_CODE_FILTER_FIELD_NUMBER: _ClassVar[int]
    HEADER_FILTER_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FLAG_FILTER_FIELD_NUMBER: _ClassVar[int]
    status_code_filter: StatusCodeFilter
    header_filter: HeaderFilter
    response_flag_filter: ResponseFlagFilter
    def __init__(self, status_code_filter: _Optional[_Union[StatusCodeFilter, _Mapping[str, object]]] = ..., header_filter: _Optional[_Union[HeaderFilter, _Mapping[str, object]]] = ..., response_flag_filter: _Optional[_Union[ResponseFlagFilter, _Mapping[str, object]]] = ...) -> None: ...

class StatusCodeFilter(_message.Message):
    __slots__ = ("comparison",)
    COMPARISON_FIELD_NUMBER: _ClassVar[int]
    comparison: ComparisonFilter
    def __init__(self, comparison: _Optional[_Union[ComparisonFilter, _Mapping[str, object]]] = ...) -> None: ...

class ComparisonFilter(_message.Message):
    __slots__ = ("op", "value")
    class Op(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EQ: _ClassVar[ComparisonFilter.Op]
    EQ: ComparisonFilter.Op
    OP_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    op: ComparisonFilter.Op
    value: RuntimeUInt32
    def __init__(self, op: _Optional[_Union[ComparisonFilter.Op, str]] = ..., value: _Optional[_Union[RuntimeUInt32, _Mapping[str, object]]] = ...) -> None: ...

class HeaderFilter(_message.Message):
    __slots__ = ("header",)
    HEADER_FIELD_NUMBER: _ClassVar[int]
    header: HeaderMatcher
    def __init__(self, header: _Optional[_Union[HeaderMatcher, _Mapping[str, object]]] = ...) -> None: ...

class ResponseFlagFilter(_message.Message):
    __slots__ = ("flags",)
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    flags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, flags: _Optional[_Iterable[str]] = ...) -> None: ...

class HttpGrpcAccessLogConfig(_message.Message):
    __slots__ = ("common_config", "additional_request_headers_to_log", "additional_response_headers_to_log", "additional_response_trailers_to_log")
    COMMON_CONFIG_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_REQUEST_HEADERS_TO_LOG_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_RESPONSE_HEADERS_TO_LOG_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_RESPONSE_TRAILERS_TO_LOG_FIELD_NUMBER: _ClassVar[int]
    common_config: CommonGrpcAccessLogConfig
    additional_request_headers_to_log: _containers.RepeatedScalarFieldContainer[str]
    additional_response_headers_to_log: _containers.RepeatedScalarFieldContainer[str]
    additional_response_trailers_to_log: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, common_config: _Optional[_Union[CommonGrpcAccessLogConfig, _Mapping[str, object]]] = ..., additional_request_headers_to_log: _Optional[_Iterable[str]] = ..., additional_response_headers_to_log: _Optional[_Iterable[str]] = ..., additional_response_trailers_to_log: _Optional[_Iterable[str]] = ...) -> None: ...

class CommonGrpcAccessLogConfig(_message.Message):
    __slots__ = ("log_name", "grpc_service", "buffer_flush_interval", "transport_api_version")
    LOG_NAME_FIELD_NUMBER: _ClassVar[int]
    GRPC_SERVICE_FIELD_NUMBER: _ClassVar[int]
    BUFFER_FLUSH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_API_VERSION_FIELD_NUMBER: _ClassVar[int]
    log_name: str
    grpc_service: GrpcService
    buffer_flush_interval: _duration_pb2.Duration
    transport_api_version: ApiVersion
    def __init__(self, log_name: _Optional[str] = ..., grpc_service: _Optional[_Union[GrpcService, _Mapping[str, object]]] = ..., buffer_flush_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ..., transport_api_version: _Optional[_Union[ApiVersion, str]] = ...) -> None: ...

class StreamAccessLogsMessage(_message.Message):
    __slots__ = ("http_logs",)
    class HTTPAccessLogEntries(_message.Message):
        __slots__ = ("log_entry",)
        LOG_ENTRY_FIELD_NUMBER: _ClassVar[int]
        log_entry: _containers.RepeatedCompositeFieldContainer[HTTPAccessLogEntry]
        def __init__(self, log_entry: _Optional[_Iterable[_Union[HTTPAccessLogEntry, _Mapping[str, object]]]] = ...) -> None: ...
    HTTP_LOGS_FIELD_NUMBER: _ClassVar[int]
    http_logs: StreamAccessLogsMessage.HTTPAccessLogEntries
    def __init__(self, http_logs: _Optional[_Union[StreamAccessLogsMessage.HTTPAccessLogEntries, _Mapping[str, object]]] = ...) -> None: ...

class StreamAccessLogsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HTTPAccessLogEntry(_message.Message):
    __slots__ = ("common_properties", "request", "response")
    COMMON_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    common_properties: AccessLogCommon
    request: HTTPRequestProperties
    response: HTTPResponseProperties
    def __init__(self, common_properties: _Optional[_Union[AccessLogCommon, _Mapping[str, object]]] = ..., request: _Optional[_Union[HTTPRequestProperties, _Mapping[str, object]]] = ..., response: _Optional[_Union[HTTPResponseProperties, _Mapping[str, object]]] = ...) -> None: ...

class AccessLogCommon(_message.Message):
    __slots__ = ("response_flags", "duration")
    RESPONSE_FLAGS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    response_flags: ResponseFlags
    duration: _duration_pb2.Duration
    def __init__(self, response_flags: _Optional[_Union[ResponseFlags, _Mapping[str, object]]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ...) -> None: ...

class ResponseFlags(_message.Message):
    __slots__ = ("upstream_overflow", "downstream_connection_termination")
    UPSTREAM_OVERFLOW_FIELD_NUMBER: _ClassVar[int]
    DOWNSTREAM_CONNECTION_TERMINATION_FIELD_NUMBER: _ClassVar[int]
    upstream_overflow: bool
    downstream_connection_termination: bool
    def __init__(self, upstream_overflow: bool = ..., downstream_connection_termination: bool = ...) -> None: ...

class HTTPRequestProperties(_message.Message):
    __slots__ = ("request_headers",)
    class RequestHeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_HEADERS_FIELD_NUMBER: _ClassVar[int]
    request_headers: _containers.ScalarMap[str, str]
    def __init__(self, request_headers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class HTTPResponseProperties(_message.Message):
    __slots__ = ("response_code", "response_headers", "response_trailers")
    class ResponseHeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ResponseTrailersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RESPONSE_CODE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_HEADERS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TRAILERS_FIELD_NUMBER: _ClassVar[int]
    response_code: _wrappers_pb2.UInt32Value
    response_headers: _containers.ScalarMap[str, str]
    response_trailers: _containers.ScalarMap[str, str]
    def __init__(self, response_code: _Optional[_Union[_wrappers_pb2.UInt32Value, _Mapping[str, object]]] = ..., response_headers: _Optional[_Mapping[str, str]] = ..., response_trailers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("socket_address",)
    SOCKET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    socket_address: SocketAddress
    def __init__(self, socket_address: _Optional[_Union[SocketAddress, _Mapping[str, object]]] = ...) -> None: ...

class SocketAddress(_message.Message):
    __slots__ = ("address", "port_value")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_VALUE_FIELD_NUMBER: _ClassVar[int]
    address: str
    port_value: int
    def __init__(self, address: _Optional[str] = ..., port_value: _Optional[int] = ...) -> None: ...

class ConfigSource(_message.Message):
    __slots__ = ("ads", "resource_api_version")
    ADS_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_API_VERSION_FIELD_NUMBER: _ClassVar[int]
    ads: AggregatedConfigSource
    resource_api_version: ApiVersion
    def __init__(self, ads: _Optional[_Union[AggregatedConfigSource, _Mapping[str, object]]] = ..., resource_api_version: _Optional[_Union[ApiVersion, str]] = ...) -> None: ...

class AggregatedConfigSource(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GrpcService(_message.Message):
    __slots__ = ("envoy_grpc", "timeout")
    class EnvoyGrpc(_message.Message):
        __slots__ = ("cluster_name",)
        CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
        cluster_name: str
        def __init__(self, cluster_name: _Optional[str] = ...) -> None: ...
    ENVOY_GRPC_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    envoy_grpc: GrpcService.EnvoyGrpc
    timeout: _duration_pb2.Duration
    def __init__(self, envoy_grpc: _Optional[_Union[GrpcService.EnvoyGrpc, _Mapping[str, object]]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping[str, object]]] = ...) -> None: ...

class DataSource(_message.Message):
    __slots__ = ("inline_string",)
    INLINE_STRING_FIELD_NUMBER: _ClassVar[int]
    inline_string: str
    def __init__(self, inline_string: _Optional[str] = ...) -> None: ...

class HeaderValueOption(_message.Message):
    __slots__ = ("header", "append_action")
    class HeaderAppendAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        APPEND_IF_EXISTS_OR_ADD: _ClassVar[HeaderValueOption.HeaderAppendAction]
        OVERWRITE_IF_EXISTS_OR_ADD: _ClassVar[HeaderValueOption.HeaderAppendAction]
    APPEND_IF_EXISTS_OR_ADD: HeaderValueOption.HeaderAppendAction
    OVERWRITE_IF_EXISTS_OR_ADD: HeaderValueOption.HeaderAppendAction
    HEADER_FIELD_NUMBER: _ClassVar[int]
    APPEND_ACTION_FIELD_NUMBER: _ClassVar[int]
    header: HeaderValue
    append_action: HeaderValueOption.HeaderAppendAction
    def __init__(self, header: _Optional[_Union[HeaderValue, _Mapping[str, object]]] = ..., append_action: _Optional[_Union[HeaderValueOption.HeaderAppendAction, str]] = ...) -> None: ...

class HeaderValue(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Percent(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: float
    def __init__(self, value: _Optional[float] = ...) -> None: ...

class FractionalPercent(_message.Message):
    __slots__ = ("numerator", "denominator")
    class DenominatorType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        HUNDRED: _ClassVar[FractionalPercent.DenominatorType]
        MILLION: _ClassVar[FractionalPercent.DenominatorType]
    HUNDRED: FractionalPercent.DenominatorType
    MILLION: FractionalPercent.DenominatorType
    NUMERATOR_FIELD_NUMBER: _ClassVar[int]
    DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    numerator: int
    denominator: FractionalPercent.DenominatorType
    def __init__(self, numerator: _Optional[int] = ..., denominator: _Optional[_Union[FractionalPercent.DenominatorType, str]] = ...) -> None: ...

class RuntimeFractionalPercent(_message.Message):
    __slots__ = ("default_value",)
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    default_value: FractionalPercent
    def __init__(self, default_value: _Optional[_Union[FractionalPercent, _Mapping[str, object]]] = ...) -> None: ...

class RuntimeUInt32(_message.Message):
    __slots__ = ("default_value", "runtime_key")
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_KEY_FIELD_NUMBER: _ClassVar[int]
    default_value: int
    runtime_key: str
    def __init__(self, default_value: _Optional[int] = ..., runtime_key: _Optional[str] = ...) -> None: ...
