"""What the worker makes of the vendor's own example answers, as they are and as odd as real ones can be."""

import tempfile
import unittest

import documented
import vendor
from documented import ANSWERS, Documented, example, nothing, walk
from operations import VERSIONS
from program import lines, worker
from recording import configuration, job, of_roles
from world import PAYERS

CEN_OWNER, RESOURCE_OWNER = PAYERS
LIST = {kind: f"ListTransitRouter{kind.capitalize()}Attachments" for kind in ("VPC", "VBR", "VPN", "ECR")}
UPDATE = {kind: f"UpdateTransitRouter{kind.capitalize()}AttachmentAttribute" for kind in ("VPC", "VBR", "VPN")}
MODIFY = "ModifyGrantInstanceToTransitRouter"
# Both sides' rules of an instance that is granted to nothing.
UNGRANTED = {name: nothing(name) for name in ("DescribeGrantRulesToResource", "DescribeGrantRulesToCen")}
# An IPsec connection that no router has.
LOOSE = {"DescribeVpnAttachments": nothing("DescribeVpnAttachments")}


IDS = documented.CENS | documented.INSTANCES | {"TransitRouterId"}
UIDS = documented.OWNERS | documented.CEN_OWNERS
TIMES = {"CreateTime", "CreationTime", "GmtCreate", "ChildInstanceAttachTime"}
COUNTS = {"TotalCount", "PageSize", "PageNumber"}


def on(fields, change):
    """Makes the change of an answer that changes the values of some fields."""
    return lambda name, value: change(value) if name in fields else value


def without_payer(name):
    """Makes an example of rules one that shows no payer."""
    return walk(example(name), on({"OrderType"}, lambda _: ""))


ODD = {
    "a line feed after every id": on(IDS, lambda id: f"{id}\n"),
    "blanks around every id": on(IDS, lambda id: f" {id}\t"),
    "blanks around every payer": on({"OrderType"}, lambda payer: f" {payer}\n"),
    "uids as texts": on(UIDS, str),
    "uids as texts with a line feed": on(UIDS, lambda uid: f"{uid}\n"),
    "times without seconds": on(TIMES, lambda _: "2024-01-24T16:46Z"),
    "times with seconds": on(TIMES, lambda _: "2024-01-24T16:46:12Z"),
    "times in milliseconds": on(TIMES, lambda _: 1609392288000),
    "no time": on(TIMES, lambda _: 0),
    "no token on the last page": on({"NextToken"}, lambda _: ""),
    "counts as texts": on(COUNTS, str),
}


class Answers(unittest.TestCase):
    """Plans and doctor run on example answers."""

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())

    def run_on(self, command, about, answers, odd):
        """Runs a command about a job; returns the objects it printed, and what it asked the cloud for."""
        with Documented(about["instance"], answers, odd) as cloud:
            config = configuration(cloud.url, self.folder, of_roles(self.folder))
            done = worker(command, config, [about])
        said = lines(done)
        self.assertTrue(said, done.stderr)
        return said, cloud.asked

    def plan(self, kind, type, answers=None, odd=lambda name, value: value, **more):
        """Plans a job, and sees that the keys came from the example answers, too."""
        (plan,), asked = self.run_on(["plan", "JOBS", "--json"], job(kind, type, "modify", **more), answers or {}, odd)
        self.assertLessEqual({"AssumeRole", "AssumeRoleWithOIDC", "GetCallerIdentity"}, set(asked))
        return plan

    def changes_payer(self, type, answers=None, odd=lambda name, value: value):
        """Sees that a payer change is planned in both accounts, for the attachment of the example."""
        plan = self.plan("payer-change", type, answers, odd, order_type=RESOURCE_OWNER)
        self.assertEqual(plan["verdict"], "planned", plan)
        self.assertEqual([call["operation"] for call in plan["plan"]], [MODIFY, UPDATE[type]], plan)
        attachment = example(LIST[type])["TransitRouterAttachments"][0]["TransitRouterAttachmentId"]
        self.assertEqual(plan["plan"][1]["resource"], attachment)
        self.assertEqual(plan["before"]["order_type"], CEN_OWNER)
        expected = {"id": attachment, "edition": "enterprise", "status": "Attached", "order_type": CEN_OWNER}
        self.assertEqual(plan["before"]["attachments"], [expected])

    def granted(self, plan):
        """Sees that nothing is left to write: the grant is there."""
        self.assertEqual((plan["verdict"], plan["plan"]), ("planned", []), plan)

    def unclear(self, plan):
        """Sees that nothing is planned: a list may not be all there is."""
        self.assertEqual((plan["verdict"], plan["plan"]), ("unclear", None), plan)

    def test_each_example_is_one_of_the_sdks_answers(self):
        products = {action: product for product in VERSIONS for action in vendor.methods(product)}
        # The Vpc product has an operation of the same name, which is another.
        products["DescribeGrantRulesToCen"] = "Cbn"
        for file in sorted(ANSWERS.glob("*.json")):
            with self.subTest(file.stem):
                action = file.stem.partition("-")[0]
                faults = vendor.answer_faults(products[action], action, example(file.stem))
                # Their uids are texts here and there, which is what they are kept for.
                self.assertEqual([f for f in faults if not ("OwnerId is '" in f or "Uid is '" in f)], [])

    def test_an_attached_instance_is_seen_as_its_example_shows_it(self):
        for type in UPDATE:
            with self.subTest(type):
                self.changes_payer(type)
                plan = self.plan("revoke", type)
                self.assertEqual((plan["verdict"], plan["reason"]), ("failed", "attached"), plan)

    def test_a_rule_says_who_pays_and_who_pays_now(self):
        waits = {name: f"{name}-effective" for name in UNGRANTED}
        plan = self.plan("grant", "VPC", waits, order_type=RESOURCE_OWNER)
        self.granted(plan)
        payers = (plan["before"]["order_type"], plan["before"]["effective_order_type"])
        self.assertEqual(payers, (RESOURCE_OWNER, CEN_OWNER), plan)
        # Answers of older pages do not say it, and that is not the same as saying that nothing is pending.
        plan = self.plan("grant", "VPC", order_type=CEN_OWNER)
        self.assertNotIn("effective_order_type", plan["before"])

    def test_odd_values_change_nothing(self):
        for name, odd in ODD.items():
            with self.subTest(name):
                self.changes_payer("VPC", odd=odd)

    def test_an_item_that_cannot_be_read_makes_its_list_incomplete(self):
        for field in ("CenId", "VpcId", "VpcOwnerId"):
            with self.subTest(field):
                attachments = example(LIST["VPC"])
                attachments["TransitRouterAttachments"][0][field] = {"": 1} if field == "VpcOwnerId" else "?"
                self.unclear(
                    self.plan(
                        "revoke",
                        "VPC",
                        {
                            LIST["VPC"]: attachments,
                            "DescribeCenAttachedChildInstances": nothing("DescribeCenAttachedChildInstances"),
                        },
                    )
                )

    def test_a_list_that_counts_more_than_it_shows_is_incomplete(self):
        # The page's example has one item of four.
        self.unclear(self.plan("revoke", "ECR"))
        whole = example(LIST["ECR"]) | {"TotalCount": 1}
        self.assertEqual(self.plan("revoke", "ECR", {LIST["ECR"]: whole})["reason"], "attached")
        cut = {
            "DescribeCenAttachedChildInstances": "DescribeCenAttachedChildInstances-cut-short",
            LIST["VPC"]: nothing(LIST["VPC"]),
        }
        self.unclear(self.plan("revoke", "VPC", cut))

    def test_an_answer_with_a_request_id_alone_proves_nothing(self):
        bare = {"RequestId": "4906B209-8613-5C19-9CC9-B7A3FFDA731C"}
        self.unclear(self.plan("revoke", "VPN", {LIST["VPN"]: bare}))
        self.unclear(
            self.plan("grant", "VPC", {**UNGRANTED, "DescribeGrantRulesToResource": bare}, order_type=CEN_OWNER)
        )

    def test_a_ccn_is_granted_by_either_example_of_its_rules(self):
        for rules in ("DescribeGrantRules", "DescribeGrantRules-texts"):
            with self.subTest(rules):
                answers = {
                    "DescribeGrantRules": rules,
                    "DescribeGrantRulesToCen": without_payer("DescribeGrantRulesToCen"),
                }
                self.granted(self.plan("grant", "CCN", answers))
                plan = self.plan("revoke", "CCN", answers)
                self.assertEqual((plan["verdict"], plan["reason"]), ("failed", "attached"), plan)

    def test_a_payer_shown_on_the_rule_of_a_ccn_says_nothing(self):
        # No page says whether the routers' side shows one; the resource side has no field for it.
        self.granted(self.plan("grant", "CCN"))

    def test_an_ipsec_connection_with_a_router_cannot_be_granted_and_one_without_can(self):
        plan = self.plan("grant", "VPN", UNGRANTED, order_type=CEN_OWNER)
        self.assertEqual((plan["verdict"], plan["reason"]), ("failed", "preflight-failed"), plan)
        unrouted = example("DescribeVpnAttachments")
        unrouted["VpnAttachments"][0]["TransitRouterId"] = ""
        for loose in (LOOSE, {"DescribeVpnAttachments": unrouted}):
            plan = self.plan("grant", "VPN", {**UNGRANTED, **loose}, order_type=CEN_OWNER)
            self.assertEqual([call["operation"] for call in plan["plan"] or []], ["GrantInstanceToTransitRouter"], plan)

    def test_an_attachment_to_a_basic_router_is_one_of_the_basic_edition(self):
        basic = {LIST["VPC"]: nothing(LIST["VPC"]), "ListTransitRouters": documented.router("Basic")}
        plan = self.plan("revoke", "VPC", basic, options={"attachments": "delete"})
        self.assertEqual(
            [c["operation"] for c in plan["plan"]], ["DetachCenChildInstance", "RevokeInstanceFromTransitRouter"], plan
        )

    def test_a_code_is_read_without_the_tab_it_is_published_with(self):
        refusal = {
            "RequestId": "4906B209-8613-5C19-9CC9-B7A3FFDA731C",
            "Message": "The input parameter is missing.",
            "HostId": "h",
        }
        for code, status in (("MissingParameter\t", 400), ("InvalidInstanceId.NotFound\t", 404)):
            with self.subTest(code):
                answers = {"DescribeGrantRulesToResource": (status, {**refusal, "Code": code})}
                plan = self.plan("grant", "VPC", answers, order_type=CEN_OWNER)
                said = str(plan["message"]) + str(plan["findings"])
                self.assertIn(code.strip(), said)
                self.assertNotIn("\t", said)

    def test_the_doctor_reads_every_example(self):
        for type in ("VPC", "VBR", "VPN", "ECR", "CCN"):
            with self.subTest(type):
                payer = {} if type == "CCN" else {"order_type": CEN_OWNER}
                findings, asked = self.run_on(
                    ["doctor", "--json", "--job", "JOBS"], job("grant", type, "modify", **payer), {}, lambda _, v: v
                )
                found = {f["check"]: f for f in findings if f["check"] in ("credential", "clock", "permission")}
                self.assertEqual(found.keys(), {"credential", "clock", "permission"})
                # Whether the service-linked role is there, no read tells.
                untold = [f for f in findings if "service-linked role" in f["says"]]
                self.assertEqual(len(untold), 0 if type == "CCN" else 1)
                wrong = [f for f in findings if f["check"] in found and f["ok"] is not True and f not in untold]
                self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
