//! A server on this machine that may behave badly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What the server does with a path.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Gives bytes, or the part that is asked for.
    Good(Vec<u8>),
    /// Gives bytes; knows no parts.
    Whole(Vec<u8>),
    /// Gives the bytes from what is asked for on, so many of them, then breaks off.
    BreakOff(Vec<u8>, usize),
    /// Gives so many of the bytes, and then nothing until the client goes.
    Stall(Vec<u8>, usize),
    /// Says that there will be so many bytes, and gives those that it has.
    Announce(Vec<u8>, usize),
    /// Gives bytes without saying how many there are.
    Unannounced(Vec<u8>),
    /// Gives another part than is asked for.
    WrongPart(Vec<u8>),
    /// Only a status.
    Status(u16),
    /// Another place.
    Redirect(String),
    /// Takes the question and says nothing until the client goes.
    Silent,
}

/// The server; it ends with the value.
pub(crate) struct Server {
    pub(crate) address: String,
    answers: Arc<Mutex<BTreeMap<String, Vec<Answer>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { address, answers: Arc::default(), asked: Arc::default(), is_over: Arc::default() };
        let (answers, asked) = (Arc::clone(&server.answers), Arc::clone(&server.asked));
        let is_over = Arc::clone(&server.is_over);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                // A client that goes away is no fault of the server.
                std::thread::spawn(move || stream.and_then(|stream| serve(&stream, &answers, &asked)));
            }
        });
        server
    }

    /// Says what to do with a path: one answer after the other, the last of them for ever.
    pub(crate) fn on(&self, path: &str, answers: &[Answer]) -> String {
        self.answers.lock().unwrap().insert(path.to_owned(), answers.to_vec());
        format!("{}{path}", self.address)
    }

    /// What was asked for: paths, and where the part begins.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a client.
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
    }
}

fn serve(
    stream: &TcpStream,
    answers: &Mutex<BTreeMap<String, Vec<Answer>>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut start = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let shown = start.map_or(path.clone(), |start| format!("{path} from {start}"));
    asked.lock().unwrap().push(shown);
    let answer = match answers.lock().unwrap().get_mut(&path) {
        Some(list) if list.len() > 1 => list.remove(0),
        Some(list) => list[0].clone(),
        None => Answer::Status(404),
    };
    let mut out = stream;
    let head = |status: &str, length: usize, more: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n")
    };
    let part = |bytes: &[u8], at: usize| format!("Content-Range: bytes {at}-{}/{}\r\n", bytes.len() - 1, bytes.len());
    match answer {
        Answer::Good(bytes) => match start {
            Some(start) if start >= bytes.len() => out.write_all(head("416 No", 0, "").as_bytes()),
            Some(start) => {
                out.write_all(head("206 Part", bytes.len() - start, &part(&bytes, start)).as_bytes())?;
                out.write_all(&bytes[start..])
            }
            None => {
                out.write_all(head("200 OK", bytes.len(), "").as_bytes())?;
                out.write_all(&bytes)
            }
        },
        Answer::Whole(bytes) => {
            out.write_all(head("200 OK", bytes.len(), "").as_bytes())?;
            out.write_all(&bytes)
        }
        Answer::BreakOff(bytes, count) => {
            let at = start.unwrap_or(0);
            let (status, more) = if at > 0 { ("206 Part", part(&bytes, at)) } else { ("200 OK", String::new()) };
            out.write_all(head(status, bytes.len() - at, &more).as_bytes())?;
            out.write_all(&bytes[at..(at + count).min(bytes.len())])
        }
        Answer::Stall(bytes, count) => {
            out.write_all(head("200 OK", bytes.len(), "").as_bytes())?;
            out.write_all(&bytes[..count])?;
            BufReader::new(stream).fill_buf().map(drop)
        }
        Answer::Announce(bytes, count) => {
            out.write_all(head("200 OK", count, "").as_bytes())?;
            out.write_all(&bytes)
        }
        Answer::Unannounced(bytes) => {
            out.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            out.write_all(&bytes)
        }
        Answer::WrongPart(bytes) => {
            out.write_all(head("206 Part", bytes.len() - 1, &part(&bytes, 1)).as_bytes())?;
            out.write_all(&bytes[1..])
        }
        Answer::Status(status) => out.write_all(head(&format!("{status} Status"), 0, "").as_bytes()),
        Answer::Redirect(to) => out.write_all(head("302 There", 0, &format!("Location: {to}\r\n")).as_bytes()),
        Answer::Silent => {
            // Until the client closes its end.
            BufReader::new(stream).fill_buf().map(drop)
        }
    }
}
