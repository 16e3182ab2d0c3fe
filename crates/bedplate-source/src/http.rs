//! One file over HTTP: gone on with where it stopped, tried again where that may help.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Error, Proxy, Timeout};

use crate::Trouble;
use crate::partial::Partial;

/// How servers are talked to.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Proxy for `http://`: a URL.
    pub http_proxy: Option<String>,
    /// Proxy for `https://`: a URL.
    pub https_proxy: Option<String>,
    /// Hosts that are reached without a proxy, between commas.
    pub no_proxy: Option<String>,
    /// How often a server is tried that gets no further.
    pub tries: u32,
    /// How long to wait before the second try; twice as long before each further one.
    pub pause: Duration,
    /// How long a connection, or one read from it, may take.
    pub patience: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            http_proxy: None,
            https_proxy: None,
            no_proxy: None,
            tries: 5,
            pause: Duration::from_secs(1),
            patience: Duration::from_secs(60),
        }
    }
}

/// A try that brought this much further does not count as one.
const HEADWAY: u64 = 64 << 10;

/// How often a server is tried that cannot be reached: other places may be nearer.
const UNREACHED_TRIES: u32 = 2;

/// What a download tells while it goes on.
pub(crate) trait Watch {
    /// So many bytes are here; so many there will be.
    fn bytes(&self, done: u64, total: Option<u64>);
    /// It is tried again.
    fn again(&self, why: &str);
}

/// Connections to servers, kept between files.
#[derive(Debug)]
pub(crate) struct Http {
    plain: Agent,
    secure: Agent,
    tries: u32,
    pause: Duration,
    /// Servers that could not be reached, by scheme and name, and why: no other file waits for them.
    given_up: Mutex<BTreeMap<String, String>>,
}

/// How one try ended.
enum Stop {
    /// It is of no use to try again.
    For(Trouble),
    /// It may be better next time.
    Perhaps(String),
    /// The same, and the server was not even reached.
    Unreached(String),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::For(trouble)
    }
}

impl Http {
    pub(crate) fn new(options: &HttpOptions) -> Result<Self, Trouble> {
        let agent = |proxy: Option<&str>| {
            let proxy = proxy.map(|url| proxy_of(url, options.no_proxy.as_deref())).transpose()?;
            let config = Agent::config_builder()
                .proxy(proxy)
                .http_status_as_error(false)
                .user_agent(concat!("bedplate/", env!("CARGO_PKG_VERSION")))
                .timeout_resolve(Some(options.patience))
                .timeout_connect(Some(options.patience))
                .timeout_recv_response(Some(options.patience))
                .timeout_per_read(Some(options.patience))
                .build();
            Ok::<_, Trouble>(Agent::new_with_config(config))
        };
        Ok(Self {
            plain: agent(options.http_proxy.as_deref())?,
            secure: agent(options.https_proxy.as_deref())?,
            tries: options.tries.max(1),
            pause: options.pause,
            given_up: Mutex::default(),
        })
    }

    /// Fetches a file to the end of what is there of it. `size` is what it has to have in the end.
    ///
    /// Its hash is not looked at here.
    pub(crate) fn download(
        &self,
        url: &str,
        partial: &mut Partial,
        size: Option<u64>,
        watch: &dyn Watch,
    ) -> Result<(), Trouble> {
        let server = server(url);
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned();
        if let Some(why) = given_up {
            return Err(Trouble::Transport { tries: 0, why });
        }
        let mut tries = 0;
        let mut furthest = partial.size();
        loop {
            let (why, is_reached) = match self.once(url, partial, size, watch) {
                Ok(()) => return Ok(()),
                Err(Stop::For(trouble)) => return Err(trouble),
                Err(Stop::Perhaps(why)) => (why, true),
                Err(Stop::Unreached(why)) => (why, false),
            };
            if partial.size() >= furthest + HEADWAY {
                furthest = partial.size();
                tries = 0;
            }
            tries += 1;
            if tries >= if is_reached { self.tries } else { self.tries.min(UNREACHED_TRIES) } {
                if !is_reached {
                    self.given_up.lock().unwrap_or_else(PoisonError::into_inner).insert(server.to_owned(), why.clone());
                }
                return Err(Trouble::Transport { tries, why });
            }
            watch.again(&why);
            std::thread::sleep(self.pause * 2_u32.saturating_pow(tries - 1));
        }
    }

    fn once(&self, url: &str, partial: &mut Partial, size: Option<u64>, watch: &dyn Watch) -> Result<(), Stop> {
        let have = partial.size();
        if size.is_some_and(|size| have == size) {
            return Ok(());
        }
        let agent = if url.starts_with("https:") { &self.secure } else { &self.plain };
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(stop_for)?;
        let status = response.status();
        let length = response.body().content_length();
        let total = match status {
            StatusCode::OK => length,
            StatusCode::PARTIAL_CONTENT => match content_range(response.headers()) {
                Some((start, total)) if start == have => total.or(length.map(|length| have + length)),
                _ => return Err(Trouble::Protocol("the server sends another part than was asked for".into()).into()),
            },
            // What is here is no part of what is there.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                partial.clear()?;
                return Err(Stop::Perhaps("the server has no more bytes than are here".to_owned()));
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Trouble::NotThere.into()),
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                return Err(Stop::Perhaps(format!("the server answers with status {}", status.as_u16())));
            }
            _ => return Err(Trouble::Status(status.as_u16()).into()),
        };
        // Said before a byte is read: what is here may be a good beginning for another place.
        if let (Some(expected), Some(actual)) = (size, total)
            && expected != actual
        {
            return Err(Trouble::WrongSize { expected, actual, is_least: false }.into());
        }
        if status == StatusCode::OK {
            partial.clear()?;
        }
        let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 1 << 16];
        watch.bytes(partial.size(), size.or(total));
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => partial.append(&buffer[..count])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Perhaps(error.to_string())),
            }
            let here = partial.size();
            if let Some(expected) = size.filter(|size| here > *size) {
                partial.clear()?;
                return Err(Trouble::WrongSize { expected, actual: here, is_least: true }.into());
            }
            watch.bytes(here, size.or(total));
        }
        match size.or(total) {
            Some(expected) if partial.size() < expected => {
                Err(Stop::Perhaps(format!("the connection ended after {} of {expected} bytes", partial.size())))
            }
            _ => Ok(()),
        }
    }
}

/// Scheme and host of a URL.
fn server(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

fn proxy_of(url: &str, no_proxy: Option<&str>) -> Result<Proxy, Trouble> {
    let bad =
        |error: Error| Trouble::Protocol(format!("the proxy `{}` cannot be used: {error}", without_password(url)));
    let proxy = Proxy::new(url).map_err(bad)?;
    let mut builder = Proxy::builder(proxy.protocol()).host(proxy.host()).port(proxy.port());
    if let Some(name) = proxy.username() {
        builder = builder.username(name);
    }
    if let Some(password) = proxy.password() {
        builder = builder.password(password);
    }
    for host in no_proxy.unwrap_or_default().split(',').map(str::trim).filter(|host| !host.is_empty()) {
        builder = builder.no_proxy(host);
    }
    builder.build().map_err(bad)
}

/// A URL as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

fn stop_for(error: Error) -> Stop {
    match error {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::ConnectProxyFailed(_)
        | Error::Timeout(Timeout::Connect | Timeout::Resolve) => Stop::Unreached(error.to_string()),
        // A name that is not known and a route that is not there have no kind of their own.
        Error::Io(ref io) if !is_of_connection(io.kind()) => Stop::Unreached(error.to_string()),
        Error::Io(_) | Error::Timeout(_) | Error::BodyStalled => Stop::Perhaps(error.to_string()),
        other => Stop::For(Trouble::Protocol(other.to_string())),
    }
}

/// True for what happens to a connection that was there.
fn is_of_connection(kind: ErrorKind) -> bool {
    use ErrorKind as Kind;
    matches!(
        kind,
        Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::UnexpectedEof
            | Kind::TimedOut
            | Kind::WouldBlock
            | Kind::InvalidData
    )
}

/// `bytes 100-199/1000`: where the part starts, and the size of the whole if it is known.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_password() {
        for (url, want) in [
            ("http://user:secret@proxy:3128/x@y", "http://proxy:3128/x@y"),
            ("https://host/a@b", "https://host/a@b"),
            ("proxy:3128", "proxy:3128"),
        ] {
            assert_eq!(without_password(url), want);
        }
    }

    #[test]
    fn a_proxy_keeps_its_name_and_leaves_hosts_out() {
        let proxy = proxy_of("http://user:secret@proxy.example:3128", Some("localhost, .example.org")).unwrap();
        assert_eq!((proxy.host(), proxy.port(), proxy.username()), ("proxy.example", 3128, Some("user")));
        assert!(proxy.is_no_proxy(&"http://localhost/x".parse().unwrap()));
        assert!(proxy.is_no_proxy(&"http://a.example.org/x".parse().unwrap()));
        assert!(!proxy.is_no_proxy(&"http://example.net/x".parse().unwrap()));
        let error = proxy_of("ftp://user:secret@proxy", None).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
