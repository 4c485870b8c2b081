"""Makes one step of the rotation of the key in Secrets Manager, then restarts the services with it. The steps are those of infra/operate/rotate."""

import datetime
import json
import os
import secrets

SERVICES = ["memory", "guardrails", "patterns", "orchestrator"]
NOT_ENDED = ["PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"]


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


def obstacle(running, tasks, changed):
    """Returns why a step must not be made; `None` if it may be. `running` has the services with a deployment that has not ended, `tasks` the times at which
    the tasks of each service were created, and `changed` is the time at which the last step has changed the keys."""
    if running:
        return f"a deployment is running: {', '.join(running)}"
    # A restart that was rolled back, or that nothing has begun, leaves tasks with the keys before the last step. The history of deployments would not show
    # it, because it goes back 90 days only.
    behind = [name for name, created in tasks.items() if any(each < changed for each in created)]
    if behind:
        return f"tasks have the keys from before the last step: {', '.join(behind)}; restart them with `aws ecs update-service --force-new-deployment`, then repeat this step"
    return None


def observe(ecs, cluster):
    """Returns the services with a deployment that has not ended, and the times at which the tasks of each were created."""
    running = [name for name in SERVICES if ecs.list_service_deployments(cluster=cluster, service=name, status=NOT_ENDED)["serviceDeployments"]]
    tasks = {}
    for name in SERVICES:
        arns = ecs.list_tasks(cluster=cluster, serviceName=name)["taskArns"]
        tasks[name] = [task["createdAt"] for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]] if arns else []
    return running, tasks


def handler(event, _context):
    import boto3  # the runtime has it; the tests do not need it

    secret, cluster = os.environ["SECRET"], os.environ["CLUSTER"]
    store, ecs = boto3.client("secretsmanager"), boto3.client("ecs")
    current = store.get_secret_value(SecretId=secret)
    # Tasks of one service must not differ from the next by two steps, so no step begins before every task has the keys of the last one.
    reason = obstacle(*observe(ecs, cluster), current["CreatedDate"])
    if reason:
        raise WrongStep(reason)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    keys = after(event["step"], json.loads(current["SecretString"]), today, secrets.token_hex(32))
    store.put_secret_value(SecretId=secret, SecretString=json.dumps(keys))
    for name in SERVICES:
        ecs.update_service(cluster=cluster, service=name, forceNewDeployment=True)
