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
local LONGEST_MS = 2 ^ 31 - 1
local UNITS = {n = 1e-6, u = 1e-3, m = 1, S = 1e3, M = 6e4, H = 3.6e6}
-- What only we may say, or what Envoy would take as an order.
local INTERNAL = {
  "x-penstock-arm", "x-penstock-trail", "x-envoy-retry-on", "x-envoy-retry-grpc-on",
  "x-envoy-max-retries", "x-envoy-hedge-on-per-try-timeout", "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-alt-stat-name",
}

-- A header that says something.
local function said(headers, name)
  local written = headers:get(name)
  return written ~= "" and written or nil
end

local function number_in(headers, name)
  local written = said(headers, name)
  return written and tonumber(written)
end

-- The name and the version in the path of what one model can answer; whether it is an inference.
local function read_rest(path)
  local bare = path:match("^[^?]*")
  local rest, ending = bare:match("^(.+)/(%a+)$")
  if ending == "infer" or ending == "ready" then
    bare = rest
  end
  local name, version = bare:match("^/v2/models/([^/]+)/versions/([^/]+)$")
  return name or bare:match("^/v2/models/([^/]+)$"), version, ending == "infer"
end

-- Over gRPC the name stands in the message, which is not read here.
local function read_grpc(path)
  local method = path:match("^/inference%.GRPCInferenceService/(%w+)$") or ""
  return method:match("^Model") and "", method
end

local function grpc_timeout_ms(written)
  local number, unit = written:match("^(%d+)([numSMH])$")
  return number and tonumber(number) * UNITS[unit]
end

-- How long the caller waits; nil for what is no time.
local function timeout_ms(headers)
  local own = TIMEOUT_MS
  if headers:get("x-penstock-timeout-ms") then
    own = number_in(headers, "x-penstock-timeout-ms")
    if not own or not (own > 0 and own < math.huge) then
      return nil
    end
  end
  local written = PROTOCOL == "grpc" and headers:get("grpc-timeout")
  local theirs = written and grpc_timeout_ms(written)
  if theirs then
    own = headers:get("x-penstock-timeout-ms") and math.min(own, theirs) or theirs
  end
  return string.format("%d", math.min(math.max(1, math.ceil(own)), LONGEST_MS))
end

local function trail(headers)
  local own = headers:get("penstock-route") or headers:get("x-seldon-route")
  if own then
    return own
  end
  local cookies = headers:get("cookie")
  return cookies and cookies:match(ROUTE_COOKIE)
end

-- The cluster for a name that has one way; all that has none of its own is the gateways', as are
-- other versions than the one that is there.
local function cluster_of(headers, name, version)
  local way = WAYS[name]
  if not way then
    return "gateways"
  end
  local key, speaks, served, target = way:match("^(%S+) (%S+) (%S+) (%S+)$")
  if not speaks:find(PROTOCOL, 1, true) then
    return "gateways"
  end
  if version and version ~= served then
    return "gateways"
  end
  if served ~= "-" then
    headers:replace("penstock-version", served)
  end
  if target ~= "-" then
    headers:remove("seldon-model")
    headers:replace("penstock-target", target)
  end
  return key
end

-- Where the request goes; the routes read it from headers that go no further.
local function steer(headers, name, version)
  if not name then
    headers:remove("x-penstock-way")
    headers:replace("x-penstock-cluster", PROTOCOL .. ".gateways")
    return
  end
  name = said(headers, "seldon-model") or said(headers, "penstock-target") or name
  version = version or said(headers, "penstock-version")
  if version and not WAYS[name] then
    -- No experiment has versions.
    name = ""
  end
  headers:replace("x-penstock-way", name)
  headers:replace("x-penstock-cluster", PROTOCOL .. "." .. cluster_of(headers, name, version))
  local taken = trail(headers)
  if taken then
    headers:replace("x-penstock-trail", taken)
  end
end

-- How long an inference may take, and when somebody else is asked as well. Whether there is a time.
local function limit(headers)
  local left = timeout_ms(headers)
  if not left then
    return false
  end
  headers:replace("x-envoy-upstream-rq-timeout-ms", left)
  if HEDGE_MS then
    headers:replace("x-envoy-upstream-rq-per-try-timeout-ms", HEDGE_MS)
    headers:replace("x-envoy-hedge-on-per-try-timeout", "true")
  end
  return true
end

function envoy_on_request(handle)
  local headers = handle:headers()
  for _, name in ipairs(INTERNAL) do
    headers:remove(name)
  end
  -- Envoy's own answers are given our form; these are of the kind that the status names.
  local length = number_in(headers, "content-length")
  if length and length > MAX_BYTES then
    handle:respond({[":status"] = "413"}, "")
    return
  end
  local path = headers:get(":path") or ""
  local name, version, infers, asks
  if PROTOCOL == "rest" then
    local method = headers:get(":method")
    name, version, infers = read_rest(path)
    asks = method == "GET" or method == "HEAD" or method == "OPTIONS"
  else
    local method
    name, method = read_grpc(path)
    infers, asks = method == "ModelInfer", ASKING[method]
  end
  steer(headers, name, version)
  if asks then
    headers:replace("x-envoy-retry-on", RETRY_ALL)
  end
  if infers and not limit(headers) then
    handle:respond({[":status"] = "400"}, "")
  end
end
