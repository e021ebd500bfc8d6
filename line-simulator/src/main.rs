//! `line-simulator`: the stand-in as a server on loopback.
//!
//! In: `--port`, `--config`, `--state`, `--seed`. Out: one line when it listens, then LINE's hosts at one base
//! until SIGTERM or SIGINT. Not here: what LINE answers; that is the library.

mod server;

use std::process::ExitCode;

use server::arguments::Arguments;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => server::run(arguments).await.map_err(|error| error.to_string()),
        Err(text) => Err(text),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("line-simulator: {text}");
            ExitCode::FAILURE
        }
    }
}
