"""The world that the simulated cloud begins with: one instance for each thing that a check does to it."""

RESOURCE, ROUTERS = "1688000000000001", "1250123456123456"
RESOURCE_KEY, ROUTERS_KEY = ("resource-key", "resource-secret"), ("routers-key", "routers-secret")
CEN = "cen-outside00001"
# One with nothing in it.
EMPTY_CEN = "cen-outside00002"
ENTERPRISE, SECOND, BASIC = "tr-outsideenterprise1", "tr-outsideenterprise2", "tr-outsidebasic00001"
# Where the instances and the routers are.
REGION, SECOND_REGION, BASIC_REGION, CCN_REGION = "cn-hangzhou", "cn-shenzhen", "cn-beijing", "cn-shanghai"
ROLE = f"acs:ram::{RESOURCE}:role/crossgrant"
POD_ROLE = f"acs:ram::{ROUTERS}:role/pod"
PROVIDER = f"acs:ram::{ROUTERS}:oidc-provider/cluster"
# One of the same name in the account that the pod's role is not of.
FOREIGN_PROVIDER = f"acs:ram::{RESOURCE}:oidc-provider/cluster"
# What the pod's provider has signed; a real one is as long and has such characters.
OIDC_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsic3RzLmFsaXl1bmNzLmNvbSJdfQ.c2lnbmF0dXJl-_+/=="
MACHINE_ROLE = "machine"
PREFIXES = {"VPC": "vpc", "VBR": "vbr", "VPN": "vco", "ECR": "ecr", "CCN": "ccn"}
PAYERS = ("PayByCenOwner", "PayByResourceOwner")
# More than a page of any list shows.
MANY = 105


def instance(kind, purpose):
    """Names the instance of a type that is there for a purpose."""
    return f"{PREFIXES[kind]}-outside{purpose}"


def attachment(kind, purpose):
    """Names its attachment."""
    return f"tr-attach-outside{PREFIXES[kind]}{purpose}"


def region(kind):
    """Tells where the instances of a type are."""
    return CCN_REGION if kind == "CCN" else REGION


def _table(name, **entries):
    def value(entry):
        if isinstance(entry, bool):
            return str(entry).lower()
        if isinstance(entry, list):
            return "[" + ", ".join(map(value, entry)) + "]"
        if isinstance(entry, dict):
            return "{ " + ", ".join(f"{key} = {value(inner)}" for key, inner in entry.items()) + " }"
        return f'"{entry}"'

    return f"[[{name}]]\n" + "".join(f"{key} = {value(entry)}\n" for key, entry in entries.items())


def world(attachments=0):
    """Writes the whole world as TOML; `attachments` more VBRs are attached, for lists of several pages."""
    keys = lambda key: [{"id": key[0], "secret": key[1]}]
    parts = [
        _table("accounts", uid=RESOURCE, keys=keys(RESOURCE_KEY), roles=[{"name": "crossgrant", "trusts": [ROUTERS]}]),
        _table(
            "accounts",
            uid=ROUTERS,
            keys=keys(ROUTERS_KEY),
            roles=[
                {"name": "pod", "oidc_tokens": [OIDC_TOKEN]},
                {"name": MACHINE_ROLE, "machine": True},
            ],
        ),
        _table(
            "cens",
            id=CEN,
            owner=ROUTERS,
            transit_routers=[
                {"id": ENTERPRISE, "region": REGION, "type": "Enterprise"},
                {"id": SECOND, "region": SECOND_REGION, "type": "Enterprise"},
                {"id": BASIC, "region": BASIC_REGION, "type": "Basic"},
            ],
        ),
        _table("cens", id=EMPTY_CEN, owner=ROUTERS),
    ]

    def add(kind, purpose, granted=None, router=None, payer=None, where=None):
        id = instance(kind, purpose)
        parts.append(_table("instances", type=kind, id=id, region=where or region(kind), owner=RESOURCE))
        if granted:
            payers = {} if kind == "CCN" else {"order_type": granted}
            parts.append(_table("grants", cen=CEN, instance=id, **payers))
        if router:
            payers = {"order_type": payer} if payer else {}
            parts.append(
                _table("attachments", id=attachment(kind, purpose), transit_router=router, instance=id, **payers)
            )

    cen_owner, resource_owner = PAYERS
    for kind in PREFIXES:
        router = BASIC if kind == "CCN" else ENTERPRISE
        add(kind, "grant")
        add(kind, "revoke", cen_owner)
        add(kind, "listed", cen_owner, router)
        add(kind, "delete", cen_owner, router)
        add(kind, "create", cen_owner)
        if kind != "CCN":
            add(kind, "update", cen_owner, router, None if kind == "ECR" else resource_owner)
            add(kind, "modify", cen_owner, router)
    add("VPC", "detach", cen_owner, BASIC, where=BASIC_REGION)
    for number in range(MANY if attachments else 0):
        add("VBR", f"many{number:04}", cen_owner, ENTERPRISE if number < attachments else None)
    return "\n".join(parts) + '\n[switches]\nattachment_delay = "20ms"\n'
