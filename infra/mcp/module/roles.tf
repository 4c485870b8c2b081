# Who may do what. Each role has one purpose, and no user has a key that lasts.

locals {
  account = data.aws_caller_identity.here.account_id
  region  = data.aws_region.here.region
  assumed_by = { for name, service in {
    execution = "ecs-tasks", task = "ecs-tasks", data = "ec2", traffic = "ecs", hook = "ecs", smoke = "lambda", rotate = "lambda", schedule = "scheduler", snapshots = "dlm", faults = "fis"
    } : name => jsonencode({
      Version   = "2012-10-17"
      Statement = [{ Effect = "Allow", Principal = { Service = "${service}.amazonaws.com" }, Action = "sts:AssumeRole" }]
  }) }
}

# Starts tasks: pulls images, reads the keys, writes logs.
resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-execution-"
  assume_role_policy = local.assumed_by.execution
}

resource "aws_iam_role_policy" "execution" {
  role = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = "*" },
    { Effect = "Allow", Action = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"], Resource = "arn:aws:ecr:${local.region}:${local.account}:repository/mcp-*" },
    { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = [for group in aws_cloudwatch_log_group.services : "${group.arn}:*"] },
    { Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = aws_secretsmanager_secret.keys.arn },
    { Effect = "Allow", Action = ["kms:Decrypt"], Resource = aws_kms_key.key.arn },
  ] })
}

# The services themselves call no API of AWS; the collector beside them writes traces.
resource "aws_iam_role" "task" {
  name_prefix        = "${var.name}-task-"
  assume_role_policy = local.assumed_by.task
}

resource "aws_iam_role_policy" "task" {
  #checkov:skip=CKV_AWS_355:X-Ray has no resource that a trace could be confined to
  #checkov:skip=CKV_AWS_290:as above
  count = var.collector_image == "" ? 0 : 1
  role  = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"], Resource = "*" },
  ] })
}

resource "aws_iam_role" "data" {
  name_prefix        = "${var.name}-data-"
  assume_role_policy = local.assumed_by.data
}

resource "aws_iam_role_policy_attachment" "data" {
  for_each   = toset(["service-role/AmazonEC2ContainerServiceforEC2Role", "AmazonSSMManagedInstanceCore"])
  role       = aws_iam_role.data.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

resource "aws_iam_role_policy" "data" {
  role = aws_iam_role.data.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["ec2:AttachVolume"], Resource = [aws_ebs_volume.data.arn, "arn:aws:ec2:${local.region}:${local.account}:instance/*"] },
  ] })
}

resource "aws_iam_instance_profile" "data" {
  name_prefix = "${var.name}-data-"
  role        = aws_iam_role.data.name
}

# Moves the weights of the listeners during a deployment.
resource "aws_iam_role" "traffic" {
  name_prefix        = "${var.name}-traffic-"
  assume_role_policy = local.assumed_by.traffic
}

resource "aws_iam_role_policy_attachment" "traffic" {
  role       = aws_iam_role.traffic.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
}

resource "aws_iam_role" "hook" {
  name_prefix        = "${var.name}-hook-"
  assume_role_policy = local.assumed_by.hook
}

resource "aws_iam_role_policy" "hook" {
  role   = aws_iam_role.hook.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = aws_lambda_function.smoke.arn }] })
}

resource "aws_iam_role" "smoke" {
  name_prefix        = "${var.name}-smoke-"
  assume_role_policy = local.assumed_by.smoke
}

resource "aws_iam_role_policy" "smoke" {
  role = aws_iam_role.smoke.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["ecs:RunTask"], Resource = "arn:aws:ecs:${local.region}:${local.account}:task-definition/${var.name}-smoke:*" },
    { Effect = "Allow", Action = ["ecs:ListTasks", "ecs:DescribeTasks"], Resource = "*", Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.cluster.arn } } },
    { Effect = "Allow", Action = ["iam:PassRole"], Resource = aws_iam_role.execution.arn },
    { Effect = "Allow", Action = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-smoke:*" },
  ] })
}

resource "aws_iam_role" "rotate" {
  name_prefix        = "${var.name}-rotate-"
  assume_role_policy = local.assumed_by.rotate
}

resource "aws_iam_role_policy" "rotate" {
  role = aws_iam_role.rotate.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], Resource = aws_secretsmanager_secret.keys.arn },
    { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = aws_kms_key.key.arn },
    { Effect = "Allow", Action = ["ecs:UpdateService", "ecs:ListServiceDeployments"], Resource = "arn:aws:ecs:${local.region}:${local.account}:service/${var.name}/*" },
    { Effect = "Allow", Action = ["ecs:ListTasks", "ecs:DescribeTasks"], Resource = "*", Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.cluster.arn } } },
    { Effect = "Allow", Action = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-rotate:*" },
  ] })
}

resource "aws_iam_role" "schedule" {
  name_prefix        = "${var.name}-schedule-"
  assume_role_policy = local.assumed_by.schedule
}

resource "aws_iam_role_policy" "schedule" {
  role   = aws_iam_role.schedule.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = aws_lambda_function.rotate.arn }] })
}

resource "aws_iam_role" "snapshots" {
  name_prefix        = "${var.name}-snapshots-"
  assume_role_policy = local.assumed_by.snapshots
}

resource "aws_iam_role_policy_attachment" "snapshots" {
  role       = aws_iam_role.snapshots.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
}

# The experiments of module/faults.tf: they stop tasks of this cluster and the machine of this environment.
resource "aws_iam_role" "faults" {
  count              = var.faults ? 1 : 0
  name_prefix        = "${var.name}-faults-"
  assume_role_policy = local.assumed_by.faults
}

resource "aws_iam_role_policy" "faults" {
  count = var.faults ? 1 : 0
  role  = aws_iam_role.faults[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["ecs:StopTask"], Resource = "arn:aws:ecs:${local.region}:${local.account}:task/${var.name}/*" },
    { Effect = "Allow", Action = ["ecs:ListTasks", "ecs:DescribeTasks"], Resource = "*", Condition = { ArnEquals = { "ecs:cluster" = aws_ecs_cluster.cluster.arn } } },
    { Effect = "Allow", Action = ["ec2:TerminateInstances"], Resource = "arn:aws:ec2:${local.region}:${local.account}:instance/*", Condition = { StringEquals = { "aws:ResourceTag/aws:autoscaling:groupName" = aws_autoscaling_group.data.name } } },
    { Effect = "Allow", Action = ["ec2:DescribeInstances", "tag:GetResources"], Resource = "*" },
    { Effect = "Allow", Action = ["cloudwatch:DescribeAlarms"], Resource = "arn:aws:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" },
  ] })
}

# The job that deploys, by the identity that GitHub signs for its environment. It may move services to new revisions, and nothing else.
data "aws_iam_openid_connect_provider" "github" {
  url = "https://token.actions.githubusercontent.com"
}

resource "aws_iam_role" "deploy" {
  name_prefix          = "${var.name}-deploy-"
  max_session_duration = 14400
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{
    Effect    = "Allow"
    Principal = { Federated = data.aws_iam_openid_connect_provider.github.arn }
    Action    = "sts:AssumeRoleWithWebIdentity"
    Condition = { StringEquals = {
      "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
      "token.actions.githubusercontent.com:sub" = "repo:${var.repository}:environment:${var.name}"
    } }
  }] })
}

resource "aws_iam_role_policy" "deploy" {
  role = aws_iam_role.deploy.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = ["ecs:DescribeServices", "ecs:UpdateService", "ecs:ListServiceDeployments"], Resource = "arn:aws:ecs:${local.region}:${local.account}:service/${var.name}/*" },
    { Effect = "Allow", Action = ["ecs:DescribeServiceRevisions"], Resource = "arn:aws:ecs:${local.region}:${local.account}:service-revision/${var.name}/*" },
    { Effect = "Allow", Action = ["ecs:StopServiceDeployment"], Resource = "arn:aws:ecs:${local.region}:${local.account}:service-deployment/${var.name}/*" },
    # These two actions know no resource.
    { Effect = "Allow", Action = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"], Resource = "*" },
    { Effect = "Allow", Action = ["iam:PassRole"], Resource = [aws_iam_role.execution.arn, aws_iam_role.task.arn], Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } } },
    { Effect = "Allow", Action = ["ecr:DescribeImages"], Resource = "arn:aws:ecr:${local.region}:${local.account}:repository/mcp-*" },
    { Effect = "Allow", Action = ["secretsmanager:DescribeSecret"], Resource = aws_secretsmanager_secret.keys.arn },
  ] })
}

output "deploy_role" {
  description = "Value of AWS_ROLE in the environment of GitHub."
  value       = aws_iam_role.deploy.arn
}
