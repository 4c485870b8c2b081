# Experiments of AWS FIS: the faults of the game day, where the stack really runs. Only staging has them, and a person starts each.
# They inject and heal; what must hold meanwhile is in chaos/experiments, under the same names. Start the load of a harness beside them.

locals {
  # What is stopped, and for which experiment of the catalogue. ECS starts a stopped task again.
  stopped_tasks = {
    guardrail-kill    = { service = "guardrails", about = "Every task of guardrails is stopped" }
    memory-kill       = { service = "memory", about = "The task of memory is stopped" }
    patterns-kill     = { service = "patterns", about = "The task of patterns is stopped" }
    orchestrator-kill = { service = "orchestrator", about = "The task of the orchestrator is stopped" }
  }
}

resource "aws_fis_experiment_template" "task" {
  for_each    = var.faults ? local.stopped_tasks : {}
  description = each.value.about
  role_arn    = aws_iam_role.faults[0].arn
  action {
    name      = "stop"
    action_id = "aws:ecs:stop-task"
    target {
      key   = "Tasks"
      value = "tasks"
    }
  }
  target {
    name           = "tasks"
    resource_type  = "aws:ecs:task"
    selection_mode = "ALL"
    parameters     = { cluster = aws_ecs_cluster.cluster.name, service = aws_ecs_service.service[each.value.service].name }
  }
  # A deployment that is going wrong is not the time for another fault.
  stop_condition {
    source = "aws:cloudwatch:alarm"
    value  = aws_cloudwatch_metric_alarm.failed[each.value.service].arn
  }
  tags = { Name = "${var.name}-${each.key}" }
}

# The machine loses its power: the three services and the disk move to another one.
resource "aws_fis_experiment_template" "machine" {
  count       = var.faults ? 1 : 0
  description = "The machine with the databases is terminated"
  role_arn    = aws_iam_role.faults[0].arn
  action {
    name      = "terminate"
    action_id = "aws:ec2:terminate-instances"
    target {
      key   = "Instances"
      value = "machine"
    }
  }
  target {
    name           = "machine"
    resource_type  = "aws:ec2:instance"
    selection_mode = "ALL"
    resource_tag {
      key   = "aws:autoscaling:groupName"
      value = aws_autoscaling_group.data.name
    }
  }
  stop_condition { source = "none" }
  tags = { Name = "${var.name}-power-loss" }
}
