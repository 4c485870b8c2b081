//! The conditions of a selection as SQL. The number of different statements is small, because each connection keeps those that it has prepared.

use crate::store::{Selection, TagFilter};
use crate::tenant::Tenant;
use mcp_contracts::memory::TagMatch;
use tokio_postgres::types::ToSql;

type Value = Box<dyn ToSql + Sync + Send>;

/// An SQL condition on `memory m`, and its parameters.
pub(super) struct Condition {
    pub(super) sql: String,
    values: Vec<Value>,
    /// Number of the first parameter.
    first: usize,
}

impl Condition {
    /// Returns the conditions of a selection, each after an ` AND `. Their parameters are numbered from `first`.
    pub(super) fn of(selection: &Selection, tenant: &Tenant, first: usize) -> Self {
        let mut condition = Self { sql: String::new(), values: Vec::new(), first };
        if let Some(kind) = &selection.kind {
            condition.and("m.kind =", Box::new(kind.clone()));
        }
        if let Some(from) = selection.created_from {
            condition.and("m.created_us >=", Box::new(from));
        }
        if let Some(before) = selection.created_before {
            condition.and("m.created_us <", Box::new(before));
        }
        condition.and_tags(&selection.tags, tenant);
        condition
    }

    /// Returns the parameters of the statement: `before`, then those of the condition.
    pub(super) fn parameters<'a>(&'a self, before: &[&'a (dyn ToSql + Sync)]) -> Vec<&'a (dyn ToSql + Sync)> {
        let mut all = before.to_vec();
        all.extend(self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)));
        all
    }

    fn and(&mut self, comparison: &str, value: Value) {
        let parameter = self.parameter(value);
        self.sql.push_str(&format!(" AND {comparison} {parameter}"));
    }

    fn parameter(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.first + self.values.len() - 1)
    }

    fn and_tags(&mut self, filter: &TagFilter, tenant: &Tenant) {
        if filter.tags.is_empty() {
            return;
        }
        let (mut plain, mut users, mut known) = (Vec::new(), Vec::new(), Vec::new());
        // Tags of the service are not stored, so they are compared with that from which they follow.
        for tag in &filter.tags {
            match tag.split_once(':') {
                Some(("org", org)) => known.push(org == tenant.org()),
                Some(("workspace", workspace)) => known.push(workspace == tenant.workspace()),
                Some(("user", user)) => users.push(user.to_owned()),
                Some(_) | None => plain.push(tag.clone()),
            }
        }
        let (number, mut parts) = (plain.len() as i64, Vec::new());
        let has = "FROM memory_tag t WHERE t.scope = m.scope AND t.memory = m.sequence AND t.tag = ANY";
        match filter.tag_match {
            TagMatch::Any if known.contains(&true) => return,
            TagMatch::Any => {
                if !plain.is_empty() {
                    parts.push(format!("EXISTS (SELECT 1 {has}({}))", self.parameter(Box::new(plain))));
                }
                if !users.is_empty() {
                    parts.push(format!("m.owner = ANY({})", self.parameter(Box::new(users))));
                }
            }
            TagMatch::All if known.contains(&false) => {}
            TagMatch::All => {
                if !plain.is_empty() {
                    let tags = self.parameter(Box::new(plain));
                    parts.push(format!("(SELECT count(*) {has}({tags})) = {}", self.parameter(Box::new(number))));
                }
                if !users.is_empty() {
                    parts.push(format!("m.owner = ALL({})", self.parameter(Box::new(users))));
                }
                if parts.is_empty() {
                    return;
                }
            }
        }
        let operator = if filter.tag_match == TagMatch::Any { " OR " } else { " AND " };
        // Nothing is left of `any` if no part can be true, nor of `all` if one part is false.
        let sql = if parts.is_empty() { "false".to_owned() } else { parts.join(operator) };
        self.sql.push_str(&format!(" AND ({sql})"));
    }
}
