"""A cloud that answers each read with the example that the vendor's documents give for it.

The examples are about many networks; here they are about one. An id, a uid, a type or a region in them is replaced by
that of the job, in the form it has there: what follows an id stays, and a uid that is a text stays a text.
"""

import http.server
import json
import re
import threading
import urllib.parse

from program import ROOT
from world import CEN, REGION, RESOURCE, ROUTERS

ANSWERS = ROOT / "tests/outside/answers"
ROUTER = "tr-outsiderouter0001"
# Fields by what they name.
CENS, CEN_OWNERS = {"CenId", "CenInstanceId"}, {"CenOwnerId", "AliUid", "CenUid"}
INSTANCES = {"VpcId", "VbrId", "VpnId", "EcrId", "ChildInstanceId", "CcnInstanceId", "InstanceId"}
OWNERS = {"VpcOwnerId", "VbrOwnerId", "VpnOwnerId", "EcrOwnerId", "ChildInstanceOwnerId", "CcnUid"}
REGIONS = {"VpcRegionId", "VbrRegionId", "VpnRegionId", "ChildInstanceRegionId", "TransitRouterRegionId"}
# Where the items of a list are.
LISTS = {"TransitRouterAttachments", "GrantRules", "VpnAttachments", "ChildInstances", "TransitRouters"}


def example(name):
    """An example answer by the name of its file, the masks in it replaced by digits."""
    text = json.dumps(json.loads((ANSWERS / f"{name}.json").read_text())["answer"])
    return json.loads(re.sub(r"\*+", lambda mask: "1".rjust(len(mask[0]), "0"), text))


def walk(value, change, name=None):
    """The value with every leaf changed by `change(field, leaf)`."""
    if isinstance(value, dict):
        return {key: walk(inner, change, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [walk(inner, change, name) for inner in value]
    return change(name, value)


def emptied(answer):
    """A page behind the last one: no items, and no token."""
    page = {key: [] if key in LISTS else value for key, value in answer.items()}
    return {**page, "NextToken": ""} if "NextToken" in page else page


def about(instance, answer):
    """An example answer as it would be about one instance and the one CEN."""

    def uid(value, of):
        return of if isinstance(value, str) else int(of)

    def change(name, value):
        if name in CENS:
            return re.sub(r"cen-\w+", CEN, value)
        if name in INSTANCES:
            return re.sub(r"[a-z]+-\w+", instance["id"], value)
        if name in CEN_OWNERS:
            return uid(value, ROUTERS)
        if name in OWNERS:
            return uid(value, RESOURCE)
        if name in REGIONS:
            return instance["region"]
        if name == "ChildInstanceType":
            return instance["type"]
        if name == "TransitRouterId":
            return ROUTER if value else value
        if name == "Expiration":
            return "2099-01-01T00:00:00Z"
        return value

    return walk(answer, change)


class Documented:
    """Serves examples for the length of a `with`; `answers` names what an operation is answered with instead."""

    def __init__(self, instance, answers, odd=lambda name, value: value):
        self._instance, self._answers, self._odd = instance, answers, odd
        self.asked = []

    def __enter__(self):
        cloud = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """One connection of the worker."""

            protocol_version = "HTTP/1.1"

            def do_POST(self):
                """Answers a call."""
                body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query + "&" + body))
                action = self.headers.get("x-acs-action") or query.get("Action")
                cloud.asked.append(action)
                status, answer = cloud.answer(action, query, self.headers.get("authorization") or "")
                answer = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json;charset=utf-8")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                """The tests say what went wrong."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, action, query, authorization):
        """The status and body that a call gets."""
        instead = self._answers.get(action, action)
        if isinstance(instead, tuple):
            return instead
        answer = about(self._instance, example(instead) if isinstance(instead, str) else instead)
        if action == "GetCallerIdentity":
            # The keys of the first example are those of the resource account, the others the routers'.
            mine = example("AssumeRole")["Credentials"]["AccessKeyId"] in authorization
            return 200, {**answer, "AccountId": RESOURCE if mine else ROUTERS}
        if query.get("NextToken") or int(query.get("PageNumber", 1)) > 1:
            answer = emptied(answer)
        return 200, walk(answer, self._odd)


def nothing(action):
    """The example of an operation as it is when there is nothing to show."""
    return {**emptied(example(action)), "TotalCount": 0}


def router(edition):
    """The example of the routers of a CEN, with one of an edition where the instance is."""
    answer = example("ListTransitRouters")
    answer["TransitRouters"][0] |= {"Type": edition, "RegionId": REGION}
    return answer
