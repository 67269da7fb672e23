"""For each operation that the simulated cloud serves: how it is used well, and how badly, with the documented code."""

import typing

from world import (
    BASIC_REGION,
    CCN_REGION,
    CEN,
    ENTERPRISE,
    FOREIGN_PROVIDER,
    MACHINE_ROLE,
    OIDC_TOKEN,
    POD_ROLE,
    PROVIDER,
    REGION,
    RESOURCE,
    ROLE,
    ROUTERS,
    attachment,
    instance,
)

# What a parameter that is missing is refused with: by its name or without it, and once with a TAB, as it is published.
MISSING = r"MissingParameter(\.[\w.]+)?\t?"
INVALID = "InvalidParameter"
# The codes by which a list of attachments refuses a way of asking that its page does not offer.
COMBINATION = r"IllegalParam\.CenIdOrRegionId"


class Case(typing.NamedTuple):
    """One operation: who calls it, the requests that succeed, and those that are refused, each with its code."""

    account: str
    good: list
    bad: list
    # The code for the first good request made once more, where that is refused.
    again: str | None = None
    # The codes for a required parameter that is missing, where they are not `MISSING`.
    missing: str = MISSING


def _changed(account, good, changes, **more):
    """Makes a case whose bad requests are the first good one with something changed."""
    return Case(account, good, [({**good[0], **change}, code) for change, code in changes], **more)


def _grants(grants):
    target = {"CenId": CEN, "CenOwnerId": int(ROUTERS), "RegionId": REGION}
    words = {"VPC": "VPC", "VBR": "ExpressConnect", "VPN": "VPN", "ECR": "ECR"}
    purpose = "grant" if grants else "revoke"
    payer = {"OrderType": "PayByResourceOwner"} if grants else {}
    good = [
        {**target, "InstanceId": instance(kind, purpose), "InstanceType": word, **payer} for kind, word in words.items()
    ]
    bad = [
        ({"InstanceType": "VBR", "InstanceId": instance("VBR", purpose)}, INVALID),
        ({"InstanceType": "CCN", "InstanceId": instance("CCN", purpose)}, INVALID),
        ({"InstanceType": "vpc"}, INVALID),
    ]
    if grants:
        bad.append(({"OrderType": "PayByNobody"}, INVALID))
    return _changed(RESOURCE, good, bad)


def _list(kind):
    ways = [{"TransitRouterId": ENTERPRISE}, {"CenId": CEN, "RegionId": REGION}]
    refused = [({"CenId": CEN}, COMBINATION), ({}, COMBINATION)]
    if kind == "VPC":
        ways += [{"RegionId": REGION}, {"TransitRouterId": ENTERPRISE, "VpcId": instance("VPC", "listed")}]
        refused += [({"CenId": CEN, "VpcId": instance("VPC", "listed")}, COMBINATION)]
        refused += [({"VpcId": instance("VPC", "listed")}, COMBINATION)]
    else:
        ways += [{"TransitRouterAttachmentId": attachment(kind, "listed")}]
        refused += [({"RegionId": REGION}, COMBINATION)]
    refused += [({"TransitRouterId": ENTERPRISE, "NextToken": "no-token"}, r"IllegalParam\.NextToken")]
    return Case(ROUTERS, ways, refused)


def _update(kind):
    good = {"TransitRouterAttachmentId": attachment(kind, "update"), "ClientToken": f"update {kind} +/="}
    if kind != "ECR":
        good["OrderType"] = "PayByCenOwner"
    bad = [({"TransitRouterAttachmentId": "tr-attach-nowhere1"}, r"InvalidTransitRouterAttachmentId\.NotFound")]
    if kind == "ECR":
        bad.append(({"OrderType": "PayByResourceOwner", "ClientToken": "other"}, r"OperationUnsupported\.action"))
    else:
        bad.append(({"OrderType": "PayByNobody", "ClientToken": "other"}, INVALID))
    return _changed(ROUTERS, [good], bad)


def _delete(kind):
    good = {"TransitRouterAttachmentId": attachment(kind, "delete"), "ClientToken": f"delete {kind}", "Force": False}
    unknown = {"TransitRouterAttachmentId": "tr-attach-nowhere1", "ClientToken": "other"}
    # Two of the four pages say that a wrong id may be answered with a RequestId alone.
    bad = [] if kind in ("VPN", "ECR") else [(unknown, r"InvalidTransitRouterAttachmentId\.NotFound")]
    return _changed(ROUTERS, [good], bad)


def _create(kind):
    word = kind.capitalize()
    good = {"CenId": CEN, "RegionId": REGION, f"{word}Id": instance(kind, "create"), f"{word}OwnerId": int(RESOURCE)}
    if kind == "VPC":
        good["ZoneMappings"] = [{"ZoneId": "cn-hangzhou-h", "VSwitchId": "vsw-outside1"}]
    if kind == "VPN":
        good["Zone"] = [{"ZoneId": "cn-hangzhou-h"}]
    return _changed(ROUTERS, [good], [({f"{word}Id": f"{good[f'{word}Id']}x"}, INVALID)])


_CCN = {"CcnInstanceId": instance("CCN", "grant"), "CenInstanceId": CEN, "RegionId": CCN_REGION}
_RULES_OF = {"ResourceId": instance("VPC", "listed"), "ProductType": "VPC", "RegionId": REGION, "MaxResults": 20}
_RULES_TO = {"CenId": CEN, "ProductType": "VPC", "MaxResults": 100}
_ASSUME = {
    "RoleArn": ROLE,
    "RoleSessionName": "a.name@with-all_of-them",
    "DurationSeconds": 1800,
    "ExternalId": "a+b=c,d.e@f:g/h-i",
}
_OIDC = {
    "RoleArn": POD_ROLE,
    "OIDCProviderArn": PROVIDER,
    "OIDCToken": OIDC_TOKEN,
    "RoleSessionName": "pod",
    "DurationSeconds": 1800,
}
_CHILDREN = {"CenId": CEN, "ChildInstanceType": "VPC", "PageNumber": 1, "PageSize": 50}

CASES = {
    "GrantInstanceToTransitRouter": _grants(True),
    "RevokeInstanceFromTransitRouter": _grants(False),
    "ModifyGrantInstanceToTransitRouter": _changed(
        RESOURCE,
        [
            {
                "CenId": CEN,
                "InstanceId": instance("VPC", "modify"),
                "OrderType": "PayByResourceOwner",
                "ClientToken": "m +/=",
            }
        ],
        [
            ({"OrderType": "PayByNobody", "ClientToken": "other"}, INVALID),
            ({"InstanceId": instance("ECR", "modify"), "ClientToken": "other"}, r"OperationUnsupported\.action"),
            (
                {"InstanceId": instance("VPC", "grant"), "ClientToken": "3"},
                r"OperationFailed\.GrantCrossAccountNotExist",
            ),
        ],
    ),
    "DescribeGrantRulesToResource": _changed(
        RESOURCE,
        [_RULES_OF, {**_RULES_OF, "ResourceId": instance("VBR", "listed"), "ProductType": "ExpressConnect"}],
        [({"ProductType": "VBR"}, INVALID), ({"MaxResults": 101}, INVALID), ({"NextToken": "no-token"}, INVALID)],
    ),
    "DescribeGrantRulesToCen": _changed(
        ROUTERS,
        [
            *[{**_RULES_TO, "ProductType": kind} for kind in ("VPC", "VBR", "VPN", "ECR", "CCN")],
            {
                **_RULES_TO,
                "RegionId": REGION,
                "ChildInstanceId": instance("VPC", "listed"),
                "ChildInstanceOwnerId": int(RESOURCE),
            },
            {**_RULES_TO, "MaxResults": 0},
        ],
        [({"ProductType": "ExpressConnect"}, INVALID), ({"MaxResults": 101}, INVALID)],
    ),
    "ListTransitRouters": Case(
        ROUTERS,
        [
            {"CenId": CEN, "PageNumber": 1, "PageSize": 50},
            {"RegionId": REGION},
            {"TransitRouterId": ENTERPRISE},
            {"CenId": CEN, "Type": "Basic"},
        ],
        [({}, r"InvalidParameterCombination\.TransitRouter"), ({"CenId": CEN, "PageSize": 51}, INVALID)],
    ),
    "DescribeCens": Case(
        ROUTERS,
        [{"PageNumber": 1, "PageSize": 50}, {"Filter": [{"Key": "CenId", "Value": [CEN, "cen-outside0none"]}]}],
        [({"PageSize": 51}, INVALID)],
    ),
    "CheckTransitRouterService": Case(ROUTERS, [{}], []),
    "DescribeCenAttachedChildInstances": _changed(
        ROUTERS,
        [_CHILDREN, {"CenId": CEN}, {**_CHILDREN, "ChildInstanceType": "CCN", "ChildInstanceRegionId": CCN_REGION}],
        [({"ChildInstanceType": "VPN"}, INVALID), ({"PageSize": 51}, INVALID)],
    ),
    "DetachCenChildInstance": _changed(
        ROUTERS,
        [
            {
                "CenId": CEN,
                "CenOwnerId": int(ROUTERS),
                "ChildInstanceId": instance("VPC", "detach"),
                "ChildInstanceType": "VPC",
                "ChildInstanceRegionId": BASIC_REGION,
                "ChildInstanceOwnerId": int(RESOURCE),
            }
        ],
        [
            ({"ChildInstanceType": "VPN"}, rf"Forbidden\.TypeInvalid|{INVALID}"),
            (
                {"ChildInstanceId": instance("VPC", "listed"), "ChildInstanceRegionId": REGION},
                r"Forbidden\.TypeInvalid",
            ),
        ],
    ),
    **{f"ListTransitRouter{kind.capitalize()}Attachments": _list(kind) for kind in ("VPC", "VBR", "VPN", "ECR")},
    **{
        f"UpdateTransitRouter{kind.capitalize()}AttachmentAttribute": _update(kind)
        for kind in ("VPC", "VBR", "VPN", "ECR")
    },
    **{f"DeleteTransitRouter{kind.capitalize()}Attachment": _delete(kind) for kind in ("VPC", "VBR", "VPN", "ECR")},
    **{f"CreateTransitRouter{kind.capitalize()}Attachment": _create(kind) for kind in ("VPC", "VBR", "VPN", "ECR")},
    "GetCallerIdentity": Case(RESOURCE, [{}], []),
    "AssumeRole": _changed(
        ROUTERS,
        [_ASSUME],
        [
            ({"RoleArn": ROLE + "nobody"}, r"EntityNotExist\.Role"),
            ({"RoleArn": "no-arn"}, r"InvalidParameter\.RoleArn"),
            ({"RoleArn": f"acs:ram::{ROUTERS}:role/{MACHINE_ROLE}"}, "NoPermission"),
            ({"RoleSessionName": "ünïcode"}, r"InvalidParameter\.RoleSessionName"),
            ({"DurationSeconds": 899}, r"InvalidParameter\.DurationSeconds"),
            ({"ExternalId": "a"}, r"InvalidParameter\.ExternalId"),
            ({"ExternalId": "a b#c"}, r"InvalidParameter\.ExternalId"),
        ],
        missing=rf"{MISSING}|InvalidParameter\.\w+",
    ),
    "AssumeRoleWithOIDC": _changed(
        ROUTERS,
        [_OIDC],
        [
            ({"OIDCToken": "somebody-elses"}, r"AuthenticationFail\.(NoPermission|OIDCToken\.\w+)"),
            ({"OIDCProviderArn": FOREIGN_PROVIDER}, r"AuthenticationFail\.[\w.]+"),
            ({"RoleArn": POD_ROLE + "nobody"}, r"EntityNotExist\.Role"),
        ],
        missing=rf"{MISSING}|InvalidParameter\.\w+",
    ),
    "GrantInstanceToCbn": _changed(
        RESOURCE,
        [{**_CCN, "CenUid": int(ROUTERS)}],
        [({"CcnInstanceId": instance("CCN", "nowhere")}, "CcnNotExist")],
        again="DuplicatedGrantRule",
    ),
    "RevokeInstanceFromCbn": _changed(
        RESOURCE,
        [{**_CCN, "CcnInstanceId": instance("CCN", "revoke")}],
        [({"CcnInstanceId": instance("CCN", "nowhere")}, "CcnNotExist")],
        again=r"InvalidInstanceId\.NotFound\t?",
    ),
    "DescribeGrantRules": _changed(
        RESOURCE,
        [
            {"RegionId": CCN_REGION, "PageSize": 50},
            {"RegionId": CCN_REGION, "AssociatedCcnId": instance("CCN", "listed")},
        ],
        [({"PageSize": 51}, INVALID), ({"AssociatedCcnId": instance("CCN", "nowhere")}, "CcnNotExist")],
    ),
    "DescribeVpnAttachments": _changed(
        RESOURCE,
        [
            {"RegionId": REGION, "PageSize": 50},
            {"RegionId": REGION, "VpnConnectionId": instance("VPN", "listed"), "AttachType": "CEN"},
        ],
        [({"PageSize": 51}, INVALID)],
    ),
}
