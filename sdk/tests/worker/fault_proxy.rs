//! A proxy between a worker and a real server that simulates faults of networks and proxies: cuts, delays, black holes,
//! damaged bytes, and answers in place of the server.
//!
//! The fault of a connection depends only on the seed and the connection's number; its time depends on the speed of the
//! bytes. Bytes are damaged only on their way from the server: in reality TCP and TLS protect requests, and a server
//! could not tell a wrong value from a right one.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// The HTTP/2 frame types needed to answer in place of the server.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The fault of a connection.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Cut,
    /// Delays every piece of data by this time.
    Delay(Duration),
    /// Passes nothing on for this time, then cuts the connection.
    BlackHole(Duration),
    Garbage,
    /// The proxy answers everything itself.
    Impostor,
}

/// A proxy that listens until it is dropped.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    server: String,
    seed: u64,
    storm: watch::Sender<bool>,
    connections: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl FaultProxy {
    pub(crate) async fn start(server: String, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, faults) = (AtomicU64::new(0), Mutex::default());
        let shared = Arc::new(Shared { server, seed, storm: watch::Sender::new(false), connections, faults });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self { address, shared, accepting }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Starts or ends the faults. At the start all connections are cut; later ones have their own faults.
    pub(crate) fn storm(&self, storm: bool) {
        self.shared.storm.send_replace(storm);
    }

    /// Returns the number of connections with each fault.
    pub(crate) fn report(&self) -> String {
        let mut faults = self.shared.faults.lock().unwrap().clone();
        faults.sort();
        let counted = faults.chunk_by(|one, other| one == other).map(|same| format!("{} {}", same.len(), same[0]));
        counted.collect::<Vec<_>>().join(", ")
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((worker, _)) = listener.accept().await else { continue };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(carry(worker, number, Arc::clone(&shared)));
    }
}

/// Runs one connection to its end.
async fn carry(worker: TcpStream, number: u64, shared: Arc<Shared>) {
    let mut storm = shared.storm.subscribe();
    if !*storm.borrow_and_update() {
        let Ok(server) = TcpStream::connect(&shared.server).await else { return };
        tokio::select! {
            _ = pass(worker, server, Duration::ZERO, None) => {}
            _ = storm.wait_for(|storm| *storm) => {}
        }
        return;
    }
    let mut random = Random(shared.seed ^ (number << 32));
    let (fault, until) = (random.fault(), Duration::from_millis(random.between(50, 1000)));
    shared.faults.lock().unwrap().push(fault.name());
    if let Fault::Impostor = fault {
        let _ = tokio::time::timeout(until, answer_all(worker, random)).await;
        return;
    }
    let Ok(server) = TcpStream::connect(&shared.server).await else { return };
    // When nothing is passed on any more, both connections stay open.
    let (hole, delay) = match fault {
        Fault::BlackHole(hole) => (hole, Duration::ZERO),
        Fault::Delay(delay) => (Duration::ZERO, delay),
        Fault::Cut | Fault::Garbage | Fault::Impostor => (Duration::ZERO, Duration::ZERO),
    };
    let garbage = matches!(fault, Fault::Garbage).then(|| random.between(200, 20_000));
    let mut passing = Box::pin(pass(worker, server, delay, garbage));
    if tokio::time::timeout(until, &mut passing).await.is_err() {
        // The sockets are in the future that is no longer polled.
        sleep(hole).await;
    }
}

/// Passes data on in both directions until one of them ends.
async fn pass(worker: TcpStream, server: TcpStream, delay: Duration, garbage: Option<u64>) -> io::Result<()> {
    let _ = (worker.set_nodelay(true), server.set_nodelay(true));
    let ((from_worker, to_worker), (from_server, to_server)) = (worker.into_split(), server.into_split());
    tokio::select! {
        ended = pump(from_worker, to_server, delay, None) => ended,
        ended = pump(from_server, to_worker, delay, garbage) => ended,
    }
}

/// Passes data on in one direction; after a number of bytes, garbage is inserted.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    mut garbage: Option<u64>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if !delay.is_zero() {
            sleep(delay).await;
        }
        match &mut garbage {
            Some(after) if *after < read as u64 => {
                let at = usize::try_from(*after).unwrap();
                to.write_all(&buffer[..at]).await?;
                to.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>").await?;
                to.write_all(&buffer[at..read]).await?;
                garbage = None;
            }
            Some(after) => {
                *after -= read as u64;
                to.write_all(&buffer[..read]).await?;
            }
            None => to.write_all(&buffer[..read]).await?,
        }
    }
}

/// Speaks just enough HTTP/2 to give every request an invalid answer.
async fn answer_all(worker: TcpStream, mut random: Random) -> io::Result<()> {
    let (mut from, mut to) = worker.into_split();
    let mut preface = [0; 24];
    from.read_exact(&mut preface).await?;
    to.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut header = [0; 9];
        from.read_exact(&mut header).await?;
        let [high, middle, low, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        from.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => to.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            PING if flags & ACK == 0 => to.write_all(&frame(PING, ACK, 0, &payload)).await?,
            HEADERS => to.write_all(&random.answer(u32::from_be_bytes(stream))).await?,
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Encodes headers in HPACK without a table: each name and value in full.
fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [&[0], &*text(name), &*text(value)].concat()).collect()
}

/// splitmix64: the random numbers of one connection.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    fn fault(&mut self) -> Fault {
        match self.next() % 6 {
            0 => Fault::Cut,
            1 => Fault::Delay(Duration::from_millis(self.between(5, 300))),
            2 => Fault::BlackHole(Duration::from_millis(self.between(500, 3000))),
            3 => Fault::Garbage,
            _ => Fault::Impostor,
        }
    }

    /// Returns an answer that a proxy, a broken server or a broken network may give to any request.
    fn answer(&mut self, stream: u32) -> Vec<u8> {
        let page = |status| (vec![(":status", status), ("content-type", "text/html")], &b"<html>Sorry</html>"[..]);
        let grpc = |status: &'static str| {
            let fields = vec![(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status)];
            (fields, &b""[..])
        };
        let damaged = |body: &'static [u8]| (vec![(":status", "200"), ("content-type", "application/grpc")], body);
        let (fields, body) = match self.next() % 12 {
            0 => page("502"),
            1 => page("503"),
            2 => page("404"),
            3 => page("403"),
            4 => page("200"),
            5 => damaged(b"<html>Sorry</html>"),
            6 => damaged(b"\0\0\0\0\x09ab"),
            7 => damaged(b"\0\0\0\0\0"),
            8 => damaged(b"\0\0\0\0\x02\xff\xff"),
            9 => grpc("13"),
            10 => grpc("2"),
            _ => grpc("14"),
        };
        let mut flags = END_HEADERS;
        if body.is_empty() {
            flags |= END_STREAM;
        }
        let mut answer = frame(HEADERS, flags, stream, &headers(&fields));
        if !body.is_empty() {
            answer.extend(frame(DATA, END_STREAM, stream, body));
        }
        answer
    }
}

impl Fault {
    fn name(self) -> String {
        match self {
            Self::Cut => "cut",
            Self::Delay(_) => "delayed",
            Self::BlackHole(_) => "black-holed",
            Self::Garbage => "damaged",
            Self::Impostor => "answered by the proxy",
        }
        .to_string()
    }
}
