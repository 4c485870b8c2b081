# The services as the code has them. infra/mcp/check compares ports, limits, paths and variables with the compose file and the contracts.

locals {
  services = {
    memory = { port = 7420, cpu = 256, memory = 512, store = true }
    # The smallest task of Fargate.
    guardrails   = { port = 7421, cpu = 256, memory = 512, store = false }
    patterns     = { port = 7422, cpu = 512, memory = 256, store = true }
    orchestrator = { port = 7410, cpu = 512, memory = 256, store = true }
  }

  # The test listener of a service.
  test_ports = { for name, service in local.services : name => service.port + 10000 }

  settings = {
    APP_ENV              = "production"
    REDIS_URL            = "rediss://${aws_elasticache_serverless_cache.redis.endpoint[0].address}:${aws_elasticache_serverless_cache.redis.endpoint[0].port}"
    RATE_LIMIT_INSTANCES = "2"
    LOG_DIR              = ""
    DRAIN_NOTICE_MS      = "6000"
    PUBLIC_URL           = "https://${var.domain}"
    MCP_MEMORY_URL       = "http://memory:7420"
    MCP_GUARDRAILS_URL   = "http://guardrails:7421"
    MCP_PATTERNS_URL     = "http://patterns:7422"
  }

  # Each is a field of one secret, so that a step of a rotation changes all of them at once. An empty one counts as not set.
  secrets = ["JWT_SECRET", "JWT_SECRET_NEXT", "JWT_SECRET_PREVIOUS", "JWT_SECRET_SINCE", "METRICS_TOKEN"]
}
