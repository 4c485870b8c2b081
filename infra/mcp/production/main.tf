# The stack of the customers.

terraform {
  # The bucket, the key and the region are given to `terraform init`.
  backend "s3" {
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags { tags = { Environment = "production" } }
}

module "mcp" {
  source             = "../module"
  name               = "production"
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
  data_disk_gib      = 50
  guardrails_tasks   = { least = 2, most = 8 }
  bake_minutes       = 30
  night              = false
  collector_image    = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
  faults             = false
  monthly_budget_usd = 300
}

output "deploy_role" {
  value = module.mcp.deploy_role
}
