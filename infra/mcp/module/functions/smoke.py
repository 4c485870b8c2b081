"""Hook of a deployment: runs `harness gate --profile smoke` as a task on the test listeners, and lets ECS go on only if it passes.

ECS calls the hook again until it answers with something else than IN_PROGRESS. The task is found again by the mark of its deployment."""

import hashlib
import os

# A task that ECS could not start has no exit code.
PASSED = 0


def mark(event):
    """Returns a mark of the revision that is tested, short enough for `startedBy`."""
    revision = event["executionDetails"]["targetServiceRevisionArn"]
    return "smoke-" + hashlib.sha256(revision.encode()).hexdigest()[:24]


def verdict(task):
    """Returns the answer of the hook for a task as ECS describes it; `None` is no task."""
    if task is None or task["lastStatus"] != "STOPPED":
        return "IN_PROGRESS"
    codes = [container.get("exitCode") for container in task["containers"] if container["name"] == "smoke"]
    return "SUCCEEDED" if codes == [PASSED] else "FAILED"


def handler(event, _context):
    import boto3  # the runtime has it; the tests do not need it

    ecs, cluster, started_by = boto3.client("ecs"), os.environ["CLUSTER"], mark(event)
    arns = [arn for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_tasks(cluster=cluster, startedBy=started_by, desiredStatus=status)["taskArns"]]
    task = ecs.describe_tasks(cluster=cluster, tasks=arns[:1])["tasks"][0] if arns else None
    if task is None:
        ecs.run_task(
            cluster=cluster, taskDefinition=os.environ["TASK"], launchType="FARGATE", startedBy=started_by,
            # The same call twice starts one task.
            clientToken=started_by,
            networkConfiguration={"awsvpcConfiguration": {"subnets": os.environ["SUBNETS"].split(","), "securityGroups": [os.environ["GROUP"]]}},
        )
    return {"hookStatus": verdict(task), "callBackDelay": 10}
