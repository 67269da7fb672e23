"""A cloud that answers each read with the example that the vendor's documents give for it.

The examples are about many networks; here they are about one. An id, a uid, a type or a region in them is replaced by
that of the job, in the form it has there: what follows an id stays, and a uid that is a text stays a text.
"""

import email.utils
import json
import re
import urllib.parse

from program import ROOT
from server import Server
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
    """Reads an example answer by the name of its file, and replaces the masks in it by digits."""
    text = json.dumps(json.loads((ANSWERS / f"{name}.json").read_text())["answer"])
    return json.loads(re.sub(r"\*+", lambda mask: "1".rjust(len(mask[0]), "0"), text))


def walk(value, change, name=None):
    """Returns the value with every leaf changed by `change(field, leaf)`."""
    if isinstance(value, dict):
        return {key: walk(inner, change, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [walk(inner, change, name) for inner in value]
    return change(name, value)


def emptied(answer):
    """Makes the page behind the last one: it has no items and no token."""
    page = {key: [] if key in LISTS else value for key, value in answer.items()}
    return {**page, "NextToken": ""} if "NextToken" in page else page


def about(instance, answer):
    """Makes an example answer one about an instance and the one CEN."""

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


class Documented(Server):
    """Serves examples about an instance; `answers` names what an operation is answered with instead of its own."""

    def __init__(self, instance, answers, odd=lambda name, value: value):
        self._instance, self._answers, self._odd = instance, answers, odd
        self.asked = []

    def respond(self, method, target, headers, body):
        """Answers a call, signed or not."""
        headers = {name.lower(): value for name, value in headers}
        query = dict(urllib.parse.parse_qsl(f"{urllib.parse.urlsplit(target).query}&{body.decode()}"))
        action = headers.get("x-acs-action") or query.get("Action")
        self.asked.append(action)
        status, answer = self.answer(action, query, headers.get("authorization", ""))
        headers = [("date", email.utils.formatdate(usegmt=True)), ("content-type", "application/json;charset=utf-8")]
        return status, headers, json.dumps(answer).encode()

    def answer(self, action, query, authorization):
        """Returns the status and body that a call gets."""
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
    """Makes the example of an operation one that has nothing to show."""
    return {**emptied(example(action)), "TotalCount": 0}


def router(edition):
    """Makes the example of routers one with a router of this edition in the region of the instance."""
    answer = example("ListTransitRouters")
    answer["TransitRouters"][0] |= {"Type": edition, "RegionId": REGION}
    return answer
