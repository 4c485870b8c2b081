//! The patterns service: a catalogue of prompt patterns, recommended and injected.
