# The smoke of a new revision: a hook of the deployment starts the harness as a task inside the VPC.

locals {
  # The name of the load balancer is public; its test ports are open only to the addresses of the NAT gateways, from which the smoke comes.
  test_urls = { for name, port in local.test_ports : name => "http://${aws_lb.balancer.dns_name}:${port}" }
}

resource "aws_ecs_task_definition" "smoke" {
  family                   = "${var.name}-smoke"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution.arn
  runtime_platform {
    cpu_architecture        = "ARM64"
    operating_system_family = "LINUX"
  }
  volume { name = "work" }
  container_definitions = jsonencode([
    {
      # The harness sends load only to loopback and to the hosts that its settings name.
      name             = "settings"
      image            = "public.ecr.aws/docker/library/busybox:1.37"
      essential        = false
      command          = ["sh", "-c", "printf '[reach]\\nhosts = [\"%s\"]\\n' '${aws_lb.balancer.dns_name}' >/work/harness.toml && chown -R 65532:65532 /work"]
      mountPoints      = [{ sourceVolume = "work", containerPath = "/work" }]
      logConfiguration = local.smoke_log
    },
    {
      name                   = "smoke"
      image                  = "${var.registry}/mcp-harness:${var.release}"
      essential              = true
      readonlyRootFilesystem = true
      dependsOn              = [{ containerName = "settings", condition = "SUCCESS" }]
      command                = concat(["gate", "--profile", "smoke"], flatten([for name, url in local.test_urls : ["--url", "${name}=${url}"]]))
      mountPoints            = [{ sourceVolume = "work", containerPath = "/work" }]
      secrets                = [{ name = "JWT_SECRET", valueFrom = "${aws_secretsmanager_secret.keys.arn}:JWT_SECRET::" }]
      logConfiguration       = local.smoke_log
    },
  ])
}

locals {
  smoke_log = {
    logDriver = "awslogs"
    options   = { awslogs-group = aws_cloudwatch_log_group.services["smoke"].name, awslogs-region = data.aws_region.here.region, awslogs-stream-prefix = "task" }
  }
}

data "archive_file" "smoke" {
  type        = "zip"
  source_file = "${path.module}/functions/smoke.py"
  output_path = "${path.root}/.terraform/smoke.zip"
}

resource "aws_lambda_function" "smoke" {
  #checkov:skip=CKV_AWS_116:ECS sees its error and rolls back
  #checkov:skip=CKV_AWS_117:it calls only APIs of AWS
  #checkov:skip=CKV_AWS_173:its variables are names and no secret
  #checkov:skip=CKV_AWS_272:the code is in this repository, and only the role that applies Terraform can change it
  function_name                  = "${var.name}-smoke"
  role                           = aws_iam_role.smoke.arn
  runtime                        = "python3.13"
  handler                        = "smoke.handler"
  filename                       = data.archive_file.smoke.output_path
  source_code_hash               = data.archive_file.smoke.output_base64sha256
  timeout                        = 60
  reserved_concurrent_executions = 4
  environment {
    variables = {
      CLUSTER = aws_ecs_cluster.cluster.name
      TASK    = aws_ecs_task_definition.smoke.arn
      SUBNETS = join(",", var.private_subnets)
      GROUP   = aws_security_group.smoke.id
    }
  }
  tracing_config { mode = "PassThrough" }
}
