//! `stop`: SIGTERM asks a part to end, as a deployment does. The heal starts the part again.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    pub part: String,
}

impl Fault for Stop {
    fn kind(&self) -> &'static str {
        "stop"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn unavailable_parts(&self) -> Vec<&str> {
        vec![&self.part]
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            // No undo entry, as for `kill`.
            injection.stack.terminate(&self.part).await.map_err(|error| injection.stack_failed(error))?;
            Ok(FaultResources::default())
        })
    }

    fn recover<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(injection.start_again(&self.part))
    }
}
