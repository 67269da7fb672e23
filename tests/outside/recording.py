"""Everything the worker can be brought to send, recorded once for all who judge it."""

import functools
import json
import pathlib
import tempfile
import typing
import urllib.parse

from program import HOUR, Simulator, lines, worker
from proxy import Exchange, Proxy
from world import (
    CEN,
    MACHINE_ROLE,
    MANY,
    OIDC_TOKEN,
    PAYERS,
    POD_ROLE,
    PROVIDER,
    RESOURCE,
    RESOURCE_KEY,
    ROLE,
    ROUTERS,
    ROUTERS_KEY,
    BASIC_REGION,
    instance,
    region,
    world,
)

# Allowed by the vendor's pattern for it, and everything in it has to be encoded.
EXTERNAL_ID = "of+the=owner,a.b@c:d/e-f"
SESSION = "session.name@with-all_of-them"

# Patient enough for a slow machine, and quick where it waits for the simulated cloud.
POLICIES = """
[retry.busy]
initial = "50ms"
cap = "200ms"
[retry.read]
initial = "100ms"
[retry.write]
initial = "100ms"
"""


def configuration(url, folder, credentials):
    """Writes a worker's configuration with every product at one address; its policies go into the folder."""
    policies = pathlib.Path(folder, "policies.toml")
    policies.write_text(POLICIES)
    products = ("cbn", "sts", "smartag", "vpc", "metadata")
    endpoints = "".join(f'{product} = "{url}"\n' for product in products)
    return f"""
hour = "{HOUR}"
[workflows]
policies = "{policies}"
[cloud.endpoints]
{endpoints}
[cloud.budget]
reads_per_second = 1000
writes_per_second = 1000
burst = 100
{credentials}
[[allow]]
requesters = ["*"]
cens = ["{CEN}"]
resource_accounts = ["{RESOURCE}"]
"""


def of_roles(folder):
    """Configures a role for each account: a pod's token becomes keys of one, and those assume the role of the other."""
    token = pathlib.Path(folder, "token")
    token.write_text(OIDC_TOKEN)
    return f"""
[accounts."{RESOURCE}"]
role_arn = "{ROLE}"
external_id = "{EXTERNAL_ID}"
session_name = "{SESSION}"
[credentials.hub]
role_arn = "{POD_ROLE}"
oidc_provider_arn = "{PROVIDER}"
oidc_token_file = "{token}"
[accounts."{ROUTERS}"]
hub = true
"""


def of_the_machine():
    """Configures the machine's role for one account, and keys that stay for the other."""
    return f"""
[accounts."{RESOURCE}"]
access_key_id = "{RESOURCE_KEY[0]}"
access_key_secret = "{RESOURCE_KEY[1]}"
[accounts."{ROUTERS}"]
ecs_role = "{MACHINE_ROLE}"
"""


def job(kind, type, purpose, **more):
    """Makes a job about the instance that is there for a purpose."""
    where = BASIC_REGION if purpose == "detach" else region(type)
    about = {"type": type, "id": instance(type, purpose), "region": where, "owner": RESOURCE}
    return {
        "id": f"{kind}-{type}-{purpose}",
        "kind": kind,
        "instance": about,
        "cen": {"id": CEN, "owner": ROUTERS},
        **more,
    }


def jobs():
    """Makes a job for every type and every way that leads to a call of its own."""
    _, resource_owner = PAYERS
    payer, delete = {"order_type": resource_owner}, {"options": {"attachments": "delete"}}
    types = ("VPC", "VBR", "VPN", "ECR")
    return [
        *[job("grant", type, "grant", **payer) for type in types],
        job("grant", "CCN", "grant"),
        *[job("revoke", type, "revoke") for type in (*types, "CCN")],
        *[job("revoke", type, "delete", **delete) for type in (*types, "CCN")],
        job("revoke", "VPC", "detach", **delete),
        *[job("payer-change", type, "modify", **payer) for type in ("VPC", "VBR", "VPN")],
        *[job("payer-change", type, "create", **payer) for type in types],
    ]


def many():
    """Makes more jobs in one CEN than a page of its rules shows, so that it is read by pages."""
    return [job("revoke", "VBR", f"many{number:04}", options={"attachments": "delete"}) for number in range(MANY)]


class Recording(typing.NamedTuple):
    """What was sent, and with which keys it can have been signed."""

    exchanges: list[Exchange]
    secrets: dict
    # What was said of the jobs that did not complete.
    failed: list
    # Every event.
    events: list


def secrets_of(exchanges):
    """Finds the secret of each access key: configured ones, and those that an answer issued."""
    found = dict((RESOURCE_KEY, ROUTERS_KEY))
    for exchange in exchanges:
        try:
            body = json.loads(exchange.answer)
        except ValueError:
            continue
        issued = body.get("Credentials", body)
        if "AccessKeySecret" in issued:
            found[issued["AccessKeyId"]] = issued["AccessKeySecret"]
    return found


@functools.cache
def recording():
    """Runs the worker through the proxy: jobs of every sort, plans and the doctor, with each sort of keys."""
    exchanges, failed, events = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for credentials, work in ((of_roles(folder), jobs()), (of_the_machine(), many())):
            with Simulator(world(attachments=MANY)) as simulator, Proxy(simulator.host) as proxy:
                config = configuration(proxy.url, folder, credentials)
                for command in (["doctor", "--job", "JOBS", "--json"], ["doctor"], ["plan", "JOBS", "--json"]):
                    worker(command, config, work[:3])
                done = worker(["run", "JOBS"], config, work)
                failed += ends(done)
                events += lines(done)
                exchanges += proxy.exchanges
    return Recording(exchanges, secrets_of(exchanges), failed, events)


def told(event):
    """Says in a line what the last event of a job says."""
    data = event["data"]
    return f"{data['job']['id']}: {event['type']} {data.get('reason')} {data.get('message')}"


def ends(done):
    """Tells which jobs of a run did not complete, and why."""
    last = {event["data"]["uid"]: event for event in lines(done)}
    failed = [told(event) for event in last.values() if not event["type"].endswith(".completed")]
    return failed if last and not done.returncode else [*failed, done.stderr]


def parameters(exchange):
    """Decodes the parameters of a request: pairs in the order they came, by place."""
    query = urllib.parse.urlsplit(exchange.target).query
    split = lambda text: urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    form = (exchange.header("content-type") or "").startswith("application/x-www-form-urlencoded")
    return {"query": split(query), "body": split(exchange.body.decode()) if form else []}


def action(exchange):
    """Tells which operation a request asks for; `metadata` is one to the metadata service."""
    if exchange.target.startswith("/latest/"):
        return "metadata"
    return exchange.header("x-acs-action") or dict(parameters(exchange)["query"])["Action"]
