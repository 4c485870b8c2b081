# Who may reach whom: clients the load balancer, the load balancer and the other services the services, the services Valkey.

resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-balancer-"
  description = "Clients of the load balancer"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id = aws_security_group.balancer.id
  description       = "HTTPS from clients"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
}

# Only the smoke calls the test listeners. The balancer has public addresses, so the calls leave the VPC by the NAT gateway and come back from its address: a
# rule that names the group of the smoke would match none of them. No client outside of the VPC has that address.
resource "aws_vpc_security_group_ingress_rule" "smoke" {
  for_each          = { for pair in setproduct(keys(local.test_ports), var.nat_addresses) : "${pair[0]} ${pair[1]}" => { port = local.test_ports[pair[0]], address = pair[1] } }
  security_group_id = aws_security_group.balancer.id
  description       = "Smoke of ${each.key}"
  cidr_ipv4         = each.value.address
  from_port         = each.value.port
  to_port           = each.value.port
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  for_each                     = local.services
  security_group_id            = aws_security_group.balancer.id
  description                  = "To ${each.key}"
  referenced_security_group_id = aws_security_group.services.id
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
}

resource "aws_security_group" "services" {
  name_prefix = "${var.name}-services-"
  description = "The four services"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "balancer_to_services" {
  for_each                     = local.services
  security_group_id            = aws_security_group.services.id
  description                  = "From the load balancer to ${each.key}"
  referenced_security_group_id = aws_security_group.balancer.id
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "peers" {
  for_each                     = local.services
  security_group_id            = aws_security_group.services.id
  description                  = "From the other services to ${each.key}"
  referenced_security_group_id = aws_security_group.services.id
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "peers" {
  for_each                     = local.services
  security_group_id            = aws_security_group.services.id
  description                  = "To ${each.key}"
  referenced_security_group_id = aws_security_group.services.id
  from_port                    = each.value.port
  to_port                      = each.value.port
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "redis" {
  security_group_id            = aws_security_group.services.id
  description                  = "To Valkey"
  referenced_security_group_id = aws_security_group.redis.id
  from_port                    = 6379
  to_port                      = 6380
  ip_protocol                  = "tcp"
}

# Images, logs, secrets, an identity provider and a model are outside of the VPC, at addresses that change.
#trivy:ignore:AVD-AWS-0104
resource "aws_vpc_security_group_egress_rule" "services" {
  security_group_id = aws_security_group.services.id
  description       = "To the APIs of AWS, an identity provider and a model"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
}

resource "aws_security_group" "redis" {
  name_prefix = "${var.name}-redis-"
  description = "Valkey"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  security_group_id            = aws_security_group.redis.id
  description                  = "From the services"
  referenced_security_group_id = aws_security_group.services.id
  from_port                    = 6379
  to_port                      = 6380
  ip_protocol                  = "tcp"
}

resource "aws_security_group" "smoke" {
  name_prefix = "${var.name}-smoke-"
  description = "The task that tests a new revision"
  vpc_id      = var.vpc_id
}

# The addresses of the load balancer and of the APIs of AWS change.
#trivy:ignore:AVD-AWS-0104
resource "aws_vpc_security_group_egress_rule" "smoke" {
  for_each          = merge(local.test_ports, { aws = 443 })
  security_group_id = aws_security_group.smoke.id
  description       = "To the test listeners and the APIs of AWS"
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = each.value
  to_port           = each.value
  ip_protocol       = "tcp"
}
