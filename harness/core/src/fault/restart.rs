//! `restart`: SIGTERM ends a part, and it is started again at once. The fault is over when the injection returns, so
//! there is nothing to undo or to heal.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    pub part: String,
}

impl Fault for Restart {
    fn kind(&self) -> &'static str {
        "restart"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn unavailable_parts(&self) -> Vec<&str> {
        vec![&self.part]
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            injection.stack.restart(&self.part).await.map_err(|error| injection.stack_failed(error))?;
            Ok(FaultResources::default())
        })
    }
}
