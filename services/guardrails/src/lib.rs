//! The guardrails service: rules as data, consulted before risky actions.
