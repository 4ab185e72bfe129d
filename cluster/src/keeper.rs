//! Children that do not outlive this process, however it ends.
//!
//! Linux can signal a child when its parent dies (`PR_SET_PDEATHSIG`), and means by that the *thread* that made the child. A
//! test's thread is gone long before its process, so one thread that never ends makes them all. `setpriv` of util-linux
//! arms the signal (and changes the user, which would disarm it again if it came later).

use std::{
    io,
    process::{Child, Command},
    sync::{OnceLock, mpsc},
    thread,
};

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a command from the thread that lives as long as this process.
///
/// # Errors
/// As [`Command::spawn`].
pub fn spawn(command: Command) -> io::Result<Child> {
    static KEEPER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in jobs {
                // Whoever asked waits for it.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let gone = |_| io::Error::other("the thread that starts processes is gone");
    let (answer, spawned) = mpsc::channel();
    keeper.send((command, answer)).map_err(|_| gone(mpsc::RecvError))?;
    spawned.recv().map_err(gone)?
}

/// `setpriv`, set to end what it runs with `signal` (such as `KILL`) when this process dies. Arguments are appended by the caller:
/// further options, then the program.
#[must_use]
pub fn until_we_die(signal: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig").arg(signal);
    command
}
