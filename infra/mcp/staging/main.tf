# The smallest sizes; everything stops at night and on weekends.

terraform {
  # The bucket, the key and the region are given to `terraform init`.
  backend "s3" {
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags { tags = { Environment = "staging" } }
}

module "mcp" {
  source             = "../module"
  name               = "staging"
  release            = var.release
  registry           = var.registry
  vpc_id             = var.vpc_id
  public_subnets     = var.public_subnets
  private_subnets    = var.private_subnets
  nat_addresses      = var.nat_addresses
  domain             = var.domain
  zone_id            = var.zone_id
  alarm_email        = var.alarm_email
  repository         = var.repository
  data_instance_type = "m6g.large"
  data_disk_gib      = 10
  guardrails_tasks   = { least = 1, most = 2 }
  bake_minutes       = 5
  night              = true
  collector_image    = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
  faults             = true
  monthly_budget_usd = 120
}

output "deploy_role" {
  value = module.mcp.deploy_role
}
