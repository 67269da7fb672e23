"""The vendor's credentials library fetches keys from the simulated cloud, and its SDK signs with them."""

import pathlib
import tempfile
import time
import unittest

from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_credentials.provider import (
    EcsRamRoleCredentialsProvider,
    OIDCRoleArnCredentialsProvider,
    RamRoleArnCredentialsProvider,
)

import vendor
from program import Simulator
from world import (
    FOREIGN_PROVIDER,
    MACHINE_ROLE,
    OIDC_TOKEN,
    POD_ROLE,
    PROVIDER,
    RESOURCE,
    ROLE,
    ROUTERS,
    ROUTERS_KEY,
    world,
)


class Keys(unittest.TestCase):
    """Tries each way to keys that the simulated cloud has."""

    @classmethod
    def setUpClass(cls):
        cls.simulator = cls.enterClassContext(Simulator(world()))
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.token = pathlib.Path(folder, "token")
        cls.token.write_text(OIDC_TOKEN)

    def pod(self, **changes):
        """Makes the provider of a pod; the library takes a URL where it expects a host."""
        role = {"role_arn": POD_ROLE, "oidc_provider_arn": PROVIDER, "role_session_name": "pod"}
        file = {"oidc_token_file_path": str(self.token), "sts_endpoint": self.simulator.url}
        return OIDCRoleArnCredentialsProvider(**{**role, **file, **changes})

    def machine(self, **changes):
        """Makes the provider of a machine, which looks for the metadata service at one fixed address."""
        provider = EcsRamRoleCredentialsProvider(async_update_enabled=False, **changes)
        provider._EcsRamRoleCredentialsProvider__metadata_service_host = self.simulator.url
        return provider

    def role(self, **changes):
        """Makes the provider of a role that is assumed with a key."""
        key = {"access_key_id": ROUTERS_KEY[0], "access_key_secret": ROUTERS_KEY[1]}
        role = {"role_arn": ROLE, "role_session_name": "hub", "external_id": "a+b=c,d.e@f:g/h-i"}
        return RamRoleArnCredentialsProvider(**{**key, **role, "sts_endpoint": self.simulator.url, **changes})

    def fetched(self, provider, uid, role):
        """Sees that the keys are whole, last, and are those of a session of the role."""
        keys = provider.get_credentials()
        # The library asks again when less than a quarter of an hour is left.
        self.assertGreater(keys.get_expiration(), time.time() + 900)
        account = vendor.Account(
            self.simulator.host, keys.get_access_key_id(), keys.get_access_key_secret(), keys.get_security_token()
        )
        body, _ = account.call("Sts", "GetCallerIdentity", {})
        self.assertEqual(vendor.answer_faults("Sts", "GetCallerIdentity", body), [])
        self.assertEqual((body["AccountId"], body["IdentityType"]), (uid, "AssumedRoleUser"))
        self.assertIn(f":assumed-role/{role}/", body["Arn"])

    def test_a_role_is_assumed(self):
        self.fetched(self.role(), RESOURCE, "crossgrant")

    def test_a_role_that_does_not_trust_the_caller_is_refused(self):
        with self.assertRaisesRegex(CredentialException, "NoPermission"):
            self.role(role_arn=f"acs:ram::{ROUTERS}:role/{MACHINE_ROLE}").get_credentials()

    def test_a_pods_token_becomes_keys(self):
        self.fetched(self.pod(), ROUTERS, "pod")

    def test_a_provider_of_another_account_is_refused_in_json(self):
        with self.assertRaisesRegex(CredentialException, r'"Code":\s*"AuthenticationFail\.'):
            self.pod(oidc_provider_arn=FOREIGN_PROVIDER).get_credentials()

    def test_the_machines_role_becomes_keys(self):
        self.fetched(self.machine(role_name=MACHINE_ROLE, disable_imds_v1=True), ROUTERS, MACHINE_ROLE)

    def test_the_machines_role_is_found_by_asking_for_its_name(self):
        self.fetched(self.machine(disable_imds_v1=True), ROUTERS, MACHINE_ROLE)

    def test_a_role_that_the_machine_does_not_have_is_refused(self):
        with self.assertRaises(CredentialException):
            self.machine(role_name="another", disable_imds_v1=True).get_credentials()


if __name__ == "__main__":
    unittest.main()
