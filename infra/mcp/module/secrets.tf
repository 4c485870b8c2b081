# The keys, in one secret that one key of KMS encrypts. Terraform creates it with a random key and never sees the later ones.

resource "aws_kms_key" "key" {
  description             = "Secrets, logs and alarms of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.here.account_id}:root" }, Action = "kms:*", Resource = "*" },
      {
        Effect    = "Allow", Principal = { Service = "logs.${data.aws_region.here.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"], Resource = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${data.aws_region.here.region}:${data.aws_caller_identity.here.account_id}:log-group:/${var.name}/*" } }
      },
      {
        Effect    = "Allow", Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"], Resource = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.here.account_id } }
      },
    ]
  })
}

resource "aws_secretsmanager_secret" "keys" {
  #checkov:skip=CKV2_AWS_57:a rotation has three steps with restarts between them; the schedules below make them
  name_prefix = "${var.name}-keys-"
  kms_key_id  = aws_kms_key.key.arn
}

ephemeral "aws_secretsmanager_random_password" "key" {
  password_length     = 64
  exclude_punctuation = true
}

# Written once: the version changes only if this number does.
resource "aws_secretsmanager_secret_version" "keys" {
  secret_id = aws_secretsmanager_secret.keys.id
  secret_string_wo = jsonencode({
    JWT_SECRET          = ephemeral.aws_secretsmanager_random_password.key.random_password
    JWT_SECRET_NEXT     = ""
    JWT_SECRET_PREVIOUS = ""
    JWT_SECRET_SINCE    = ""
    METRICS_TOKEN       = ""
  })
  secret_string_wo_version = 1
  lifecycle { ignore_changes = [secret_string_wo, secret_string_wo_version] }
}

# The three steps of a rotation, on the first Monday of a quarter, three hours apart: a token lives at most one hour, and a restart of four services less.
locals {
  steps = { next = "9", sign = "12", forget = "15" }
}

data "archive_file" "rotate" {
  type        = "zip"
  source_file = "${path.module}/functions/rotate.py"
  output_path = "${path.root}/.terraform/rotate.zip"
}

resource "aws_lambda_function" "rotate" {
  #checkov:skip=CKV_AWS_116:an alarm reports each error, and a lost step is made by hand
  #checkov:skip=CKV_AWS_117:it calls only APIs of AWS
  #checkov:skip=CKV_AWS_173:its variables are names and no secret
  #checkov:skip=CKV_AWS_272:the code is in this repository, and only the role that applies Terraform can change it
  function_name                  = "${var.name}-rotate"
  role                           = aws_iam_role.rotate.arn
  runtime                        = "python3.13"
  handler                        = "rotate.handler"
  filename                       = data.archive_file.rotate.output_path
  source_code_hash               = data.archive_file.rotate.output_base64sha256
  timeout                        = 60
  reserved_concurrent_executions = 1
  environment { variables = { SECRET = aws_secretsmanager_secret.keys.arn, CLUSTER = aws_ecs_cluster.cluster.name } }
  tracing_config { mode = "PassThrough" }
}

resource "aws_scheduler_schedule" "rotate" {
  #checkov:skip=CKV_AWS_297:its input is the name of a step
  for_each            = local.steps
  name                = "${var.name}-rotate-${each.key}"
  schedule_expression = "cron(0 ${each.value} ? 1,4,7,10 MON#1 *)"
  flexible_time_window { mode = "OFF" }
  target {
    arn      = aws_lambda_function.rotate.arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({ step = each.key })
  }
}
