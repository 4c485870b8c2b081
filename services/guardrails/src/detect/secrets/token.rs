//! Tokens that their providers mark with a prefix: a table of what follows the prefix. A token that looks drawn by hand is an example.

use super::Secret;
use super::entropy::bits;
use crate::detect::near::{byte, window};
use mcp_contracts::guardrails::Severity::{self, Critical, High};

/// Longest token, in bytes.
const MAX_BYTES: usize = 400;
/// Least bits per byte of what follows a prefix.
const MIN_BITS: f64 = 2.7;

/// Which characters follow a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signs {
    Hex,
    Upper,
    Alnum,
    Word,
    /// Letters, digits, `-`, `_`.
    Url,
    /// The same and `.`.
    Dotted,
    /// The alphabet of base64.
    Base64,
}

impl Signs {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
        }
    }
}

/// A kind of token.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) prefix: &'static str,
    kind: &'static str,
    severity: Severity,
    signs: Signs,
    least: usize,
    most: usize,
}

const fn token(
    prefix: &'static str,
    kind: &'static str,
    severity: Severity,
    signs: Signs,
    (least, most): (usize, usize),
) -> Token {
    Token { prefix, kind, severity, signs, least, most }
}

/// The kinds of token.
pub(super) const TOKENS: [Token; 70] = [
    token("AKIA", "aws_access_key", Critical, Signs::Upper, (16, 16)),
    token("ASIA", "aws_access_key", Critical, Signs::Upper, (16, 16)),
    token("ABIA", "aws_access_key", Critical, Signs::Upper, (16, 16)),
    token("AIza", "google_api_key", Critical, Signs::Url, (35, 35)),
    token("GOCSPX-", "google_oauth_secret", Critical, Signs::Url, (24, 32)),
    token("ya29.", "google_oauth_token", Critical, Signs::Url, (40, 300)),
    token("AccountKey=", "azure_storage_key", Critical, Signs::Base64, (80, 90)),
    token("SharedAccessKey=", "azure_access_key", Critical, Signs::Base64, (40, 90)),
    token("LTAI", "alibaba_access_key", Critical, Signs::Alnum, (16, 20)),
    token("dop_v1_", "digitalocean_token", Critical, Signs::Hex, (64, 64)),
    token("hvs.", "vault_token", Critical, Signs::Url, (24, 120)),
    token("hvb.", "vault_token", Critical, Signs::Url, (24, 200)),
    token("ghp_", "github_token", Critical, Signs::Alnum, (36, 40)),
    token("gho_", "github_token", Critical, Signs::Alnum, (36, 40)),
    token("ghu_", "github_token", Critical, Signs::Alnum, (36, 40)),
    token("ghs_", "github_token", Critical, Signs::Alnum, (36, 40)),
    token("ghr_", "github_token", Critical, Signs::Alnum, (36, 80)),
    token("github_pat_", "github_token", Critical, Signs::Word, (60, 90)),
    token("glpat-", "gitlab_token", Critical, Signs::Dotted, (20, 60)),
    token("gldt-", "gitlab_token", Critical, Signs::Url, (20, 30)),
    token("glrt-", "gitlab_token", Critical, Signs::Dotted, (20, 60)),
    token("glcbt-", "gitlab_token", Critical, Signs::Url, (20, 60)),
    token("ATBB", "bitbucket_token", Critical, Signs::Alnum, (30, 34)),
    token("ATATT3", "atlassian_token", Critical, Signs::Url, (60, 220)),
    token("npm_", "npm_token", Critical, Signs::Alnum, (36, 36)),
    token("pypi-AgEI", "pypi_token", Critical, Signs::Url, (50, 300)),
    token("rubygems_", "rubygems_token", Critical, Signs::Hex, (48, 48)),
    token("dckr_pat_", "docker_token", Critical, Signs::Url, (27, 36)),
    token("cio", "crates_token", Critical, Signs::Alnum, (32, 32)),
    token("xoxb-", "slack_token", Critical, Signs::Url, (24, 90)),
    token("xoxp-", "slack_token", Critical, Signs::Url, (24, 100)),
    token("xoxa-", "slack_token", Critical, Signs::Url, (24, 100)),
    token("xoxs-", "slack_token", Critical, Signs::Url, (24, 100)),
    token("xoxe-", "slack_token", Critical, Signs::Url, (24, 160)),
    token("xapp-", "slack_token", Critical, Signs::Url, (24, 120)),
    token("hooks.slack.com/services/T", "slack_webhook", High, Signs::Base64, (30, 60)),
    token("discord.com/api/webhooks/", "discord_webhook", High, Signs::Base64, (18, 130)),
    token("sk_live_", "stripe_key", Critical, Signs::Alnum, (24, 110)),
    token("rk_live_", "stripe_key", Critical, Signs::Alnum, (24, 110)),
    token("sk_test_", "stripe_test_key", High, Signs::Alnum, (24, 110)),
    token("whsec_", "webhook_secret", Critical, Signs::Base64, (24, 90)),
    token("sq0csp-", "square_secret", Critical, Signs::Url, (40, 46)),
    token("EAAAE", "square_token", Critical, Signs::Url, (55, 64)),
    token("access_token$production$", "braintree_token", Critical, Signs::Word, (40, 60)),
    token("shpat_", "shopify_token", Critical, Signs::Hex, (32, 32)),
    token("shpss_", "shopify_token", Critical, Signs::Hex, (32, 32)),
    token("shpca_", "shopify_token", Critical, Signs::Hex, (32, 32)),
    token("SG.", "sendgrid_key", Critical, Signs::Dotted, (60, 70)),
    token("xkeysib-", "brevo_key", Critical, Signs::Url, (60, 90)),
    token("sk-ant-", "anthropic_key", Critical, Signs::Url, (40, 120)),
    token("sk-proj-", "openai_key", Critical, Signs::Url, (40, 180)),
    token("sk-", "api_key", Critical, Signs::Alnum, (32, 64)),
    token("hf_", "huggingface_token", Critical, Signs::Alnum, (34, 40)),
    token("gsk_", "groq_key", Critical, Signs::Alnum, (48, 56)),
    token("r8_", "replicate_token", Critical, Signs::Alnum, (37, 40)),
    token("glsa_", "grafana_token", Critical, Signs::Word, (38, 44)),
    token("glc_eyJ", "grafana_token", Critical, Signs::Base64, (40, 300)),
    token("NRAK-", "newrelic_key", Critical, Signs::Upper, (27, 27)),
    token("sntrys_", "sentry_token", Critical, Signs::Base64, (60, 300)),
    token("lin_api_", "linear_key", Critical, Signs::Alnum, (40, 40)),
    token("figd_", "figma_token", Critical, Signs::Url, (36, 50)),
    token("secret_", "notion_token", High, Signs::Alnum, (43, 43)),
    token("ntn_", "notion_token", High, Signs::Alnum, (40, 48)),
    token("dapi", "databricks_token", Critical, Signs::Hex, (32, 34)),
    token("dp.pt.", "doppler_token", Critical, Signs::Alnum, (40, 44)),
    token("pul-", "pulumi_token", Critical, Signs::Hex, (40, 40)),
    token("pscale_tkn_", "planetscale_token", Critical, Signs::Dotted, (32, 64)),
    token("tskey-auth-", "tailscale_key", Critical, Signs::Url, (24, 60)),
    token("AGE-SECRET-KEY-1", "age_key", Critical, Signs::Upper, (58, 58)),
    token("EZAK", "easypost_key", Critical, Signs::Alnum, (54, 54)),
];

/// Reads the token whose prefix is at `start`.
pub(super) fn read(text: &str, start: usize, token: &Token) -> Option<Secret> {
    let left = byte(text, start.checked_sub(1));
    let host = token.prefix.contains('/');
    if !host && (left.is_ascii_alphanumeric() || left == b'_' && !token.prefix.ends_with('=')) {
        return None;
    }
    let after = start + token.prefix.len();
    let body = window(text, after, MAX_BYTES);
    let mut length = body.bytes().take_while(|byte| token.signs.has(*byte)).count();
    // A full stop or a hyphen at the end belongs to the sentence.
    length = body[..length].trim_end_matches(['.', '-']).len();
    let right = byte(text, Some(after + length));
    let body = &body[..length];
    let fits = (token.least..=token.most).contains(&length) && !right.is_ascii_alphanumeric() && right != b'_';
    let real = bits(body) >= MIN_BITS
        && !super::placeholder::is_placeholder(body)
        && body.bytes().any(|byte| byte.is_ascii_digit());
    (fits && real).then_some(Secret { kind: token.kind, severity: token.severity, place: start..after + length })
}
