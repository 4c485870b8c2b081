//! The integration scenarios, one file each; this file is their table of contents.
