//! A shop's login with the Rust crate `openidconnect`, driven by the tests in `tests/clients`.
//!
//! In: commands as JSON on standard input, one a line, the first of them `discover`. Out: for each one line of JSON on
//! standard output, what it gave or how it failed. Not here: what a shop does with the crate (`relying_party.rs`).

mod relying_party;

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use openidconnect::url::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::relying_party::{Failure, Login, Registration, RelyingParty, Tokens, Wishes, with_causes};

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Command {
    /// Reads the provider's metadata and keys, and keeps them.
    Discover(Registration),
    /// Begins a login.
    Start(Wishes),
    /// Ends the login that came back to this address.
    Finish { callback: Url, login: Login },
    /// Trades a refresh token.
    Refresh { tokens: Tokens },
    /// Where the browser ends its session at the provider.
    LogoutUrl { tokens: Tokens, post_logout_redirect_uri: String, state: String },
}

fn main() -> ExitCode {
    let mut relying_party = None;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let written = line.and_then(|line| writeln!(output, "{}", answer(&mut relying_party, &line)));
        // The tests are gone: nobody is left to tell.
        if written.and_then(|()| output.flush()).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn answer(relying_party: &mut Option<RelyingParty>, line: &str) -> Value {
    let command = serde_json::from_str(line).map_err(Failure::Command);
    match command.and_then(|command| perform(relying_party, command)) {
        Ok(value) => json!({ "ok": value }),
        Err(failure) => {
            json!({ "failure": { "reason": failure.reason(), "message": with_causes(&failure) } })
        }
    }
}

fn perform(relying_party: &mut Option<RelyingParty>, command: Command) -> Result<Value, Failure> {
    if let Command::Discover(registration) = command {
        *relying_party = Some(RelyingParty::discover(registration)?);
        return Ok(Value::Null);
    }
    let shop = relying_party.as_mut().ok_or(Failure::NotDiscovered)?;
    match command {
        Command::Discover(_) => Ok(Value::Null),
        Command::Start(wishes) => to_json(&shop.start(wishes)),
        Command::Finish { callback, login } => to_json(&shop.finish(&callback, login)?),
        Command::Refresh { tokens } => to_json(&shop.refresh(&tokens)?),
        Command::LogoutUrl { tokens, post_logout_redirect_uri, state } => {
            to_json(&shop.logout_url(&tokens, post_logout_redirect_uri, state)?)
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(Failure::Command)
}
