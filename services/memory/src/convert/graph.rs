//! The knowledge graph of the reference MCP memory server. Each observation of an entity becomes a memory, and each relation one.

use super::{Draft, keep, lines, memory, tags, why};
use crate::tools::validate;
use mcp_contracts::memory::ImportedMemory;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Entity(Entity),
    Relation(Relation),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    name: String,
    entity_type: String,
    observations: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Relation {
    from: String,
    to: String,
    relation_type: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

pub(super) fn drafts(text: &str) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (number, line) in lines(text) {
        match serde_json::from_str(line) {
            Ok(Line::Entity(entity)) => {
                drafts.extend(of_entity(&entity).into_iter().map(|memory| (number, Ok(memory))));
            }
            Ok(Line::Relation(relation)) => drafts.push((number, Ok(of_relation(relation)))),
            Err(error) => drafts.push((number, Err(why(&error)))),
        }
    }
    drafts
}

fn of_entity(entity: &Entity) -> Vec<ImportedMemory> {
    let Entity { name, entity_type, observations, others } = entity;
    // An entity without observations is a memory as well, because relations name it.
    let only_type = [entity_type.clone()];
    let texts: &[String] = if observations.is_empty() { &only_type } else { observations };
    let of = |text: &String| {
        let mut memory = memory(format!("{name}: {text}"));
        memory.tags = tags(std::iter::once(tag(name)));
        memory.kind = validate::kind(entity_type.clone()).ok();
        let mut fields = others.clone();
        fields.extend([("entity".to_owned(), json!(name)), ("entityType".to_owned(), json!(entity_type))]);
        keep(&mut memory.metadata, "graph", fields);
        memory
    };
    texts.iter().map(of).collect()
}

fn of_relation(relation: Relation) -> ImportedMemory {
    let Relation { from, to, relation_type, others } = relation;
    let mut memory = memory(format!("{from} {relation_type} {to}"));
    memory.tags = tags([tag(&from), tag(&to)].into_iter());
    memory.kind = Some("relation".to_owned());
    let mut fields = others;
    for (name, value) in [("from", from), ("to", to), ("relationType", relation_type)] {
        fields.insert(name.to_owned(), Value::String(value));
    }
    keep(&mut memory.metadata, "graph", fields);
    memory
}

/// Returns the tag that all memories about an entity have.
fn tag(entity: &str) -> String {
    format!("entity:{entity}")
}
