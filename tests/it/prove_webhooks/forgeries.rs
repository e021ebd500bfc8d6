//! Deliveries that LINE did not send.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use enishi::{
    time::SECOND,
    web::{LINE_SIGNATURE, MAX_BODY, Request},
};
use enishi_world::{ACCOUNT, OTHER_ACCOUNT, World, line_simulator::sign};
use http::HeaderValue;
use serde_json::json;

use super::Customers;
use crate::support::{Stage, for_each_seed_of, is_full, webhook};

const TOO_LARGE: &str = "too large";

/// Forged deliveries of one seed.
const FORGED: (usize, usize) = (1_000, 10_000);

#[test]
fn prove_forgeries_are_all_refused_and_counted() {
    let number = if is_full() { FORGED.1 } else { FORGED.0 };
    for_each_seed_of("forgeries", 5, |seed| {
        let stage = Stage::new(seed);
        let world = &stage.world;
        stage.other_shop();
        let mut customers = Customers::new(world);
        let mut body = |world: &World| {
            let one = customers.original();
            one.body(world.below(2) == 0)
        };
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for at in 0..number {
            let (kind, forged) = forged(world, at, &body(world), &body(world));
            *kinds.entry(kind).or_default() += 1;
            let status = world.answer(forged).status.as_u16();
            assert_eq!(status, if kind == TOO_LARGE { 413 } else { 401 }, "seed {seed}: {kind}");
            world.advance(i64::try_from(world.below(60)).unwrap());
        }
        // What was not written down yet goes with the next one.
        world.advance(6 * SECOND);
        let (_, last) = forged(world, 0, &body(world), &body(world));
        assert_eq!(world.answer(last).status, 401);
        let counted = world
            .query("SELECT reason, sum(count) AS n FROM webhook_refusals GROUP BY reason ORDER BY reason");
        let foreign = kinds["for the other bot"];
        // What is too large is read by nobody.
        let bad = number as u64 + 1 - foreign - kinds[TOO_LARGE];
        assert_eq!(
            counted,
            [
                json!({ "reason": "bad_signature", "n": bad }),
                json!({ "reason": "foreign_destination", "n": foreign })
            ]
        );
        assert_eq!(world.queued(), Vec::<String>::new());
        assert_eq!(
            stage.count("webhook_deliveries") + stage.count("webhook_events") + stage.count("line_users"),
            0
        );
        let good = body(world);
        assert_eq!(world.answer(webhook(&good)).status, 200, "LINE's own is taken as before");
        vec![
            ("forged", number as u64 + 1),
            ("ways", kinds.len() as u64),
            ("accepted", 0),
            ("answered 5xx", 0),
        ]
    });
}

/// A delivery that LINE did not send like this: how it came to be, and as it comes.
fn forged(world: &World, at: usize, body: &str, other: &str) -> (&'static str, Request) {
    let good = webhook(body);
    let signature = good.headers[LINE_SIGNATURE].to_str().unwrap().to_owned();
    let with = |signature: &str, body: &[u8]| {
        let mut request = good.clone();
        request.headers.insert(LINE_SIGNATURE, HeaderValue::from_bytes(signature.as_bytes()).unwrap());
        request.body = Some(body.to_vec());
        request
    };
    let (whole, place) = (body.as_bytes(), world.below(body.len()));
    match at % 18 {
        0 => {
            let mut bytes = whole.to_vec();
            bytes[place] ^= 1 << world.below(8);
            ("a bit of the body", with(&signature, &bytes))
        }
        1 => {
            // A bit of the 256 that are signed, so that another base64 of the same is none of these.
            let mut bytes = STANDARD.decode(&signature).unwrap();
            bytes[world.below(32)] ^= 1 << world.below(8);
            ("a bit of the signature", with(&STANDARD.encode(bytes), whole))
        }
        2 => ("the body cut off", with(&signature, &whole[..place])),
        3 => ("the signature cut off", with(&signature[..world.below(44)], whole)),
        4 => ("the other account's secret", with(&sign(OTHER_ACCOUNT.messaging_secret, whole), whole)),
        5 => ("the Login channel's secret", with(&sign(ACCOUNT.login_secret, whole), whole)),
        6 => {
            let theirs = body.replace(ACCOUNT.bot_user_id, OTHER_ACCOUNT.bot_user_id);
            (
                "the other account's delivery",
                with(&sign(OTHER_ACCOUNT.messaging_secret, theirs.as_bytes()), theirs.as_bytes()),
            )
        }
        7 => {
            ("the signature of another body", with(&sign(ACCOUNT.messaging_secret, other.as_bytes()), whole))
        }
        8 => {
            let url = signature.replace('+', "-").replace('/', "_");
            // Where it is the same in both, its padding is what is wrong.
            let url = if url == signature { signature.trim_end_matches('=').to_owned() } else { url };
            ("base64url", with(&url, whole))
        }
        9 => ("in lower case", with(&signature.to_lowercase(), whole)),
        10 => ("in upper case", with(&signature.to_uppercase(), whole)),
        11 => ("an empty signature", with("", whole)),
        12 => {
            let mut request = good.clone();
            request.headers.remove(LINE_SIGNATURE);
            ("no signature", request)
        }
        13 => {
            let mut request = with(&sign(ACCOUNT.messaging_secret, other.as_bytes()), whole);
            request.headers.append(LINE_SIGNATURE, HeaderValue::from_str(&signature).unwrap());
            ("two signatures, the true one behind", request)
        }
        14 => ("a space behind the body", with(&signature, &[whole, b" "].concat())),
        15 => {
            let long = [&b" ".repeat(MAX_BODY)[..], whole].concat();
            let signature = sign(ACCOUNT.messaging_secret, &long);
            // Rarely, for they are large.
            if at % 180 == 15 {
                (TOO_LARGE, with(&signature, &long))
            } else {
                ("no body", with(&signature, b""))
            }
        }
        16 => {
            let theirs = body.replace(ACCOUNT.bot_user_id, OTHER_ACCOUNT.bot_user_id);
            ("for the other bot", with(&sign(ACCOUNT.messaging_secret, theirs.as_bytes()), theirs.as_bytes()))
        }
        _ => {
            let hex: String =
                STANDARD.decode(&signature).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            ("in hexadecimal", with(&hex, whole))
        }
    }
}
