//! `reinstate-demo`: plays the stories against a running server and says whether each came out as told.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use reinstate_demo::{Client, Outbox, Pictures, STORIES, Stage, Story, Teller, stories};

/// Plays six stories of locked accounts against a server that runs with the `outbox` courier.
/// Exit status 0 only when each came out as told.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where the server listens, such as http://127.0.0.1:8080; several instances with commas between.
    #[arg(long, env = "REINSTATE_URL")]
    url: String,
    /// A key of the role `backend`.
    #[arg(long, env = "REINSTATE_BACKEND_KEY", hide_env_values = true)]
    backend_key: String,
    /// A key of the role `reviewer`.
    #[arg(long, env = "REINSTATE_REVIEWER_KEY", hide_env_values = true)]
    reviewer_key: String,
    /// A key of the role `auditor`.
    #[arg(long, env = "REINSTATE_AUDITOR_KEY", hide_env_values = true)]
    auditor_key: String,
    /// The folder in which the courier leaves its messages.
    #[arg(long, env = "REINSTATE_OUTBOX")]
    outbox: PathBuf,
    /// The folder with obama.jpg, obama2.jpg and biden.jpg, as models/fetch fills it.
    #[arg(long)]
    photos: PathBuf,
    /// Only these stories, such as a,c.
    #[arg(long, value_delimiter = ',')]
    only: Vec<char>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("reinstate-demo: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

/// Whether all came out as told.
fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<bool, Box<dyn Error>> {
    if let Some(unknown) = arguments.only.iter().find(|letter| !STORIES.iter().any(|s| s.letter == **letter))
    {
        return Err(format!("there is no story {unknown}; they are a to f").into());
    }
    let server = Client::new(&arguments.url);
    let stage = Stage {
        backend: server.with_key(&arguments.backend_key),
        reviewer: server.with_key(&arguments.reviewer_key),
        auditor: server.with_key(&arguments.auditor_key),
        outbox: Outbox::new(&arguments.outbox),
        pictures: Pictures::load(&arguments.photos)?,
    };
    let wanted = |story: &&Story| arguments.only.is_empty() || arguments.only.contains(&story.letter);
    let mut rows = Vec::new();
    let mut last = None;
    for story in STORIES.iter().filter(wanted) {
        let played = story.play(&stage, &mut Teller::new(out));
        let (as_told, what) = match &played {
            Ok(outcome) => (story.came_out(outcome), stories::describe(outcome)),
            Err(error) => (false, format!("broke off: {}", chain(error))),
        };
        rows.push((story, as_told, what));
        last = played.ok().map(|outcome| outcome.account).or(last);
    }
    summarise(&rows, out)?;
    if let Some(account) = last {
        look_around(arguments, &account, out)?;
    }
    Ok(rows.iter().all(|(_, as_told, _)| *as_told))
}

fn summarise(rows: &[(&Story, bool, String)], out: &mut dyn Write) -> io::Result<()> {
    let width = rows.iter().map(|(story, ..)| story.title.chars().count()).max().unwrap_or(0);
    writeln!(out, "\nHow the stories came out:\n")?;
    for (story, as_told, what) in rows {
        let mark = if *as_told { "as told " } else { "NOT SO: " };
        writeln!(out, "    ({}) {:width$}  {mark} {what}", story.letter, story.title)?;
        if !as_told {
            writeln!(out, "        {:width$}  expected {}", "", story.expected)?;
        }
    }
    Ok(())
}

fn look_around(arguments: &Arguments, account: &str, out: &mut dyn Write) -> io::Result<()> {
    let Arguments { url, backend_key, auditor_key, .. } = arguments;
    let url = url.split(',').next().unwrap_or_default().trim_end_matches('/');
    writeln!(out, "\nThe server listens on {url}. To look around:\n")?;
    writeln!(out, "    curl -s -H 'Authorization: Bearer {backend_key}' {url}/v1/accounts/{account}")?;
    writeln!(
        out,
        "    curl -s -H 'Authorization: Bearer {auditor_key}' {url}/v1/accounts/{account}/timeline"
    )?;
    writeln!(out, "    curl -s {url}/openapi.json")
}

/// An error and what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
