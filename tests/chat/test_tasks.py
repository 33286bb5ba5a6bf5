"""Every task of a server is ended, and begins again."""

import os
import signal

import httpx

from tests.conftest import StartServer
from tests.support.sockets import UNLIMITED, Client, wait_until

KEPT = {
    "hub comparison",
    "hub pulse",
    "hub receiving",
    "installation",
    "noting rooms with people",
    "presence renewal",
    "presence sweep",
    "rights of everybody",
    "writer",
    "writing who was here",
}


def test_every_task_that_ends_is_named_and_begins_again(start_server: StartServer) -> None:
    """Some seconds: so long they pause here, to be seen."""
    env = {**UNLIMITED, "DJANGO_SETTINGS_MODULE": "tests.support.ending"}
    server = start_server(env=env)
    with Client(server, "lobby") as client, httpx.Client(base_url=server.url) as http:
        client.until("presence.state")
        client.say("before")
        assert http.get("/healthz").json()["down"] == []
        os.kill(server.pid, signal.SIGUSR2)
        wait_until(lambda: http.get("/healthz").status_code == 503, "nothing is down")
        health = http.get("/healthz").json()
        # those of newcomers are looked up within a moment, and then that has ended
        assert {*health["down"]} - {"rights of newcomers"} == KEPT
        assert (health["status"], health["postgresql"]) == ("unavailable", "ok")
        assert http.get("/livez").status_code == 200
        wait_until(lambda: http.get("/healthz").json()["down"] == [], "it stays down")
        assert http.get("/healthz").status_code == 200
        client.say("after")
        with Client(server, "lobby") as other:
            other.until("presence.state")
            client.say("to another")
            other.until("chat.message", message="to another")
    for name in KEPT:
        assert f"{name} has failed and begins again" in server.log.read_text()
