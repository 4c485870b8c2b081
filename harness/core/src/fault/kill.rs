//! `kill`: a part ends without a chance to react, as in a crash or when the system runs out of memory. It is started again when the fault is
//! healed.

use super::injection::Injection;
use super::kind::{Acting, Fault, Step};
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

    fn takes_away(&self) -> Vec<&str> {
        vec![&self.part]
    }

    fn inject<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, Acting> {
        Box::pin(async move {
            // No undo entry: a part that has ended needs none if the harness dies, because its stack dies with the harness.
            injection.stack.kill(&self.part).await.map_err(|error| injection.stack_failed(error))?;
            Ok(Acting::default())
        })
    }

    fn recover<'f>(&'f self, injection: &'f Injection<'_>) -> Step<'f, ()> {
        Box::pin(injection.start_again(&self.part))
    }
}
