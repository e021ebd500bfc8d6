//! The sizes that benches ask for.

use std::sync::Arc;

use line_simulator::NewUser;
use serde_json::json;

use crate::{Line, text};

#[test]
fn a_message_to_many_is_stored_once() {
    let mut line = Line::new();
    for number in 0..1_000 {
        let name = format!("客{number}");
        line.sim.add_user(NewUser { name, friend: true, ..NewUser::default() });
    }
    let ids: Vec<_> = line.sim.users().iter().map(|user| user.id.clone()).collect();
    for chunk in ids.chunks(500) {
        let body = json!({ "to": chunk, "messages": text("お知らせ") });
        assert_eq!(line.call("/v2/bot/message/multicast", &body).status(), 200);
    }
    let first = &line.sim.chat(&ids[0])[0].message;
    assert!(Arc::ptr_eq(first, &line.sim.chat(&ids[499])[0].message));
    assert!(ids.iter().all(|id| line.sim.chat(id).len() == 1));
}
