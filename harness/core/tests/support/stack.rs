//! Starts a stack, for the tests of both backends.

use harness_core::plan::Backend;
use harness_core::plan::topology::Topology;
use harness_core::stack::view::{Event, View};
use harness_core::stack::{IMAGE_TAG, Stack, StackError, StackRequest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The key that signs tokens.
pub(crate) const SECRET: &str = "a-key-of-the-stack-tests-0123456789abcdef";

struct Silent;

impl View for Silent {
    fn show(&self, _event: Event) {}
}

fn harness() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let harness = folder.join("harness");
    assert!(harness.is_file(), "{} does not exist: cargo build --workspace --bins", harness.display());
    harness
}

pub(crate) fn request(dir: &Path, backend: Backend, topology: Topology) -> StackRequest {
    for folder in ["logs", "data"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    StackRequest {
        backend,
        topology,
        dir: dir.to_owned(),
        secret: SECRET.to_owned(),
        executable: harness(),
        detached: false,
        fixtures: Vec::new(),
        image_tag: IMAGE_TAG.to_owned(),
        seed: 0,
    }
}

pub(crate) async fn start(request: &StackRequest) -> Result<Stack, StackError> {
    let view: Arc<dyn View> = Arc::new(Silent);
    Box::pin(Stack::start(request, &view, &CancellationToken::new())).await
}
