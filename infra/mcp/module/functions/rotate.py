"""Makes one step of the rotation of the key in Secrets Manager, then restarts the services with it. The steps are those of infra/operate/rotate."""

import datetime
import json
import os
import secrets

SERVICES = ["memory", "guardrails", "patterns", "orchestrator"]


class WrongStep(Exception):
    """The step would be made in the wrong order. Nothing was changed."""


def after(step, keys, today, fresh):
    """Returns the keys after a step. `today` is an ISO day, `fresh` a new random key."""
    following, previous = keys.get("JWT_SECRET_NEXT", ""), keys.get("JWT_SECRET_PREVIOUS", "")
    if step == "next":
        if following or previous:
            raise WrongStep("the last rotation has not ended")
        return keys | {"JWT_SECRET_NEXT": fresh}
    if step == "sign":
        if not following:
            raise WrongStep("a key that is not accepted everywhere must not sign")
        return keys | {"JWT_SECRET": following, "JWT_SECRET_NEXT": "", "JWT_SECRET_PREVIOUS": keys["JWT_SECRET"], "JWT_SECRET_SINCE": today}
    if step == "forget":
        if not previous:
            raise WrongStep("no rotation waits for its end")
        return keys | {"JWT_SECRET_PREVIOUS": ""}
    raise WrongStep(f"there is no step `{step}`")


def handler(event, _context):
    import boto3  # the runtime has it; the tests do not need it

    secret, cluster = os.environ["SECRET"], os.environ["CLUSTER"]
    store, ecs = boto3.client("secretsmanager"), boto3.client("ecs")
    # Tasks of one service must not differ from the next by two steps, so no step begins before the restarts of the last one have ended.
    for name in SERVICES:
        newest = ecs.list_service_deployments(cluster=cluster, service=name, maxResults=1)["serviceDeployments"]
        if newest and newest[0]["status"] in ("PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"):
            raise WrongStep(f"a deployment of {name} is running")
    keys = json.loads(store.get_secret_value(SecretId=secret)["SecretString"])
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    keys = after(event["step"], keys, today, secrets.token_hex(32))
    store.put_secret_value(SecretId=secret, SecretString=json.dumps(keys))
    for name in SERVICES:
        ecs.update_service(cluster=cluster, service=name, forceNewDeployment=True)
