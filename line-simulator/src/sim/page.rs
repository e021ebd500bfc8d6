//! `/sim/`: everybody at the left, the chosen user's phone in the middle, deeds and the last webhooks at the right.
//!
//! In: `?user=`, `?channel=`. Out: one page; choosing a phone means holding it, so `?user=` sets the cookie, and a
//! link tapped in the chat opens as in LINE's in-app browser. Not here: what the forms do (`api.rs`).

use http::StatusCode;

use super::chat;
use super::html::{document, escape};
use crate::Simulator;
use crate::config::MessagingChannel;
use crate::login::SESSION_COOKIE;
use crate::people::{AutoLogin, Friendship, User};
use crate::reply::{self, Reply};
use crate::request::Request;

const USERS_SHOWN: usize = 200;
const WEBHOOKS_SHOWN: usize = 8;
const VIOLATIONS_SHOWN: usize = 8;

/// The page looks again by itself, unless something is being typed.
const LIVE: &str = "<script>setInterval(async()=>{const a=document.activeElement;\
    if(a&&a.tagName==='INPUT')return;try{const u=new URL(location.href);u.searchParams.set('live','1');\
    const r=await fetch(u);if(!r.ok)return;\
    const n=new DOMParser().parseFromString(await r.text(),'text/html');\
    for(const id of ['people','talk','side']){const o=document.getElementById(id),m=n.getElementById(id);\
    if(o&&m&&o.innerHTML!==m.innerHTML){o.innerHTML=m.innerHTML;if(id==='talk')o.scrollTop=o.scrollHeight}}}\
    catch{}},2000);const t=document.getElementById('talk');if(t)t.scrollTop=t.scrollHeight</script>";

impl Simulator {
    pub(super) fn phone_page(&self, request: &Request) -> Reply {
        let channel = self.account(request.query.get("channel")).ok();
        let channel = channel.and_then(|id| self.memory.config.messaging(&id));
        let chosen = request.query.get("user").or_else(|| request.cookie(SESSION_COOKIE));
        let chosen = chosen.and_then(|id| self.user(id)).or_else(|| self.users().first());
        let (phone, side) = match (chosen, channel) {
            (Some(user), Some(channel)) => (self.phone(user, channel), self.side(user, channel)),
            _ => (empty_phone(), String::new()),
        };
        let body = format!(
            "<div class=\"desk\"><section><div class=\"panel\"><h1>LINEのユーザー\
             <span class=\"en\">The people on this stand-in</span></h1>{}</div>{}</section>\
             <section>{phone}</section><section id=\"side\">{side}</section></div>{LIVE}",
            self.people_list(chosen, channel),
            new_user_form(),
        );
        let mut reply = reply::html(StatusCode::OK, document("LINE Simulator", "", &body));
        // The page that refreshes itself in another tab must not take this browser to another user.
        let picked = request.query.get("user").is_some() && request.query.get("live").is_none();
        if let Some(user) = chosen.filter(|_| picked) {
            reply::set_cookie(&mut reply, SESSION_COOKIE, &user.id);
        }
        reply
    }

    fn people_list(&self, chosen: Option<&User>, channel: Option<&MessagingChannel>) -> String {
        let row = |user: &User| {
            let mark =
                if chosen.is_some_and(|chosen| chosen.id == user.id) { " class=\"chosen\"" } else { "" };
            format!(
                "<li><a href=\"/sim/?user={id}\"{mark} data-testid=\"user-{name}\"><span class=\"face\">{initial}</span>\
                 {name}{tag}</a></li>",
                id = escape(&user.id),
                name = escape(&user.name),
                initial = escape(&user.name.chars().take(1).collect::<String>()),
                tag = friendship_tag(user, channel),
            )
        };
        let rows: String = self.users().iter().take(USERS_SHOWN).map(row).collect();
        let hidden = self.users().len().saturating_sub(USERS_SHOWN);
        let more =
            if hidden > 0 { format!("<li class=\"note\">ほか {hidden} 人</li>") } else { String::new() };
        format!("<ul class=\"people\" id=\"people\">{rows}{more}</ul>")
    }

    fn phone(&self, user: &User, channel: &MessagingChannel) -> String {
        let bubbles = chat::bubbles(user, &channel.channel_id);
        let bubbles = if bubbles.is_empty() {
            "<p class=\"empty\">まだメッセージはありません<span class=\"en\" style=\"color:#fff\">No messages yet</span></p>"
                .to_owned()
        } else {
            bubbles
        };
        let areas =
            self.memory.bots.rich_menus.get(&channel.channel_id).map(Vec::as_slice).unwrap_or_default();
        let areas: String = areas.iter().map(|area| chat::link(&area.uri, &escape(&area.label))).collect();
        let menu = if areas.is_empty() {
            String::new()
        } else {
            format!("<nav class=\"menu\" data-testid=\"rich-menu\">{areas}</nav>")
        };
        format!(
            "<div class=\"phone\" data-testid=\"phone\"><header class=\"bar\">{account}<span class=\"en\">{name}のスマホ / phone\
             </span></header><div class=\"talk\" id=\"talk\">{bubbles}</div>{menu}\
             <form class=\"say\" method=\"post\" action=\"/sim/users/{id}/message\">\
             <input name=\"text\" placeholder=\"メッセージを入力\" required autocomplete=\"off\" data-testid=\"text\">\
             <button class=\"go\" data-testid=\"send\">送信</button></form></div>",
            account = escape(&channel.display_name),
            name = escape(&user.name),
            id = escape(&user.id),
        )
    }

    fn side(&self, user: &User, channel: &MessagingChannel) -> String {
        let id = escape(&user.id);
        let friendship = user.friendship(&channel.channel_id);
        let deed = |deed: &str, on: bool, japanese: &str, english: &str| {
            let class = if on { " class=\"on\"" } else { "" };
            format!(
                "<form method=\"post\" action=\"/sim/users/{id}/{deed}\"><button{class} data-testid=\"{deed}\">{japanese}\
                 <span class=\"en\">{english}</span></button></form>"
            )
        };
        let deeds = match friendship {
            Friendship::Stranger => deed("follow", true, "友だち追加", "Add as a friend"),
            Friendship::Friend => deed("unfollow", false, "ブロック", "Block"),
            Friendship::Blocked => deed("follow", true, "ブロック解除", "Unblock"),
        };
        let auto_login = match user.auto_login {
            AutoLogin::On => "自動ログインできる / possible",
            AutoLogin::Off => "自動ログインなし / not possible",
            AutoLogin::Fails => "自動ログイン失敗 / fails",
        };
        format!(
            "<div class=\"panel\"><h1>{name}<span class=\"en\"><code>{id}</code><br>{email}{auto_login}</span></h1>\
             <div class=\"deeds\">{deeds}{unlink}</div></div>\
             <div class=\"panel\"><h1>Webhook<span class=\"en\">Last deliveries</span></h1>{webhooks}</div>\
             <div class=\"panel\"><h1>違反<span class=\"en\">Violations of LINE's rules</span></h1>{violations}</div>",
            name = escape(&user.name),
            email = user.email.as_deref().map(|email| format!("{}<br>", escape(email))).unwrap_or_default(),
            unlink = deed("unlink", false, "連携アプリを解除", "Unlink the app"),
            webhooks = self.webhook_rows(),
            violations = self.violation_rows(),
        )
    }

    fn webhook_rows(&self) -> String {
        let all: Vec<_> = self.webhooks.results().collect();
        let row = |result: &&crate::webhook::WebhookResult| {
            let status = result.status.map_or_else(|| "—".to_owned(), |status| status.to_string());
            let class = if result.status == Some(200) { "" } else { " class=\"bad\"" };
            format!(
                "<tr><td>#{}</td><td{class}>{status}</td><td>{}</td></tr>",
                result.number,
                escape(&result.url)
            )
        };
        let rows: String = all.iter().rev().take(WEBHOOKS_SHOWN).map(row).collect();
        if rows.is_empty() {
            "<p class=\"note\">なし / none</p>".to_owned()
        } else {
            format!("<table>{rows}</table>")
        }
    }

    fn violation_rows(&self) -> String {
        let row = |violation: &crate::Violation| {
            format!(
                "<tr><td class=\"bad\">{:?}</td><td>{}</td></tr>",
                violation.kind,
                escape(&violation.detail)
            )
        };
        let rows: String = self.violations().iter().rev().take(VIOLATIONS_SHOWN).map(row).collect();
        if rows.is_empty() {
            "<p class=\"note\">なし / none</p>".to_owned()
        } else {
            format!("<table>{rows}</table>")
        }
    }
}

fn friendship_tag(user: &User, channel: Option<&MessagingChannel>) -> &'static str {
    match channel.map(|channel| user.friendship(&channel.channel_id)).unwrap_or_default() {
        Friendship::Friend => "<span class=\"tag friend-yes\">友だち</span>",
        Friendship::Blocked => "<span class=\"tag blocked\">ブロック中</span>",
        Friendship::Stranger => "<span class=\"tag\">未追加</span>",
    }
}

fn new_user_form() -> String {
    "<div class=\"panel\"><h1>ユーザーを追加<span class=\"en\">Add a user</span></h1>\
     <form method=\"post\" action=\"/sim/users\" class=\"screen\" style=\"padding:0\">\
     <input name=\"name\" placeholder=\"名前\" required data-testid=\"name\">\
     <input name=\"email\" type=\"email\" placeholder=\"メールアドレス（任意）\" data-testid=\"new-email\">\
     <select name=\"auto_login\" data-testid=\"auto-login\"><option value=\"true\">自動ログインできる / auto login</option>\
     <option value=\"false\">PCのブラウザ / no auto login</option>\
     <option value=\"fails\">自動ログインに失敗 / fails</option></select>\
     <label><input type=\"checkbox\" name=\"friend\" value=\"true\"> 友だち / friend</label>\
     <button class=\"go\" data-testid=\"add\">追加<span class=\"en\">Add</span></button></form></div>"
        .to_owned()
}

fn empty_phone() -> String {
    "<div class=\"phone\"><header class=\"bar\">LINE</header><div class=\"talk\"><p class=\"empty\">\
     ユーザーとチャネルを用意してください<span class=\"en\" style=\"color:#fff\">Add a user and a Messaging API channel</span>\
     </p></div></div>"
        .to_owned()
}
