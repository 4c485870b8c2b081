//! `kill`: SIGKILL ends a part, as a crash or a machine without memory does. The heal starts the part again.

use super::injection::Injection;
use super::kind::{Fault, FaultResources, Step};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    pub part: String,
}

impl Fault for Kill {
    fn kind(&self) -> &'static str {
        "kill"
    }

    fn target(&self) -> String {
        self.part.clone()
    }

    fn unavailable_parts(&self) -> Vec<&str> {
        vec![&self.part]
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, FaultResources> {
        Box::pin(async move {
            // No undo entry: the undo would have to start the part again, and if the harness dies, the reaper ends the
            // whole stack anyway. So only the heal starts the part again.
            injection.stack.kill(&self.part).await.map_err(|error| injection.stack_failed(error))?;
            Ok(FaultResources::default())
        })
    }

    fn recover<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(injection.start_again(&self.part))
    }
}
