# What differs between the environments.

variable "name" {
  description = "Name of the environment, which begins the name of every resource."
  type        = string
}

variable "release" {
  description = "Tag of the images of the first deployment. Later ones are made by infra/deploy/ecs."
  type        = string
}

variable "registry" {
  description = "Registry with the images mcp-memory, mcp-guardrails, mcp-patterns, mcp-orchestrator and mcp-harness."
  type        = string
}

variable "vpc_id" {
  type = string
}

variable "public_subnets" {
  description = "Subnets of the load balancer, in at least two zones."
  type        = list(string)
}

variable "private_subnets" {
  description = "Subnets of the tasks. The first one has the machine with the data."
  type        = list(string)
}

variable "nat_addresses" {
  description = "Public addresses of the NAT gateways of the private subnets, such as 203.0.113.7/32. The smoke reaches the test listeners from them."
  type        = list(string)
}

variable "domain" {
  description = "Host name of the clients, such as mcp.example.com."
  type        = string
}

variable "zone_id" {
  description = "Hosted zone of the domain, in which the certificate is validated."
  type        = string
}

variable "data_instance_type" {
  description = "Machine of the three services with a database. It needs trunked interfaces for six tasks."
  type        = string
}

variable "data_disk_gib" {
  type = number
}

variable "guardrails_tasks" {
  description = "Least and largest number of tasks of guardrails, the only service without data."
  type        = object({ least = number, most = number })
}

variable "bake_minutes" {
  description = "Time for which the old revision keeps running after all traffic has moved."
  type        = number
}

variable "night" {
  description = "True if everything stops at night and on weekends."
  type        = bool
}

variable "collector_image" {
  description = "Image of the AWS distribution of the OpenTelemetry collector, which runs beside each service and sends its traces to X-Ray. Empty: no traces."
  type        = string
}

variable "faults" {
  description = "True if the environment has experiments of AWS FIS."
  type        = bool
}

variable "monthly_budget_usd" {
  type = number
}

variable "alarm_email" {
  description = "Address that gets the alarms and the budget."
  type        = string
}

variable "repository" {
  description = "Repository on GitHub whose jobs may deploy, such as example/mcp."
  type        = string
}
