#!/usr/bin/env python3
"""The part of agent-vault's API that `proposal create|list|show` speak to.

  fake_api.py --token TOKEN --log FILE [--decide STATE] [--after N]

Prints {"port": N}. Requests without the token get 401. What is posted goes to the log, one line each. A
proposal is pending for the first N (1) looks at it, and STATE (applied) from then on. Proposal 99 is answered
with an error whose words hold an escape sequence.
"""
import argparse, http.server, json, urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("--token", required=True)
parser.add_argument("--log", required=True)
parser.add_argument("--decide", default="applied")
parser.add_argument("--after", type=int, default=1)
options = parser.parse_args()
looks = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, **what):
        with open(options.log, "a", encoding="utf-8") as log:
            log.write(json.dumps(what) + "\n")

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_one(self, body):
        global looks
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.note(method=self.command, path=url.path, query=query, body=body)
        if self.headers.get("Authorization") != f"Bearer {options.token}":
            return self.answer(401, {"error": "unauthorized", "message": "who is that?"})
        if self.command == "POST":
            if len(body) > 2000:
                return self.answer(429, {"error": "too_many_requests", "message": "20 wait already", "help": "wait"})
            return self.answer(201, {"id": 7, "status": "pending", "vault": "default",
                                     "approval_url": "https://x.test/approve/7?token=t\x1b[2J"})
        if url.path == "/v1/auth/me":
            return self.answer(200, {"type": "session", "agent_name": "", "role": "proxy", "is_owner": False})
        if url.path == "/v1/proposals":
            return self.answer(200, {"proposals": [{"id": 7, "status": "pending", "message": "m\x1b[2J"}]})
        if url.path == "/v1/proposals/99":
            return self.answer(404, {"error": "not_found", "message": "no\x1b[2J such", "help": "see\x07"})
        looks += 1
        state = options.decide if looks > options.after else "pending"
        self.answer(200, {"id": 7, "status": state, "review_note": "because"})

    def do_GET(self):
        self.handle_one("")

    def do_POST(self):
        self.handle_one(self.rfile.read(int(self.headers["Content-Length"])).decode())


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
