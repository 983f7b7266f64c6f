//! The doors of a running instance: sockets that never block the control thread.

use super::CallerId;
use super::paths::StateDir;
use super::protocol::{self, Answer, MAX_REQUEST, Request};
use crate::config::Metrics;
use crate::metrics;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// More callers than this at a time wait outside.
const MAX_CALLERS: usize = 16;

/// A caller has this long to ask and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// All doors and whoever stands in them.
#[derive(Debug, Default)]
pub(crate) struct Server {
    doors: Vec<Door>,
    callers: Vec<Caller>,
    next_id: u64,
}

#[derive(Debug)]
struct Door {
    kind: Kind,
    listener: Listener,
    /// Removed when the server goes.
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Control,
    Status,
    Metrics,
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

#[derive(Debug)]
struct Caller {
    id: CallerId,
    kind: Kind,
    stream: Stream,
    since: Instant,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The question was passed on, the answer is to come.
    asked: bool,
    done: bool,
}

impl Server {
    /// Opens the two doors in the folder of the instance.
    pub(crate) fn open(&mut self, dir: &StateDir) -> io::Result<()> {
        dir.create()?;
        self.listen_unix(Kind::Control, &dir.control_socket(), 0o600)?;
        self.listen_unix(Kind::Status, &dir.status_socket(), 0o666)
    }

    /// Opens the door for metrics.
    pub(crate) fn open_metrics(&mut self, at: &Metrics) -> io::Result<()> {
        match at {
            Metrics::Unix(path) => self.listen_unix(Kind::Metrics, path, 0o660),
            Metrics::Loopback(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                self.doors.push(Door { kind: Kind::Metrics, listener: Listener::Tcp(listener), path: None });
                Ok(())
            }
        }
    }

    fn listen_unix(&mut self, kind: Kind, path: &Path, mode: u32) -> io::Result<()> {
        let listener = match UnixListener::bind(path) {
            Err(e) if e.kind() == ErrorKind::AddrInUse => take_over(path)?,
            other => other?,
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        let listener = Listener::Unix(listener);
        self.doors.push(Door { kind, listener, path: Some(path.to_owned()) });
        Ok(())
    }

    /// What to wait for: something to read, or room to write where an answer is held up.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let open = self.callers.len() < MAX_CALLERS;
        let doors = self.doors.iter().filter(move |_| open).map(|d| (d.listener.as_fd(), false));
        let callers = self.callers.iter().filter(|c| !c.asked || !c.output.is_empty());
        doors.chain(callers.map(|c| (c.stream.as_fd(), !c.output.is_empty())))
    }

    /// When somebody's patience ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.callers.iter().filter(|c| !c.asked || !c.output.is_empty()).map(|c| c.since + PATIENCE).min()
    }

    /// Lets callers in, reads what they ask, writes what is held up. Never blocks.
    pub(crate) fn serve(&mut self, ask: &mut dyn FnMut(CallerId, Request)) {
        self.accept();
        let now = Instant::now();
        for caller in &mut self.callers {
            caller.serve(ask);
            let waits_for_us = caller.asked && caller.output.is_empty();
            caller.done |= !waits_for_us && now.duration_since(caller.since) > PATIENCE;
        }
        self.callers.retain(|c| !c.done);
    }

    /// Answers a caller who is still there.
    pub(crate) fn answer(&mut self, id: CallerId, answer: &Answer) {
        if let Some(caller) = self.callers.iter_mut().find(|c| c.id == id) {
            caller.since = Instant::now();
            caller.answer(answer);
            caller.flush();
        }
        self.callers.retain(|c| !c.done);
    }

    fn accept(&mut self) {
        for door in &self.doors {
            while self.callers.len() < MAX_CALLERS
                && let Ok(stream) = door.listener.accept()
            {
                self.next_id += 1;
                self.callers.push(Caller::new(CallerId(self.next_id), door.kind, stream));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for path in self.doors.iter().filter_map(|d| d.path.as_ref()) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A socket file is there already: a dead one is replaced, a live one is left alone.
fn take_over(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        let text = format!("{}: another instance is listening", path.display());
        return Err(io::Error::new(ErrorKind::AddrInUse, text));
    }
    std::fs::remove_file(path)?;
    UnixListener::bind(path)
}

impl Caller {
    fn new(id: CallerId, kind: Kind, stream: Stream) -> Self {
        let (input, output) = (Vec::new(), Vec::new());
        Self { id, kind, stream, since: Instant::now(), input, output, asked: false, done: false }
    }

    fn serve(&mut self, ask: &mut dyn FnMut(CallerId, Request)) {
        if self.asked {
            return self.flush();
        }
        self.fill();
        let Some(result) = self.request() else { return };
        self.asked = true;
        match result {
            Ok(request) => ask(self.id, request),
            Err(answer) => {
                self.answer(&answer);
                self.flush();
            }
        }
    }

    fn fill(&mut self) {
        let mut chunk = [0; MAX_REQUEST];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return self.done = true,
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return self.done |= e.kind() != ErrorKind::WouldBlock,
            }
            if self.input.len() > MAX_REQUEST {
                return;
            }
        }
    }

    /// The question, once it is complete.
    fn request(&mut self) -> Option<Result<Request, Answer>> {
        let end = match self.kind {
            Kind::Metrics => metrics::request_end(&self.input),
            Kind::Control | Kind::Status => self.input.iter().position(|b| *b == b'\n'),
        };
        let too_long = self.input.len() > MAX_REQUEST;
        let Some(end) = end else {
            return too_long.then(|| Err(Answer::Error("the request is too long".to_owned())));
        };
        // The line is whole even where the caller has closed its half already.
        self.done = false;
        Some(match self.kind {
            Kind::Metrics => metrics::request(&self.input),
            Kind::Control => protocol::parse(&self.input[..end]),
            Kind::Status => protocol::parse(&self.input[..end]).and_then(read_only),
        })
    }

    fn answer(&mut self, answer: &Answer) {
        self.output = match self.kind {
            Kind::Metrics => metrics::response(answer),
            Kind::Control => protocol::line(answer),
            Kind::Status => protocol::line(&protocol::for_everybody(answer)),
        };
    }

    fn flush(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(n) if n > 0 => drop(self.output.drain(..n)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => return self.done = true,
            }
            self.done |= self.output.is_empty();
        }
    }
}

fn read_only(request: Request) -> Result<Request, Answer> {
    match request.is_read_only() {
        true => Ok(request),
        false => Err(Answer::Error("this socket only tells; ask as root over control.sock".to_owned())),
    }
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(l) => {
                let (stream, _) = l.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Unix(stream))
            }
            Self::Tcp(l) => {
                let (stream, _) = l.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(l) => l.as_fd(),
            Self::Tcp(l) => l.as_fd(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(s) => s.as_fd(),
            Self::Tcp(s) => s.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.read(buf),
            Self::Tcp(s) => s.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(s) => s.write(buf),
            Self::Tcp(s) => s.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::client::{self, Asked};
    use crate::status::model::Status;
    use std::os::unix::fs::MetadataExt;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("clat-server-{}-{name}", std::process::id()));
            Self(path)
        }

        fn dir(&self) -> StateDir {
            StateDir::here(Some(&self.0))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Serves until the question is answered.
    fn serve_one(server: &mut Server, answer: &Answer) -> Request {
        for _ in 0..500 {
            let mut asked = None;
            server.serve(&mut |caller, request| asked = Some((caller, request)));
            if let Some((caller, request)) = asked {
                server.answer(caller, answer);
                return request;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("nobody asked");
    }

    #[test]
    fn the_doors_have_the_rights_that_they_need_and_go_with_the_server() {
        let folder = Folder::new("rights");
        let mut server = Server::default();
        server.open(&folder.dir()).unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(folder.dir().control_socket()), 0o600);
        assert_eq!(mode(folder.dir().status_socket()), 0o666);
        let error = Server::default().open(&folder.dir()).unwrap_err();
        assert!(error.to_string().contains("another instance"), "{error}");
        drop(server);
        assert!(!folder.dir().control_socket().exists());
    }

    #[test]
    fn a_dead_socket_is_taken_over() {
        let folder = Folder::new("dead");
        folder.dir().create().unwrap();
        drop(UnixListener::bind(folder.dir().control_socket()).unwrap());
        Server::default().open(&folder.dir()).unwrap();
    }

    #[test]
    fn a_question_goes_through_the_right_door_and_comes_back_answered() {
        let folder = Folder::new("ask");
        let mut server = Server::default();
        server.open(&folder.dir()).unwrap();
        for request in [Request::Status, Request::Reload, Request::Stop] {
            let dir = folder.dir();
            let client = std::thread::spawn(move || client::ask(&dir, request).unwrap());
            let answer = Answer::Status(Box::new(Status { pid: 7, ..Status::default() }));
            assert_eq!(serve_one(&mut server, &answer), request);
            assert!(matches!(client.join().unwrap(), Asked::Answer(a) if a == answer));
        }
        assert!(server.callers.is_empty());
    }

    #[test]
    fn the_open_door_takes_no_orders() {
        let folder = Folder::new("orders");
        let mut server = Server::default();
        server.open(&folder.dir()).unwrap();
        let mut stream = UnixStream::connect(folder.dir().status_socket()).unwrap();
        stream.write_all(b"{\"cmd\":\"stop\"}\n").unwrap();
        let mut asked = false;
        server.serve(&mut |_, _| asked = true);
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(!asked && text.contains("root"), "{text}");
    }

    #[test]
    fn the_open_door_tells_no_addresses_of_packets() {
        let folder = Folder::new("addresses");
        let mut server = Server::default();
        server.open(&folder.dir()).unwrap();
        let answer = Answer::Status(Box::new(crate::status::model::tests::sample()));
        for (socket, shown) in [(folder.dir().control_socket(), true), (folder.dir().status_socket(), false)]
        {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.write_all(b"{\"cmd\":\"status\"}\n").unwrap();
            serve_one(&mut server, &answer);
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert_eq!(text.contains("192.0.2.1 udp"), shown, "{text}");
        }
    }

    #[test]
    fn a_caller_who_says_too_much_or_goes_is_let_go() {
        let folder = Folder::new("flood");
        let mut server = Server::default();
        server.open(&folder.dir()).unwrap();
        let mut long = UnixStream::connect(folder.dir().status_socket()).unwrap();
        long.write_all(&[b'x'; MAX_REQUEST + 1]).unwrap();
        let gone = UnixStream::connect(folder.dir().status_socket()).unwrap();
        drop(gone);
        server.serve(&mut |_, _| panic!("no question was asked"));
        assert!(server.callers.is_empty());
    }

    #[test]
    fn more_callers_than_there_is_room_for_wait_outside() {
        let folder = Folder::new("many");
        let mut server = Server::default();
        server.open(&folder.dir()).unwrap();
        let connect = |_| UnixStream::connect(folder.dir().status_socket()).unwrap();
        let _crowd: Vec<_> = (0..MAX_CALLERS + 4).map(connect).collect();
        server.serve(&mut |_, _| {});
        assert_eq!(server.callers.len(), MAX_CALLERS);
    }
}
