-- Asks crmgate about a request: sets what the CRM is told about the person, or answers in crmgate's words. HAProxy 2.5 or newer.
local question = "http://127.0.0.1:8080/_gate/auth"
local secret = os.getenv("CRMGATE_FORWARD_SECRET")

-- What the answer decides. A header that is empty there is removed here: the client may have sent it.
local told = {
  "x-forwarded-user", "x-forwarded-email", "x-forwarded-name", "x-forwarded-preferred-username", "x-forwarded-groups",
  "x-crmgate-provider", "x-crmgate-assertion", "cookie", "authorization",
}
-- What belongs to the client's connection or to a body, which is not sent along.
local left_out = {}
for _, name in ipairs({ "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade" }) do
  left_out[name] = true
end

local function answer(txn, status, headers, body)
  local reply = txn:reply({ status = status })
  for _, name in ipairs({ "cache-control", "content-type", "location", "retry-after", "www-authenticate", "x-crmgate-sign-in", "x-request-id" }) do
    if headers and headers[name] then
      reply:add_header(name, headers[name][0])
    end
  end
  reply:set_body(body or "")
  txn:done(reply)
end

core.register_action("crmgate", { "http-req" }, function(txn)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not left_out[name] then
      headers[name] = {}
      for i = 0, #values do
        headers[name][i + 1] = values[i]
      end
    end
  end
  headers["x-forwarded-method"] = { txn.sf:method() }
  headers["x-forwarded-uri"] = { txn.sf:pathq() }
  headers["x-forwarded-host"] = { txn.sf:req_hdr("host") }
  headers["x-forwarded-proto"] = { "https" }
  headers["x-forwarded-for"] = { txn.sf:src() }
  headers["x-crmgate-forward-secret"] = { secret }

  local said = core.httpclient():get({ url = question, headers = headers, timeout = 10000 })
  if not said or not said.status or said.status == 0 then
    return answer(txn, 503)
  end
  if said.status ~= 200 then
    return answer(txn, said.status, said.headers, said.body)
  end
  for _, name in ipairs(told) do
    local value = said.headers[name]
    txn.http:req_del_header(name)
    if value and value[0] ~= "" then
      txn.http:req_set_header(name, value[0])
    end
  end
end, 0)
