//! The fault proxy: one listener per edge, one file per toxic. Knows no service, no plan and no history.
