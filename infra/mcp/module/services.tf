# The cluster and the four services. Guardrails keep no data and run on Fargate. The three services with a SQLite file run on the machine with the disk.

resource "aws_ecs_cluster" "cluster" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "cluster" {
  cluster_name       = aws_ecs_cluster.cluster.name
  capacity_providers = ["FARGATE", aws_ecs_capacity_provider.data.name]
}

# Each task of the machine has an interface of its own, and two revisions run at a time.
resource "aws_ecs_account_setting_default" "trunking" {
  name  = "awsvpcTrunking"
  value = "enabled"
}

resource "aws_service_discovery_http_namespace" "services" {
  name = var.name
}

resource "aws_cloudwatch_log_group" "services" {
  #checkov:skip=CKV_AWS_338:the lines have names of users; 30 days are enough to look into an incident
  for_each          = merge(local.services, { smoke = {} })
  name              = "/${var.name}/${each.key}"
  retention_in_days = 30
  kms_key_id        = aws_kms_key.key.arn
}

resource "aws_ecs_task_definition" "service" {
  for_each                 = local.services
  family                   = "${var.name}-${each.key}"
  network_mode             = "awsvpc"
  requires_compatibilities = [each.value.store ? "EC2" : "FARGATE"]
  # The sizes of Fargate are fixed, and that of guardrails has room for the collector. On the machine, three tasks and the second revision of one fit into 2048 units.
  cpu                = each.value.cpu + (each.value.store && var.collector_image != "" ? 32 : 0)
  memory             = each.value.memory + (each.value.store && var.collector_image != "" ? 128 : 0)
  execution_role_arn = aws_iam_role.execution.arn
  task_role_arn      = aws_iam_role.task.arn
  runtime_platform {
    cpu_architecture        = "ARM64"
    operating_system_family = "LINUX"
  }
  dynamic "volume" {
    for_each = each.value.store ? ["data"] : []
    content {
      name      = "data"
      host_path = "/mcp-data/${each.key}"
    }
  }
  container_definitions = jsonencode(concat([{
    name                   = each.key
    image                  = "${var.registry}/mcp-${each.key}:${var.release}"
    essential              = true
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = false }
    portMappings           = [{ name = each.key, containerPort = each.value.port, protocol = "tcp", appProtocol = "http" }]
    mountPoints            = each.value.store ? [{ sourceVolume = "data", containerPath = "/data", readOnly = false }] : []
    environment = [for name, value in merge(local.settings, {
      LISTEN_ADDR   = "0.0.0.0:${each.value.port}"
      ALLOWED_HOSTS = "${var.domain},${aws_lb.balancer.dns_name},${each.key}"
    }, each.value.store ? { DATABASE_URL = "sqlite:///data/${each.key}.db" } : {}, var.collector_image == "" ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318" }) : { name = name, value = value }]
    secrets     = [for name in local.secrets : { name = name, valueFrom = "${aws_secretsmanager_secret.keys.arn}:${name}::" }]
    healthCheck = { command = ["CMD", "/service", "healthcheck"], interval = 5, timeout = 3, retries = 3, startPeriod = 10 }
    # DRAIN_NOTICE_MS, DRAIN_DEADLINE_MS and three seconds.
    stopTimeout = 15
    logConfiguration = {
      logDriver = "awslogs"
      options   = { awslogs-group = aws_cloudwatch_log_group.services[each.key].name, awslogs-region = data.aws_region.here.region, awslogs-stream-prefix = "task" }
    }
    }], [for image in var.collector_image == "" ? [] : [var.collector_image] : {
    # Traces go to X-Ray. Without the collector the service goes on and drops them.
    name             = "collector"
    image            = image
    essential        = false
    command          = ["--config=/etc/ecs/ecs-default-config.yaml"]
    linuxParameters  = { capabilities = { drop = ["ALL"] }, initProcessEnabled = false }
    logConfiguration = { logDriver = "awslogs", options = { awslogs-group = aws_cloudwatch_log_group.services[each.key].name, awslogs-region = data.aws_region.here.region, awslogs-stream-prefix = "collector" } }
  }]))
}

data "aws_region" "here" {}

data "aws_caller_identity" "here" {}

resource "aws_ecs_service" "service" {
  for_each                          = local.services
  name                              = each.key
  cluster                           = aws_ecs_cluster.cluster.id
  task_definition                   = aws_ecs_task_definition.service[each.key].arn
  desired_count                     = each.value.store ? 1 : var.guardrails_tasks.least
  health_check_grace_period_seconds = 30
  propagate_tags                    = "SERVICE"
  enable_ecs_managed_tags           = true

  capacity_provider_strategy {
    capacity_provider = each.value.store ? aws_ecs_capacity_provider.data.name : "FARGATE"
    weight            = 1
  }
  network_configuration {
    subnets         = each.value.store ? [var.private_subnets[0]] : var.private_subnets
    security_groups = [aws_security_group.services.id]
  }
  service_connect_configuration {
    enabled   = true
    namespace = aws_service_discovery_http_namespace.services.arn
    service {
      port_name = each.key
      client_alias {
        port     = each.value.port
        dns_name = each.key
      }
    }
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.service["${each.key}-blue"].arn
    container_name   = each.key
    container_port   = each.value.port
    advanced_configuration {
      alternate_target_group_arn = aws_lb_target_group.service["${each.key}-green"].arn
      production_listener_rule   = aws_lb_listener_rule.clients[each.key].arn
      test_listener_rule         = aws_lb_listener_rule.test[each.key].arn
      role_arn                   = aws_iam_role.traffic.arn
    }
  }
  deployment_controller { type = "ECS" }
  # Two revisions must run at the same time.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  deployment_configuration {
    # A store has one task of each revision, so a share of the traffic is a share of the calls. Both revisions use the same file, which is safe on one machine.
    strategy             = "CANARY"
    bake_time_in_minutes = var.bake_minutes
    canary_configuration {
      canary_percent              = 10
      canary_bake_time_in_minutes = 5
    }
    lifecycle_hook {
      hook_target_arn  = aws_lambda_function.smoke.arn
      role_arn         = aws_iam_role.hook.arn
      lifecycle_stages = ["POST_TEST_TRAFFIC_SHIFT"]
    }
  }
  alarms {
    alarm_names = [aws_cloudwatch_metric_alarm.failed[each.key].alarm_name, aws_cloudwatch_metric_alarm.slow[each.key].alarm_name]
    enable      = true
    rollback    = true
  }
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  # A rotation takes a task that is older than the keys for one that has not read them.
  depends_on = [aws_secretsmanager_secret_version.keys]
  # infra/deploy/ecs registers the revisions, and autoscaling sets the count.
  lifecycle { ignore_changes = [task_definition, desired_count] }
}

# The smallest number first: one more task at 60 % of its CPU or 75 % of its memory.
resource "aws_appautoscaling_target" "guardrails" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.cluster.name}/${aws_ecs_service.service["guardrails"].name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.guardrails_tasks.least
  max_capacity       = var.guardrails_tasks.most
}

resource "aws_appautoscaling_policy" "guardrails" {
  for_each           = { cpu = { metric = "ECSServiceAverageCPUUtilization", target = 60 }, memory = { metric = "ECSServiceAverageMemoryUtilization", target = 75 } }
  name               = each.key
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.guardrails.service_namespace
  resource_id        = aws_appautoscaling_target.guardrails.resource_id
  scalable_dimension = aws_appautoscaling_target.guardrails.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value = each.value.target
    predefined_metric_specification { predefined_metric_type = each.value.metric }
  }
}

# Staging sleeps from 19:00 to 7:00 UTC and on weekends. The machine stops, and the disk stays.
resource "aws_appautoscaling_scheduled_action" "guardrails" {
  for_each           = var.night ? { down = { at = "cron(0 19 ? * MON-FRI *)", least = 0, most = 0 }, up = { at = "cron(0 7 ? * MON-FRI *)", least = var.guardrails_tasks.least, most = var.guardrails_tasks.most } } : {}
  name               = each.key
  service_namespace  = aws_appautoscaling_target.guardrails.service_namespace
  resource_id        = aws_appautoscaling_target.guardrails.resource_id
  scalable_dimension = aws_appautoscaling_target.guardrails.scalable_dimension
  schedule           = each.value.at
  scalable_target_action {
    min_capacity = each.value.least
    max_capacity = each.value.most
  }
}

resource "aws_autoscaling_schedule" "data" {
  for_each               = var.night ? { down = { at = "0 19 * * MON-FRI", count = 0 }, up = { at = "0 7 * * MON-FRI", count = 1 } } : {}
  scheduled_action_name  = each.key
  autoscaling_group_name = aws_autoscaling_group.data.name
  recurrence             = each.value.at
  min_size               = each.value.count
  max_size               = 1
  desired_capacity       = each.value.count
}
