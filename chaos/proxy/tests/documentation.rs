//! The table of toxics in the documentation lists every kind.

use chaos_proxy::toxic::ALL;
use std::fmt::Write as _;

const BEGIN: &str = "<!-- toxics: written by a test -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_documentation_lists_every_toxic() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/adding-a-fault.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut table = String::from("| toxic | what it does | in an experiment |\n|---|---|---|\n");
    for kind in ALL {
        writeln!(table, "| `{}` | {} | `{}` |", kind.name, kind.about, kind.example).unwrap();
    }
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let current = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), current, "run this test with UPDATE_DOCS=1");
}
