"""GitHub, as far as the action needs it: issues by HTTP, and a repository beside it."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PER_PAGE = 100


class PretendGitHub:
    """Answers the calls for issues of one repository; `status` other than 200 refuses all."""

    def __init__(self) -> None:
        self.status = 200
        self.issues: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        """Verbs and bodies of all that changed something."""
        self.tokens: set[str] = set()
        self.before_opening: Callable[[], object] = lambda: None
        github, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                github.tokens.add(self.headers["Authorization"])
                if self.command == "POST":
                    before, github.before_opening = github.before_opening, lambda: None
                    before()
                with lock:
                    if self.command != "GET":
                        github.calls.append((self.command, body))
                    answer = b"{}" if github.status != 200 else json.dumps(self._answer(body)).encode()
                self.send_response(github.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = _serve

            def _answer(self, body: str) -> Any:
                parts = urlsplit(self.path)
                if self.command == "POST":
                    return github.open(**json.loads(body))
                if self.command == "PATCH":
                    issue = github.issues[int(parts.path.rpartition("/")[2]) - 1]
                    issue.update(json.loads(body))
                    return issue
                assert parts.path == "/repos/owner/repo/issues"
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                assert asked["state"] == "open" and asked["per_page"] == str(PER_PAGE)
                at = PER_PAGE * (int(asked["page"]) - 1)
                return github.opened[::-1][at : at + PER_PAGE]

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def open(self, title: str, body: str | None, **more: Any) -> dict[str, Any]:
        bot = {"user": {"type": "Bot"}, "author_association": "NONE"}
        issue = {"number": len(self.issues) + 1, "state": "open", "title": title, "body": body, **bot, **more}
        self.issues.append(issue)
        return issue

    @property
    def opened(self) -> list[dict[str, Any]]:
        return [issue for issue in self.issues if issue["state"] == "open"]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
