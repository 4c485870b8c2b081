# What differs between accounts. The values are in a file `terraform.tfvars`, which is no part of the repository.

variable "region" {
  type = string
}

variable "release" {
  type = string
}

variable "registry" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "public_subnets" {
  type = list(string)
}

variable "private_subnets" {
  type = list(string)
}

variable "nat_addresses" {
  type = list(string)
}

variable "domain" {
  type = string
}

variable "zone_id" {
  type = string
}

variable "alarm_email" {
  type = string
}

variable "repository" {
  type = string
}
