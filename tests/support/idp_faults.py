"""How fake_idp.py misbehaves when it is told to (control: POST /next). One entry is one JSON object:

    {"kind": KIND, "count": 1, "endpoint": "token", "grant_type": G, "client_id": C, ...}

`endpoint` (default "token"; "*" is any), `grant_type` and `client_id` select the requests; `count` of them are hit.

Instead of the endpoint (nothing happens to codes and tokens):
  error_200 [error]            200 with {"error": ...} as GitHub has it      slack_error [error]   200 with {"ok": false, ...}
  error [error, status]        an error in order                             status [status, retry_after, body]
  html [status]                a page                                        garbage               200, JSON that breaks off
  redirect_loop [status=302]   to itself                                     redirect to [status]  to another place
  huge [mib=64, chunked]       that much JSON                                deep [levels=100000]  nested arrays
  empty                        200 without a body                            body body [status, content_type]
  drop                         the connection is closed at once              twins                 members that are there twice
After the endpoint has done its work (a rotation has happened, a code is spent):
  close                        closed, the answer is lost                    truncated             half of the answer
  slow_after seconds           the answer comes late                         drip [seconds=30]     the answer comes byte by byte
  no_expires_in                                                              expires_in value      any JSON
  missing_access_token                                                       no_refresh_token      (and the old one stays good)
  token_type [value="mac"]                                                   content_type [value="text/plain"]
  token_value value            "crlf", "nul", "space", "utf8", "empty", "number", "long" or any JSON
  merge members                added to the answer; null removes
Before it: slow seconds.
"""

import json
import time
import urllib.parse

from idp_call import NO_STORE, Reply

INSTEAD = ("error_200", "slack_error", "error", "status", "html", "garbage", "redirect_loop", "redirect", "huge", "deep", "empty", "body", "drop", "twins")
AFTER = ("close", "truncated", "slow_after", "drip", "no_expires_in", "expires_in", "missing_access_token", "no_refresh_token", "token_type",
         "content_type", "token_value", "merge")
KINDS = (*INSTEAD, *AFTER, "slow")
NEEDS = {"redirect": ["to"], "body": ["body"], "slow": ["seconds"], "slow_after": ["seconds"], "expires_in": ["value"], "token_value": ["value"], "merge": ["members"]}
SELECT = ("kind", "count", "endpoint", "grant_type", "client_id")
OPTIONS = {"error_200": ["error"], "slack_error": ["error"], "error": ["error", "status"], "status": ["status", "retry_after", "body"], "html": ["status"],
           "redirect_loop": ["status"], "redirect": ["to", "status"], "huge": ["mib", "chunked"], "deep": ["levels"], "body": ["body", "status", "content_type"],
           "slow": ["seconds"], "slow_after": ["seconds"], "drip": ["seconds"], "expires_in": ["value"], "token_type": ["value"],
           "content_type": ["value"], "token_value": ["value"], "merge": ["members"]}


def checked(entry):
    """A misspelt fault would be a test that tests nothing."""
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    extra = set(entry) - set(SELECT) - set(OPTIONS.get(entry["kind"], []))
    missing = [name for name in NEEDS.get(entry["kind"], []) if name not in entry]
    if extra or missing:
        raise ValueError(f"{entry['kind']}: not understood: {sorted(extra)}, missing: {missing}")
    return {"count": 1, "endpoint": "token", **entry}


def take(state, call):
    """The fault for this request, if one waits for it."""
    form = dict(urllib.parse.parse_qsl(call.body.decode("latin-1"))) if call.body else {}
    for entry in state.next:
        if entry["endpoint"] in ("*", call.endpoint) and all(entry[name] == form.get(name) for name in ("grant_type", "client_id") if name in entry):
            entry["count"] -= 1
            if entry["count"] <= 0:
                state.next.remove(entry)
            return entry
    return {"kind": "none"}


def instead(fault, call):
    kind, status = fault["kind"], fault.get("status")
    if kind == "error_200":
        return Reply(200, {"error": fault.get("error", "bad_verification_code"), "error_description": "made up for a test"}, headers=NO_STORE)
    if kind == "slack_error":
        return Reply(200, {"ok": False, "error": fault.get("error", "invalid_code")}, headers=NO_STORE)
    if kind == "error":
        return Reply(status or 400, {"error": fault.get("error", "invalid_grant"), "error_description": "made up for a test"}, headers=NO_STORE)
    if kind == "status":
        extra = [("Retry-After", str(fault["retry_after"]))] if "retry_after" in fault else []
        return Reply(status or 500, fault.get("body", "out of order"), headers=extra)
    if kind == "html":
        return Reply(status or 200, "<!doctype html><title>Sign in</title><p>Not what a program expects.", "text/html; charset=utf-8")
    if kind == "garbage":
        return Reply(200, '{"access_token": "at_never", "token_ty', "application/json")
    if kind == "redirect_loop":
        return Reply(status or 302, headers=[("Location", f"{call.scheme}://{call.host}{call.target}")])
    if kind == "redirect":
        return Reply(status or 302, headers=[("Location", fault["to"])])
    if kind == "huge":
        start, end = b'{"access_token": "at_never", "token_type": "Bearer", "padding": "', b'"}'
        reply = Reply(200, start + b"x" * (int(fault.get("mib", 64)) << 20) + end, "application/json")
        reply.chunked = bool(fault.get("chunked"))
        return reply
    if kind == "deep":
        levels = int(fault.get("levels", 100000))
        return Reply(200, '{"access_token": "at_never", "token_type": "Bearer", "a": ' + "[" * levels + "]" * levels + "}", "application/json")
    if kind == "twins":
        return Reply(200, '{"access_token": "at_first", "token_type": "Bearer", "access_token": "at_second"}', "application/json")
    if kind == "empty":
        return Reply(200, b"", "application/json")
    if kind == "body":
        return Reply(status or 200, fault["body"], fault.get("content_type", "application/json"))
    reply = Reply(200)
    reply.cut = "close"
    return reply


TOKEN_VALUES = {"crlf": lambda old: old + "\r\nX-Injected: 1", "nul": lambda old: old + "\0", "space": lambda old: old + " and more",
                "utf8": lambda old: old + "\u00fc\u20ac", "empty": lambda old: "", "number": lambda old: 12345, "long": lambda old: old + "x" * (1 << 17)}


def after(fault, reply):
    kind = fault["kind"]
    if kind == "close":
        reply.cut = "close"
    elif kind == "truncated":
        reply.cut = "truncate"
    elif kind == "slow_after":
        time.sleep(float(fault["seconds"]))
    elif kind == "drip":
        reply.drip = float(fault.get("seconds", 30))
    elif kind == "content_type":
        reply.content_type = fault.get("value", "text/plain")
    if not isinstance(reply.body, dict) or reply.status not in (200, 201):
        return reply
    body = reply.body
    # Slack's nested form has the token one level down.
    inner = body["authed_user"] if "access_token" in body.get("authed_user", {}) else body
    if kind == "no_expires_in":
        inner.pop("expires_in", None)
    elif kind == "expires_in":
        inner["expires_in"] = fault["value"]
    elif kind == "missing_access_token":
        inner.pop("access_token", None)
        inner.pop("token", None)
    elif kind == "no_refresh_token":
        inner.pop("refresh_token", None)
    elif kind == "token_type":
        inner["token_type"] = fault.get("value", "mac")
    elif kind == "token_value":
        name = "token" if "token" in inner else "access_token"
        make = TOKEN_VALUES.get(fault["value"]) if isinstance(fault["value"], str) else None
        inner[name] = make(inner[name]) if make else fault["value"]
    elif kind == "merge":
        for name, value in fault["members"].items():
            if value is None:
                inner.pop(name, None)
            else:
                inner[name] = value
    reply.body = json.loads(json.dumps(body))
    return reply
