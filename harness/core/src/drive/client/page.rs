//! What a browser allows a web page (Fetch Standard, CORS protocol). Before a call with a token, the browser sends a preflight request to the
//! service. It hides a reply from the page unless the reply names the page's origin.

use super::open::request_line;
use super::{Client, Message, framing};
use mcp_contracts::headers;

/// Headers of a call that are in no preflight: a browser sets them itself, or a page may always send them.
const NOT_IN_PREFLIGHT: &[&str] =
    &["host", "accept", "user-agent", "content-length", "origin", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest"];
/// Headers of a reply that a page of a client needs.
const NEEDED: &[&str] = &[
    "www-authenticate",
    "retry-after",
    headers::RATELIMIT_LIMIT,
    headers::RATELIMIT_REMAINING,
    headers::RATELIMIT_RESET,
    headers::EXECUTION_ID,
];

type Fields = [(String, String)];

/// Returns the headers that a browser adds to a call of a page.
pub fn headers_of_page(origin: &str) -> Vec<(String, String)> {
    let fields =
        [("origin", origin), ("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "empty")];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Checks that a browser shows a reply with these headers to a page of `origin`.
///
/// # Errors
/// Returns why it does not.
pub fn check_reply(headers: &Fields, origin: &str) -> Result<(), String> {
    const ALLOWED: &str = "access-control-allow-origin";
    match value(headers, ALLOWED) {
        // Enough for every page, because a call of a page has no cookies.
        Some(named) if named == origin || named == "*" => Ok(()),
        Some(named) => Err(format!("`{ALLOWED}` is `{named}`")),
        None => Err(format!("`{ALLOWED}` is missing")),
    }
}

/// Returns the headers of a reply that the page would need and cannot read.
pub fn hidden_headers(headers: &Fields) -> Vec<&'static str> {
    let exposed = list(headers, "access-control-expose-headers");
    let is_hidden = |name: &&&str| {
        headers.iter().any(|(field, _)| field == **name) && !exposed.iter().any(|shown| shown == **name || shown == "*")
    };
    NEEDED.iter().filter(is_hidden).copied().collect()
}

impl Client {
    /// Sends the preflight of a message that a page of `origin` wants to send.
    ///
    /// # Errors
    /// Returns why a browser would not send the message.
    pub async fn preflight(&mut self, message: &Message, origin: &str) -> Result<(), String> {
        self.render_open(message.era, message, self.last_id);
        let asked = names_to_ask_for(&self.request);
        let mut head = request_line("OPTIONS", &self.endpoint);
        head.push_str(&format!(
            "accept: */*\r\naccess-control-request-method: POST\r\naccess-control-request-headers: {}\r\n",
            asked.join(",")
        ));
        for (name, value) in headers_of_page(origin) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        match self.converse().await.1 {
            Ok(received) => judge(received.status, &framing::fields(&self.reply[received.head]), origin, &asked),
            Err(outcome) => Err(format!("the preflight has no reply: {outcome:?}")),
        }
        .map_err(|why| format!("preflight: {why}"))
    }
}

/// Judges the reply to a preflight as a browser does.
fn judge(status: u16, headers: &Fields, origin: &str, asked: &[String]) -> Result<(), String> {
    check_reply(headers, origin)?;
    if !(200..300).contains(&status) {
        return Err(format!("status {status}"));
    }
    // `POST` is always allowed. A star stands for every header but the one with the token.
    let allowed = list(headers, "access-control-allow-headers");
    let is_allowed =
        |name: &&String| allowed.iter().any(|known| known == *name || (known == "*" && *name != "authorization"));
    match asked.iter().find(|name| !is_allowed(name)) {
        Some(name) => Err(format!("the header `{name}` is not in `access-control-allow-headers`")),
        None => Ok(()),
    }
}

/// Returns the names of the headers of a request that a preflight asks for, sorted as a browser sorts them.
fn names_to_ask_for(request: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(request);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let names = head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()));
    let mut names: Vec<String> = names.filter(|name| !NOT_IN_PREFLIGHT.contains(&name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the value of a header; of a repeated one, all values as one list.
fn value(headers: &Fields, name: &str) -> Option<String> {
    let values: Vec<&str> = headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value.trim()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn list(headers: &Fields, name: &str) -> Vec<String> {
    let value = value(headers, name).unwrap_or_default();
    value.split(',').map(|entry| entry.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://app.example.com";

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn judged(status: u16, origin: &str, allowed: &str) -> Result<(), String> {
        let headers = fields(&[("access-control-allow-origin", origin), ("access-control-allow-headers", allowed)]);
        let asked = ["authorization", "content-type", "mcp-name"].map(str::to_owned);
        judge(status, &headers, ORIGIN, &asked)
    }

    #[test]
    fn a_browser_sends_a_call_only_after_a_preflight_that_names_the_origin_and_every_header() {
        for (status, origin, allowed) in
            [(200, ORIGIN, "Authorization, content-type,mcp-name"), (204, "*", "authorization,*")]
        {
            assert_eq!(judged(status, origin, allowed), Ok(()), "{status} {origin} {allowed}");
        }
        for (status, origin, allowed, why) in [
            (200, "https://app.example.com.evil.example", "*", "is `https://app.example.com.evil.example`"),
            (200, "https://app.example.com, *", "*", "is `https://app.example.com, *`"),
            (200, "null", "*", "is `null`"),
            (403, ORIGIN, "authorization,*", "status 403"),
            (302, ORIGIN, "authorization,*", "status 302"),
            (200, ORIGIN, "*", "`authorization`"),
            (200, ORIGIN, "authorization, content-type", "`mcp-name`"),
            (200, ORIGIN, "", "`authorization`"),
        ] {
            let refused = judged(status, origin, allowed).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        assert!(judge(200, &[], ORIGIN, &[]).unwrap_err().contains("is missing"));
        let twice = fields(&[("access-control-allow-origin", ORIGIN), ("access-control-allow-origin", ORIGIN)]);
        assert!(check_reply(&twice, ORIGIN).is_err());
    }

    #[test]
    fn a_preflight_asks_for_the_headers_that_a_page_sets() {
        let request = b"POST /mcp HTTP/1.1\r\nhost: a\r\nContent-Type: x\r\nmcp-name: y\r\norigin: z\r\nauthorization: s\r\n\r\nbody: no\r\n";
        assert_eq!(names_to_ask_for(request), ["authorization", "content-type", "mcp-name"]);
    }

    #[test]
    fn a_page_reads_the_headers_that_are_exposed() {
        let shown = |exposed: &str| {
            hidden_headers(&fields(&[
                ("ratelimit-limit", "5"),
                ("x-execution-id", "e"),
                ("server", "s"),
                ("access-control-expose-headers", exposed),
            ]))
        };
        assert_eq!(shown("RateLimit-Limit"), ["x-execution-id"]);
        assert_eq!(shown("*"), Vec::<&str>::new());
        assert_eq!(shown(""), ["ratelimit-limit", "x-execution-id"]);
    }
}
