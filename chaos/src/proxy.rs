//! A TCP connection that can be slow or cut: stands between a service and what it needs.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Bytes that are passed on at once.
const CHUNK: usize = 16 * 1024;

/// What the way is like at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weather {
    #[default]
    Fair,
    /// Every chunk, in either direction, comes this much later.
    Slow(Duration),
    /// Connections are reset, new ones are closed at once.
    Cut,
}

#[derive(Debug, Default)]
struct State {
    weather: Weather,
    /// Both sides of each connection that has not ended, by its number.
    open: HashMap<u64, [TcpStream; 2]>,
    /// Connections so far.
    begun: u64,
}

/// Passes connections on until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes what comes on to `target`.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (state, stopped) = (Arc::<Mutex<State>>::default(), Arc::<AtomicBool>::default());
        let (shared, end) = (Arc::clone(&state), Arc::clone(&stopped));
        let listening = thread::spawn(move || {
            for near in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(near) = near else { continue };
                if lock(&shared).weather != Weather::Cut {
                    // Nobody listens there at the moment: the caller sees its connection closed.
                    let _ = connect(near, target, &shared);
                }
            }
        });
        Ok(Self { address, state, stopped, listening: Some(listening) })
    }

    /// Where to connect instead of to the target.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather, for connections that are open too.
    pub fn set(&self, weather: Weather) {
        let mut state = lock(&self.state);
        state.weather = weather;
        if weather == Weather::Cut {
            close(&mut state);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        close(&mut lock(&self.state));
        // Wakes the listener.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(listening) = self.listening.take().filter(|_| woken) {
            let _ = listening.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close(state: &mut State) {
    for stream in state.open.drain().flat_map(|(_, sides)| sides) {
        // The other side may have gone already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn connect(near: TcpStream, target: SocketAddr, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let far = TcpStream::connect_timeout(&target, Duration::from_secs(2))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ways = [(near.try_clone()?, far.try_clone()?), (far.try_clone()?, near.try_clone()?)];
    let number = {
        let mut state = lock(state);
        state.begun += 1;
        let number = state.begun;
        state.open.insert(number, [near, far]);
        number
    };
    for (from, to) in ways {
        let state = Arc::clone(state);
        thread::spawn(move || {
            // It ends when either side ends, whatever the reason.
            let _ = pass(&from, &to, &state);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
            lock(&state).open.remove(&number);
        });
    }
    Ok(())
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        let weather = lock(state).weather;
        if let Weather::Slow(delay) = weather {
            thread::sleep(delay);
        }
        to.write_all(&chunk[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut from, mut to) = {
                    let stream = stream.unwrap();
                    (stream.try_clone().unwrap(), stream)
                };
                thread::spawn(move || io::copy(&mut from, &mut to));
            }
        });
        address
    }

    fn say(stream: &mut TcpStream) -> io::Result<()> {
        let mut heard = [0; 5];
        stream.write_all(b"hello")?;
        stream.read_exact(&mut heard)
    }

    #[test]
    fn what_is_sent_arrives_and_is_answered() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        say(&mut stream).unwrap();
        say(&mut stream).unwrap();
    }

    #[test]
    fn a_slow_way_takes_at_least_its_delay_in_each_direction() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        say(&mut stream).unwrap();
        proxy.set(Weather::Slow(Duration::from_millis(60)));
        let begin = Instant::now();
        say(&mut stream).unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(120));
    }

    #[test]
    fn a_connection_that_has_ended_is_kept_by_nobody() {
        let proxy = Proxy::start(echo()).unwrap();
        for _ in 0..20 {
            say(&mut TcpStream::connect(proxy.address()).unwrap()).unwrap();
        }
        let begin = Instant::now();
        while !lock(&proxy.state).open.is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
    }

    #[test]
    fn a_cut_ends_open_connections_and_new_ones_until_it_is_mended() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        say(&mut stream).unwrap();
        proxy.set(Weather::Cut);
        assert!(say(&mut stream).is_err());
        assert!(TcpStream::connect(proxy.address()).and_then(|mut stream| say(&mut stream)).is_err());
        proxy.set(Weather::Fair);
        TcpStream::connect(proxy.address()).and_then(|mut stream| say(&mut stream)).unwrap();
    }
}
