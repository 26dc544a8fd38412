-- Finds the way of a request: the name that it is for, and the cluster that has the way of that name.
-- Runs in Envoy, once for each request. Set before: PROTOCOL, TIMEOUT_MS, HEDGE_MS, MAX_BYTES, and
-- WAYS, which has for each name with one way its cluster, the protocols that are spoken there, and the
-- version and the target that go along.

local ROUTE_COOKIE = "penstock%-route=([^;]+)"
local RETRY_ALL = "reset,connect-failure,refused-stream"
local ASKING = {
  ServerLive = true, ServerReady = true, ServerMetadata = true, ModelReady = true,
  ModelMetadata = true,
}
local UNITS = {n = 1e-6, u = 1e-3, m = 1, S = 1e3, M = 6e4, H = 3.6e6}
-- What only we may say, or what Envoy would take as an order.
local INTERNAL = {
  "x-penstock-arm", "x-penstock-trail", "x-envoy-retry-on", "x-envoy-retry-grpc-on",
  "x-envoy-max-retries", "x-envoy-hedge-on-per-try-timeout", "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-alt-stat-name",
}

-- A header as a number; Envoy gives back nothing at all, and not nil, for one that is not there.
local function number_in(headers, name)
  local written = headers:get(name)
  return written and tonumber(written)
end

-- The name in the path, and whether the request is an inference, or only asks.
local function read_rest(path, method)
  local bare = path:match("^[^?]*")
  local name = bare:match("^/v2/models/([^/]+)")
  return name, bare:match("^/v2/.+/infer$") ~= nil, method == "GET" or method == "HEAD"
end

local function read_grpc(path)
  local method = path:match("^/inference%.GRPCInferenceService/(%w+)$")
  local name = method and method:match("^Model") and ""
  return name, method == "ModelInfer", ASKING[method or ""] == true
end

local function grpc_timeout_ms(written)
  local number, unit = written:match("^(%d+)([numSMH])$")
  return number and tonumber(number) * UNITS[unit]
end

-- How long the caller waits; what is no time is for others to refuse.
local function timeout_ms(headers)
  local own = number_in(headers, "x-penstock-timeout-ms")
  if PROTOCOL == "grpc" then
    local written = headers:get("grpc-timeout")
    local theirs = written and grpc_timeout_ms(written)
    own = own and theirs and math.min(own, theirs) or own or theirs
  end
  if own and own > 0 and own < 1e12 then
    return math.max(1, math.ceil(own))
  end
  return TIMEOUT_MS
end

local function trail(headers)
  local own = headers:get("x-seldon-route") or headers:get("penstock-route")
  if own then
    return own
  end
  local cookies = headers:get("cookie")
  return cookies and cookies:match(ROUTE_COOKIE)
end

-- The cluster for a name that has one way; all that has none of its own is the gateways'.
local function cluster_of(headers, name)
  local way = WAYS[name]
  if not way then
    return "gateways"
  end
  local key, speaks, version, target = way:match("^(%S+) (%S+) (%S+) (%S+)$")
  if not speaks:find(PROTOCOL, 1, true) then
    return "gateways"
  end
  if version ~= "-" then
    headers:replace("penstock-version", version)
  end
  if target ~= "-" then
    headers:remove("seldon-model")
    headers:replace("penstock-target", target)
  end
  return key
end

function envoy_on_request(handle)
  local headers = handle:headers()
  for _, name in ipairs(INTERNAL) do
    headers:remove(name)
  end
  local length = number_in(headers, "content-length")
  if length and length > MAX_BYTES then
    -- Envoy's own answers are given our form; this one is of the kind that names its status.
    handle:respond({[":status"] = "413"}, "")
    return
  end
  local path = headers:get(":path") or ""
  local name, infers, asks
  if PROTOCOL == "rest" then
    name, infers, asks = read_rest(path, headers:get(":method"))
  else
    name, infers, asks = read_grpc(path)
  end
  if name then
    name = headers:get("seldon-model") or headers:get("penstock-target") or name
    headers:replace("x-penstock-way", name)
    local taken = trail(headers)
    if taken then
      headers:replace("x-penstock-trail", taken)
    end
  else
    headers:remove("x-penstock-way")
  end
  local cluster = name and cluster_of(headers, name) or "gateways"
  headers:replace("x-penstock-cluster", PROTOCOL .. "." .. cluster)
  if asks then
    headers:replace("x-envoy-retry-on", RETRY_ALL)
  end
  if infers then
    headers:replace("x-envoy-upstream-rq-timeout-ms", tostring(timeout_ms(headers)))
    if HEDGE_MS then
      headers:replace("x-envoy-upstream-rq-per-try-timeout-ms", HEDGE_MS)
      headers:replace("x-envoy-hedge-on-per-try-timeout", "true")
    end
  end
end
