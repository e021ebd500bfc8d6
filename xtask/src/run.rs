//! `cargo xtask run`: the product on this machine, until ctrl-C.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::build::{SET_UP_STEPS, build, set_up};
use crate::http;
use crate::line;
use crate::process::stopped;
use crate::progress::Progress;
use crate::project::Project;
use crate::stack::{Claim, Place, Stack};

/// Production's cron trigger is every minute; `wrangler dev` fires none by itself.
const MINUTE: Duration = Duration::from_mins(1);

/// Sets up, builds, starts, and stays.
pub(crate) fn run(project: &Project, fresh: bool) -> Result<()> {
    let claim = Claim::of(Place::run(project)?)?;
    if fresh {
        claim.wipe()?;
    }
    let mut progress = Progress::new(SET_UP_STEPS + 3);
    let workshop = set_up(project, &mut progress)?;
    progress.step("the worker");
    build(project, &workshop)?;
    progress.step("the LINE stand-in");
    let line = line::binary(project)?;
    progress.step("migrations, the three processes, the demo account");
    let mut stack = Stack::start(project, &workshop, &line, claim)?;
    print_guide(stack.place(), progress.seconds());
    stay(&mut stack)
}

/// Ticks the cron handler until the person stops it, or a process ends.
fn stay(stack: &mut Stack) -> Result<()> {
    let mut ticked = Instant::now();
    while !stopped() {
        stack.check()?;
        if ticked.elapsed() >= MINUTE {
            ticked = Instant::now();
            tick(stack.place());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    eprintln!("stopping");
    Ok(())
}

/// Not waited for, so that ctrl-C is heard at once.
fn tick(place: &Place) {
    let url = format!("{}/cdn-cgi/local/scheduled?cron=*+*+*+*+*", place.edge());
    std::thread::spawn(move || match http::status(&url, Duration::from_secs(50)) {
        Some(200) => {}
        Some(status) => eprintln!("the cron handler answered {status}: see target/run/edge.log"),
        None => eprintln!("the cron handler did not answer: see target/run/edge.log"),
    });
}

fn print_guide(place: &Place, seconds: u64) {
    let (edge, line, shop) = (place.edge(), place.line(), place.shop());
    println!(
        "
Enishi is up after {seconds} s.

  shop             {shop}/
  LINE stand-in    {line}/sim/
  worker           {edge}/

Three things to try:

  1. Open {shop}/ and log in with the green LINE button.
  2. Open {line}/sim/ to see each user's chat; follow, block, write a message.
  3. Open {shop}/staff, make yourself a gold member and send: your chat shows it. The same by the API:

     key=$(sed -n 's/.*\"api_key\": \"\\(.*\\)\".*/\\1/p' target/run/demo.json)
     curl {edge}/v1/sends -H \"authorization: Bearer $key\" \\
       -H 'content-type: application/json' -H \"idempotency-key: $(date +%s)\" \\
       -d '{{\"rule\": {{\"attribute\": \"rank\", \"equals\": \"gold\"}}, \"messages\": [{{\"type\": \"text\", \"text\": \"こんにちは\"}}]}}'

Logs and demo.json are in target/run/. Saved sources are built and loaded. Ctrl-C stops; --fresh starts over."
    );
}
