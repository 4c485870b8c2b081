# Alarms that roll a deployment back, and those that a person gets. The alerts of the services themselves are in infra/observe/alerts.yml.

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
  # The key of AWS would not let CloudWatch publish: no alarm would reach anyone.
  kms_master_key_id = aws_kms_key.key.arn
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

# Both revisions count: while the traffic moves, the failures of the new one are in the sum.
resource "aws_cloudwatch_metric_alarm" "failed" {
  for_each            = local.services
  alarm_name          = "${var.name}-${each.key}-failed"
  alarm_description   = "More than 5 % of the calls of ${each.key} fail"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  metric_query {
    id          = "share"
    expression  = "IF(blue_all + green_all >= 20, 100 * (blue + green) / (blue_all + green_all), 0)"
    label       = "share of failed calls"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { for pair in setproduct(["blue", "green"], ["", "_all"]) : "${pair[0]}${pair[1]}" => { slot = pair[0], metric = pair[1] == "" ? "HTTPCode_Target_5XX_Count" : "RequestCount" } }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value.metric
        period      = 60
        stat        = "Sum"
        dimensions = {
          LoadBalancer = aws_lb.balancer.arn_suffix
          TargetGroup  = aws_lb_target_group.service["${each.key}-${metric_query.value.slot}"].arn_suffix
        }
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "slow" {
  for_each            = local.services
  alarm_name          = "${var.name}-${each.key}-slow"
  alarm_description   = "The 99th percentile of ${each.key} is above 2 s"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 2
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  metric_query {
    id          = "slowest"
    expression  = "MAX([blue, green])"
    label       = "slower of the two revisions"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = toset(["blue", "green"])
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = "TargetResponseTime"
        period      = 60
        stat        = "p99"
        dimensions = {
          LoadBalancer = aws_lb.balancer.arn_suffix
          TargetGroup  = aws_lb_target_group.service["${each.key}-${metric_query.key}"].arn_suffix
        }
      }
    }
  }
}

# Far more or far fewer calls than at this hour of the last weeks.
resource "aws_cloudwatch_metric_alarm" "unusual" {
  alarm_name          = "${var.name}-unusual-traffic"
  alarm_description   = "The number of calls is outside of its usual band"
  comparison_operator = "LessThanLowerOrGreaterThanUpperThreshold"
  threshold_metric_id = "band"
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  metric_query {
    id          = "band"
    expression  = "ANOMALY_DETECTION_BAND(calls, 3)"
    label       = "usual number of calls"
    return_data = true
  }
  metric_query {
    id          = "calls"
    return_data = true
    metric {
      namespace   = "AWS/ApplicationELB"
      metric_name = "RequestCount"
      period      = 300
      stat        = "Sum"
      dimensions  = { LoadBalancer = aws_lb.balancer.arn_suffix }
    }
  }
}

# A step that was refused waits for a person: the log of the function has the reason.
resource "aws_cloudwatch_metric_alarm" "rotate" {
  alarm_name          = "${var.name}-rotation"
  alarm_description   = "A step of the rotation of the key was refused"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.rotate.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# ACM renews by itself; below 30 days it has failed to.
resource "aws_cloudwatch_metric_alarm" "certificate" {
  alarm_name          = "${var.name}-certificate"
  alarm_description   = "The certificate of ${var.domain} expires in less than 30 days"
  namespace           = "AWS/CertificateManager"
  metric_name         = "DaysToExpiry"
  dimensions          = { CertificateArn = aws_acm_certificate.domain.arn }
  statistic           = "Minimum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 30
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_budgets_budget" "month" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = [var.alarm_email]
    }
  }
}
