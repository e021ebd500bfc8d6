//! The command line.
//!
//! In: words. Out: [`Arguments`], or what is wrong with them.

use std::path::PathBuf;

/// Where LINE stands on this machine unless told otherwise.
const DEFAULT_PORT: u16 = 8788;

pub(crate) const USAGE: &str = "usage: line-simulator [--port N] [--config FILE] [--state FILE] [--seed N]";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// 0 lets the system choose.
    pub(crate) port: u16,
    pub(crate) config: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) seed: u64,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { port: DEFAULT_PORT, config: None, state: None, seed: 1 };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
            let number = |_| format!("{name} {value} is not a number\n{USAGE}");
            match name.as_str() {
                "--port" => arguments.port = value.parse().map_err(number)?,
                "--seed" => arguments.seed = value.parse().map_err(number)?,
                "--config" => arguments.config = Some(value.into()),
                "--state" => arguments.state = Some(value.into()),
                _ => return Err(format!("unknown argument {name}\n{USAGE}")),
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_argument_has_a_default_and_a_value() {
        assert_eq!(parse(""), Ok(Arguments { port: 8788, config: None, state: None, seed: 1 }));
        let all = parse("--port 0 --config c.json --state s.json --seed 7").unwrap();
        assert_eq!((all.port, all.seed, all.state), (0, 7, Some("s.json".into())));
        assert!(parse("--port").is_err());
        assert!(parse("--port many").is_err());
        assert!(parse("--host 0.0.0.0").is_err());
    }
}
