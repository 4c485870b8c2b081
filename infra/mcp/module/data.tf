# Valkey for the quotas, and the machine with the databases.

resource "aws_elasticache_serverless_cache" "redis" {
  name               = var.name
  engine             = "valkey"
  security_group_ids = [aws_security_group.redis.id]
  subnet_ids         = var.private_subnets
  cache_usage_limits {
    data_storage {
      maximum = 1
      unit    = "GB"
    }
  }
}

# The disk outlives the machine and every task. A volume that ECS attaches to a task of a service is deleted with the task, so it cannot hold a database.
resource "aws_ebs_volume" "data" {
  #checkov:skip=CKV_AWS_189:the key of AWS encrypts it; with one of our own, a machine that replaces another one could not attach it without a grant
  availability_zone = data.aws_subnet.data.availability_zone
  size              = var.data_disk_gib
  type              = "gp3"
  encrypted         = true
  tags              = { Name = "${var.name}-data", Backup = var.name }
  lifecycle { prevent_destroy = true }
}

data "aws_subnet" "data" {
  id = var.private_subnets[0]
}

data "aws_ssm_parameter" "image" {
  name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id"
}

resource "aws_launch_template" "data" {
  name_prefix            = "${var.name}-data-"
  image_id               = data.aws_ssm_parameter.image.value
  instance_type          = var.data_instance_type
  vpc_security_group_ids = [aws_security_group.services.id]
  iam_instance_profile { arn = aws_iam_instance_profile.data.arn }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      encrypted   = true
      volume_size = 30
      volume_type = "gp3"
    }
  }
  user_data = base64encode(templatefile("${path.module}/data-machine.sh", { cluster = aws_ecs_cluster.cluster.name, volume = aws_ebs_volume.data.id }))
}

# Exactly one machine, in the zone of the disk. If it fails, another one starts and attaches the disk; the three services are down for these minutes.
resource "aws_autoscaling_group" "data" {
  name                = "${var.name}-data"
  min_size            = 1
  max_size            = 1
  vpc_zone_identifier = [var.private_subnets[0]]
  launch_template {
    id      = aws_launch_template.data.id
    version = "$Latest"
  }
  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }
}

resource "aws_ecs_capacity_provider" "data" {
  name = "${var.name}-data"
  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.data.arn
    managed_termination_protection = "DISABLED"
    managed_scaling { status = "DISABLED" }
  }
}

# Every hour; with `mcp-memory backup` beside it, because a snapshot of a running database is restored as after a power failure.
resource "aws_dlm_lifecycle_policy" "data" {
  description        = "Snapshots of the databases of ${var.name}"
  execution_role_arn = aws_iam_role.snapshots.arn
  state              = "ENABLED"
  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { Backup = var.name }
    schedule {
      name = "hourly"
      create_rule {
        interval      = 1
        interval_unit = "HOURS"
      }
      retain_rule { count = 48 }
    }
  }
}
