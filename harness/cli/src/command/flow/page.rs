//! A call as a browser makes it for a web page: a preflight, the call, and a reply that the page may not be allowed to read.

use harness_core::drive::client::{Client, Message, MessageReply, check_reply, headers_of_page, hidden_headers};
use harness_history::Outcome;
use serde_json::{Value, json};

/// What the caller learned from one call.
pub(super) struct Answer {
    /// `None` if a browser would not have sent the call, or would have withheld the reply from the page.
    pub(super) response: Option<MessageReply>,
    /// What a browser would allow; `None` if no page calls.
    pub(super) browser: Option<Browser>,
}

pub(super) struct Browser {
    /// Why it refuses the call.
    pub(super) refusal: Option<String>,
    /// Headers of the reply that the page would need and cannot read.
    pub(super) hidden: Vec<&'static str>,
}

/// Makes a call, for a page of `origin` if there is one.
pub(super) async fn ask(client: &mut Client, mut message: Message, origin: Option<&str>) -> Answer {
    let Some(origin) = origin else {
        return Answer { response: Some(client.ask(&message).await), browser: None };
    };
    message.headers.extend(headers_of_page(origin));
    if let Err(why) = client.preflight(&message, origin).await {
        return Answer { response: None, browser: Some(Browser { refusal: Some(why), hidden: Vec::new() }) };
    }
    let response = client.ask(&message).await;
    // Without a reply there is nothing to show.
    let shown = if response.status.is_some() { check_reply(&response.headers, origin) } else { Ok(()) };
    let browser =
        Browser { hidden: hidden_headers(&response.headers), refusal: shown.err().map(|why| format!("reply: {why}")) };
    Answer { response: Some(response).filter(|_| browser.refusal.is_none()), browser: Some(browser) }
}

impl Answer {
    pub(super) fn is_ok(&self) -> bool {
        self.response.as_ref().is_some_and(|response| response.outcome == Outcome::Ok)
    }

    /// Returns the structured content of the reply.
    pub(super) fn reply(&self) -> Value {
        self.response.as_ref().map(|response| response.result["structuredContent"].clone()).unwrap_or_default()
    }

    pub(super) fn error(&self) -> Value {
        self.response.as_ref().map(|response| response.error.clone()).unwrap_or_default()
    }

    pub(super) fn took_ms(&self) -> Option<f64> {
        self.response.as_ref().map(|response| response.complete_us.saturating_sub(response.invoke_us) as f64 / 1e3)
    }

    /// Returns why the call failed.
    pub(super) fn failure(&self) -> String {
        let refusal = self.browser.as_ref().and_then(|browser| browser.refusal.as_ref());
        match (refusal, &self.response) {
            (Some(why), _) => format!("a browser refuses the call: {why}"),
            (None, Some(response)) => {
                format!("{:?} {}", response.outcome, response.error["message"].as_str().unwrap_or_default())
            }
            (None, None) => String::new(),
        }
    }
}

impl Browser {
    pub(super) fn json(&self) -> Value {
        json!({ "allowed": self.refusal.is_none(), "why": self.refusal, "hidden_headers": self.hidden })
    }
}
