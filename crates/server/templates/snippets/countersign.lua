-- Asks Countersign who sends a request. HAProxy 2.6 or newer runs it; the configuration that goes with it is what
-- `countersign snippet haproxy` prints.

local question = "http://{{ gateway.server }}{{ gateway.question }}"
local patience = 5000 -- milliseconds

-- What is about one connection and its body, and no part of the question.
local not_asked = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["keep-alive"] = true,
    ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
    ["x-forwarded-method"] = true, ["x-original-method"] = true,
}
-- What HAProxy writes itself in the answer that goes on to the client.
local not_told = { ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true }

-- HAProxy counts the values of a header from 0, and wants them back counted from 1.
local function copy(headers, but)
    local copied = {}
    for name, values in pairs(headers) do
        name = name:lower()
        if not but[name] then
            copied[name] = {}
            for at = 0, #values do
                table.insert(copied[name], values[at])
            end
        end
    end
    return copied
end

local function unavailable(txn)
    local told = txn:reply()
    told:set_status(503)
    told:add_header("content-type", "application/problem+json")
    told:add_header("retry-after", "5")
    told:set_body('{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"who sends this cannot be told now"}')
    txn:done(told)
end

core.register_action("countersign", { "http-req" }, function(txn)
    -- The head of the request without its body: token, cookie, Origin and Sec-Fetch-Site go along as they are.
    local headers = copy(txn.http:req_get_headers(), not_asked)
    headers["x-original-method"] = { txn.f:method() }
    local answer = core.httpclient():get({ url = question, headers = headers, timeout = patience })
    local status = answer and answer.status or 0

    if status == 200 then
        for _, name in ipairs({ "x-auth-subject", "x-auth-name", "x-auth-roles" }) do
            local values = answer.headers[name]
            if not values then
                return unavailable(txn)
            end
            txn.http:req_set_header(name, values[0])
        end
        txn:set_var("txn.countersign", "yes")
    elseif status >= 400 and status < 500 then
        local told = txn:reply()
        told:set_status(status)
        for name, values in pairs(copy(answer.headers, not_told)) do
            for _, value in ipairs(values) do
                told:add_header(name, value)
            end
        end
        told:set_body(answer.body or "")
        txn:done(told)
    else
        unavailable(txn)
    end
end)
