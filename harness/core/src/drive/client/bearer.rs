//! The bearer token of a target that is not ours: from a variable of the environment, or from a file that others renew while a load runs. The token is in
//! no plan, log or report.

use crate::observe::clock::monotonic_us;
use crate::plan::bearer::BearerSource;
use harness_history::ErrorKind;
use parking_lot::Mutex;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Maximum size of a file with a token, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// Minimum time between two looks at the file, in microseconds. A look at each call would cost a system call for each.
const LOOK_EVERY_US: u64 = 1_000_000;

/// A token that all users of a load share. A clone of the `Arc` around it is given to each client.
pub struct Bearer {
    source: BearerSource,
    current: Mutex<Current>,
    /// True once a server has answered a call with a token of this source.
    accepted: AtomicBool,
}

struct Current {
    token: Arc<str>,
    /// Grows when the token changes.
    version: u64,
    /// The tokens before the current one, oldest first.
    earlier: Vec<Arc<str>>,
    /// Time at which the file had its content. `None` for a variable, which cannot change.
    modified: Option<SystemTime>,
    next_look_us: u64,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no usable bearer token: {source_name} {why}\nhint: {hint}")]
pub struct BearerError {
    pub source_name: String,
    pub why: String,
    hint: &'static str,
}

impl BearerError {
    /// The error of a second token that is equal to another one.
    pub(crate) fn same(source: &BearerSource, other: &BearerSource) -> Self {
        let why = format!("has the same token as {other}, and each token stands for another organisation");
        Self { source_name: source.to_string(), why, hint: "use a token of another customer, or remove the second one" }
    }
}

impl Bearer {
    /// Reads the token.
    ///
    /// # Errors
    /// The variable is not set, the file cannot be read, or the text is not a token.
    pub fn open(source: &BearerSource) -> Result<Self, BearerError> {
        let (text, modified) = match source {
            BearerSource::Variable(name) => {
                let text = std::env::var_os(name).and_then(|text| text.into_string().ok());
                (text.ok_or_else(|| "is not set".to_owned()), None)
            }
            BearerSource::File(path) => match read(path) {
                Ok((text, modified)) => (Ok(text), Some(modified)),
                Err(why) => (Err(why), None),
            },
        };
        let token = text.and_then(|text| token_of(&text)).map_err(|why| BearerError {
            source_name: source.to_string(),
            why,
            hint: match source {
                BearerSource::Variable(_) => "export the token in this variable, without the word `Bearer`",
                BearerSource::File(_) => "write the token into the first line of the file, without the word `Bearer`",
            },
        })?;
        let current =
            Current { token, version: 1, earlier: Vec::new(), modified, next_look_us: monotonic_us() + LOOK_EVERY_US };
        Ok(Self { source: source.clone(), current: Mutex::new(current), accepted: AtomicBool::new(false) })
    }

    /// Returns the token and its version. Reads the file again if it has changed, at most once a second. A file that cannot be read leaves the last
    /// token in use, because a renewal may replace the file at this moment.
    pub fn current(&self) -> (Arc<str>, u64) {
        let mut current = self.current.lock();
        let now_us = monotonic_us();
        if current.modified.is_some() && now_us >= current.next_look_us {
            current.next_look_us = now_us + LOOK_EVERY_US;
            self.reload_if_changed(&mut current, false);
        }
        (Arc::clone(&current.token), current.version)
    }

    /// Returns every token that was in use, the current one last.
    pub fn all(&self) -> Vec<Arc<str>> {
        let current = self.current.lock();
        current.earlier.iter().chain([&current.token]).map(Arc::clone).collect()
    }

    /// Reads the file again, because a server has refused the token of this version. Several clients may report the same refusal; the first reads.
    pub fn refused(&self, version: u64) {
        let mut current = self.current.lock();
        if current.version == version {
            self.reload_if_changed(&mut current, true);
        }
    }

    /// Notes that a server has answered a call with the token.
    pub fn accepted(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// Returns why a refusal of the token shows nothing about the server: it accepted the token before, so that the token has ended. `None` if the
    /// server never accepted it.
    pub fn ended(&self) -> Option<ErrorKind> {
        let why = || {
            let hint = match self.source {
                BearerSource::Variable(_) => "use `--bearer-file` with a token that is renewed",
                BearerSource::File(_) => "renew the file before its token ends",
            };
            let source = &self.source;
            ErrorKind::Local(
                format!("the server accepted the token of {source} before, and refuses it now with 401; {hint}").into(),
            )
        };
        self.accepted.load(Ordering::Relaxed).then(why)
    }

    fn reload_if_changed(&self, current: &mut Current, always: bool) {
        let BearerSource::File(path) = &self.source else { return };
        let modified = std::fs::metadata(path).and_then(|file| file.modified()).ok();
        if !always && modified == current.modified {
            return;
        }
        if let Ok((text, modified)) = read(path)
            && let Ok(token) = token_of(&text)
        {
            current.modified = Some(modified);
            if token != current.token {
                let earlier = std::mem::replace(&mut current.token, token);
                current.earlier.push(earlier);
                current.version += 1;
            }
        }
    }
}

// The token must not get into a message by accident.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(bearer token of {})", self.source)
    }
}

fn read(path: &Path) -> Result<(String, SystemTime), String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let file = std::fs::metadata(path).map_err(failed)?;
    if file.len() > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    // The time is read before the content, so that a change in between is noticed at the next look.
    let modified = file.modified().map_err(failed)?;
    Ok((std::fs::read_to_string(path).map_err(failed)?, modified))
}

/// Returns the token in the first line. Its characters are checked, because they are written into the head of each request. No message has a part of it.
fn token_of(text: &str) -> Result<Arc<str>, String> {
    let token = text.lines().next().unwrap_or_default().trim();
    if token.is_empty() {
        return Err("is empty".to_owned());
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a space or a character that is not printable ASCII".to_owned());
    }
    Ok(Arc::from(token))
}

#[cfg(test)]
mod tests {
    use super::Bearer;
    use crate::plan::bearer::BearerSource;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    fn of_file(path: &Path) -> Bearer {
        Bearer::open(&BearerSource::File(path.to_owned())).unwrap()
    }

    /// Writes a token with a time of modification of its own, because two writes can have the same.
    fn write(path: &Path, token: &str, second: u64) {
        std::fs::write(path, token).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_token_is_the_first_line_of_a_file_or_the_value_of_a_variable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write(&path, "  first-token \nanother line\n", 1);
        assert_eq!(&*of_file(&path).current().0, "first-token");
        // Cargo sets this variable for every test.
        let variable = Bearer::open(&BearerSource::Variable("CARGO_PKG_NAME".to_owned())).unwrap();
        assert_eq!(&*variable.current().0, "harness-core");
    }

    #[test]
    fn a_missing_token_is_an_error_that_names_the_place_and_no_part_of_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let refused = |source: BearerSource| Bearer::open(&source).unwrap_err().to_string();
        let file = || BearerSource::File(path.clone());
        assert!(refused(file()).contains("cannot be read"));
        let unset = refused(BearerSource::Variable("HARNESS_TEST_NO_SUCH_VARIABLE".to_owned()));
        assert!(unset.contains("`HARNESS_TEST_NO_SUCH_VARIABLE` is not set") && unset.contains("hint:"), "{unset}");
        for (text, why) in
            [("", "is empty"), ("\n", "is empty"), ("Bearer sesame", "has a space"), ("sesam\u{e4}", "ASCII")]
        {
            write(&path, text, 1);
            let error = refused(file());
            assert!(error.contains(why) && !error.contains("sesam"), "{error}");
        }
        std::fs::write(&path, "x".repeat(65 << 10)).unwrap();
        assert!(refused(file()).contains("more than"));
    }

    #[test]
    fn a_changed_file_is_read_again_after_a_second_or_after_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write(&path, "one", 1);
        let bearer = of_file(&path);
        write(&path, "two", 2);
        bearer.current.lock().next_look_us = u64::MAX;
        assert_eq!(bearer.current(), ("one".into(), 1), "the file is looked at once a second");
        bearer.current.lock().next_look_us = 0;
        assert_eq!(bearer.current(), ("two".into(), 2));
        write(&path, "three", 2);
        bearer.refused(1);
        assert_eq!(bearer.current().1, 2, "the refusal was of a token that is no longer used");
        bearer.refused(2);
        assert_eq!(bearer.current(), ("three".into(), 3), "a refusal does not rely on the time of the file");
        std::fs::remove_file(&path).unwrap();
        bearer.refused(3);
        assert_eq!(bearer.current(), ("three".into(), 3), "a file that is being replaced leaves the last token");
        assert_eq!(bearer.all(), ["one".into(), "two".into(), "three".into()] as [std::sync::Arc<str>; 3]);
    }

    #[test]
    fn a_token_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("place");
        write(&path, "sesame", 1);
        let printed = format!("{:?}", of_file(&path));
        assert!(printed.contains("place") && !printed.contains("sesame"), "{printed}");
    }
}
