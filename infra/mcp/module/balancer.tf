# The load balancer: TLS, a path for each service, and a test listener for each service. ECS moves the weights between the two target groups of a service.

resource "aws_acm_certificate" "domain" {
  domain_name       = var.domain
  validation_method = "DNS"
  lifecycle { create_before_destroy = true }
}

resource "aws_route53_record" "validation" {
  for_each = { for option in aws_acm_certificate.domain.domain_validation_options : option.domain_name => option }
  zone_id  = var.zone_id
  name     = each.value.resource_record_name
  type     = each.value.resource_record_type
  records  = [each.value.resource_record_value]
  ttl      = 60
}

resource "aws_acm_certificate_validation" "domain" {
  certificate_arn         = aws_acm_certificate.domain.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_route53_record" "domain" {
  zone_id = var.zone_id
  name    = var.domain
  type    = "A"
  alias {
    name                   = aws_lb.balancer.dns_name
    zone_id                = aws_lb.balancer.zone_id
    evaluate_target_health = true
  }
}

# It is for clients outside of the VPC.
#trivy:ignore:AVD-AWS-0053
resource "aws_lb" "balancer" {
  #checkov:skip=CKV_AWS_150:on in production; staging can be destroyed
  #checkov:skip=CKV_AWS_91:the services log each call with its user, and count each denied one; the logs of the balancer would add addresses of people
  #checkov:skip=CKV2_AWS_28:the services have their own limits and bounds and refuse calls without a token; a team that wants a firewall adds it
  #checkov:skip=CKV2_AWS_20:port 80 is not open, so that no token is sent in the clear
  name                       = var.name
  load_balancer_type         = "application"
  subnets                    = var.public_subnets
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = !var.night
  # Shorter than KEEP_ALIVE_MS of the services, so that no request is sent on a connection that they have closed.
  idle_timeout = 60
}

locals {
  groups = { for pair in setproduct(keys(local.services), ["blue", "green"]) : "${pair[0]}-${pair[1]}" => { service = pair[0], slot = pair[1] } }
}

resource "aws_lb_target_group" "service" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; the services do not terminate it, and only the balancer and peers reach them
  for_each             = local.groups
  name                 = "${var.name}-${each.key}"
  port                 = local.services[each.value.service].port
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 10
  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "clients" {
  load_balancer_arn = aws_lb.balancer.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.domain.certificate_arn
  # Everything but the paths of the services stays inside: readiness and metrics too.
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "clients" {
  for_each     = local.services
  listener_arn = aws_lb_listener.clients.arn
  priority     = each.value.port
  condition {
    path_pattern {
      values = ["/mcp/${each.key}", "/mcp/${each.key}/", "/.well-known/oauth-protected-resource/mcp/${each.key}"]
    }
  }
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.service["${each.key}-blue"].arn
        weight = 100
      }
      target_group {
        arn    = aws_lb_target_group.service["${each.key}-green"].arn
        weight = 0
      }
    }
  }
  # ECS moves the weights.
  lifecycle { ignore_changes = [action] }
}

# Only the smoke reaches it, with tokens of organisations that have no data.
#trivy:ignore:AVD-AWS-0054
resource "aws_lb_listener" "test" {
  #checkov:skip=CKV_AWS_2:no client reaches it: module/network.tf opens the port for the smoke alone
  #checkov:skip=CKV_AWS_103:as above
  for_each          = local.test_ports
  load_balancer_arn = aws_lb.balancer.arn
  port              = each.value
  protocol          = "HTTP"
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "test" {
  for_each     = local.services
  listener_arn = aws_lb_listener.test[each.key].arn
  priority     = 1
  # The smoke also asks for /version and /readyz.
  condition {
    path_pattern {
      values = ["/*"]
    }
  }
  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.service["${each.key}-blue"].arn
        weight = 100
      }
      target_group {
        arn    = aws_lb_target_group.service["${each.key}-green"].arn
        weight = 0
      }
    }
  }
  lifecycle { ignore_changes = [action] }
}
