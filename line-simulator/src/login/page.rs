//! The screens of a login as a phone shows them: plain HTML forms that work without JavaScript.
//!
//! In: who logs in to what. Out: pages, everything from outside escaped. Not here: what the forms do (`screen.rs`).

use crate::people::{Friendship, User};
use crate::sim::html::{escape, phone};

/// The friend line of the consent screen.
pub(crate) struct FriendBox {
    pub(crate) account: String,
    pub(crate) friendship: Friendship,
    /// Certified providers only.
    pub(crate) checked: bool,
}

/// What the consent screen lets the user choose.
pub(crate) struct Boxes<'a> {
    /// The address that is asked for.
    pub(crate) email: Option<&'a str>,
    pub(crate) friend: Option<FriendBox>,
}

/// LINE's 400 page.
pub(crate) fn refusal(text: &str) -> String {
    let body = format!(
        "<div class=\"screen\"><h1>400 Bad Request</h1><p>{}</p>\
         <p class=\"en\">エラーが発生しました。</p></div>",
        escape(text)
    );
    phone("LINE", &body)
}

/// The end of the account-link dialog.
pub(crate) fn account_linked(ok: bool) -> String {
    let (japanese, english) = if ok {
        ("アカウントを連携しました", "The accounts were linked")
    } else {
        ("アカウントを連携できませんでした", "The accounts could not be linked")
    };
    let body = format!(
        "<div class=\"screen\" data-testid=\"account-link\"><h1>{japanese}<span class=\"en\">{english}</span></h1></div>"
    );
    phone("アカウント連携", &body)
}

/// The log-in form: the simulated people as buttons, and a field for a new one.
pub(crate) fn log_in<'a>(id: &str, service: &str, users: impl Iterator<Item = &'a User>) -> String {
    let buttons: String = users.map(user_button).collect();
    let body = format!(
        "<div class=\"screen\"><h1>LINEにログイン<span class=\"en\">Log in to {service}</span></h1>\
         <form method=\"post\" action=\"/sim/authorize/{id}/login\">{buttons}</form>\
         <form method=\"post\" action=\"/sim/authorize/{id}/login\" class=\"new\">\
         <label>新しいユーザー<span class=\"en\">A new user</span>\
         <input name=\"name\" placeholder=\"例：花子\" required data-testid=\"new-user-name\"></label>\
         <label>メールアドレス（任意）<span class=\"en\">Email address (optional)</span>\
         <input name=\"email\" type=\"email\" data-testid=\"new-user-email\"></label>\
         <button class=\"go\" data-testid=\"login-new\">作成してログイン<span class=\"en\">Create and log in</span>\
         </button></form></div>",
        service = escape(service),
    );
    phone("LINE ログイン", &body)
}

fn user_button(user: &User) -> String {
    format!(
        "<button class=\"row\" name=\"user_id\" value=\"{}\" data-testid=\"login-as-{name}\">\
         <span class=\"face\">{initial}</span>{name}</button>",
        escape(&user.id),
        name = escape(&user.name),
        initial = escape(&user.name.chars().take(1).collect::<String>()),
    )
}

/// The confirmation of a session in this browser.
pub(crate) fn continue_as(id: &str, service: &str, user: &User) -> String {
    let name = escape(&user.name);
    let body = format!(
        "<div class=\"screen\"><h1>{name}としてログイン<span class=\"en\">Continue as {name} to {}</span></h1>\
         <form method=\"post\" action=\"/sim/authorize/{id}/continue\">\
         <button class=\"go\" name=\"decision\" value=\"continue\" data-testid=\"continue\">ログイン\
         <span class=\"en\">Log in</span></button>\
         <button class=\"quiet\" name=\"decision\" value=\"other\" data-testid=\"other-user\">別のアカウント\
         <span class=\"en\">Another account</span></button></form></div>",
        escape(service)
    );
    phone("LINE ログイン", &body)
}

/// The consent screen: what is asked for, the e-mail box and the friend line if there are any.
pub(crate) fn consent(id: &str, service: &str, user: &User, scopes: &[String], boxes: &Boxes<'_>) -> String {
    let permissions: String = scopes.iter().map(|scope| permission(scope)).collect();
    let email = boxes.email.map(email_line).unwrap_or_default();
    let friend = boxes.friend.as_ref().map(friend_line).unwrap_or_default();
    let body = format!(
        "<div class=\"screen\"><h1>{service}<span class=\"en\">{name} さん・以下の許可をリクエストしています \
         / asks for these permissions</span></h1>\
         <form method=\"post\" action=\"/sim/authorize/{id}/consent\"><ul class=\"permissions\">{permissions}{email}</ul>\
         {friend}<button class=\"go\" name=\"decision\" value=\"allow\" data-testid=\"allow\">許可する\
         <span class=\"en\">Allow</span></button>\
         <button class=\"quiet\" name=\"decision\" value=\"cancel\" data-testid=\"cancel\">キャンセル\
         <span class=\"en\">Cancel</span></button></form></div>",
        service = escape(service),
        name = escape(&user.name),
    );
    phone("権限の確認", &body)
}

fn permission(scope: &str) -> String {
    let (japanese, english) = match scope {
        "profile" => ("プロフィール情報（必須）", "Main profile info (required)"),
        "openid" => ("ユーザー識別子（必須）", "Your internal identifier (required)"),
        // The address has a box of its own.
        _ => return String::new(),
    };
    format!("<li>{japanese}<span class=\"en\">{english}</span></li>")
}

/// The one permission that can be refused by itself; checked beforehand.
fn email_line(address: &str) -> String {
    format!(
        "<li><label><input type=\"checkbox\" name=\"email\" value=\"true\" checked data-testid=\"email\"> \
         メールアドレス（任意）<span class=\"en\">Email address (optional)</span>{}</label></li>",
        escape(address)
    )
}

fn friend_line(friend: &FriendBox) -> String {
    let account = escape(&friend.account);
    if friend.friendship == Friendship::Friend {
        return format!(
            "<p class=\"friend\" data-testid=\"already-friend\">{account}は友だちに追加済みです\
             <span class=\"en\">Already added as a friend</span></p>"
        );
    }
    let (japanese, english) = option_text(friend.friendship);
    let checked = if friend.checked { " checked" } else { "" };
    format!(
        "<label class=\"friend\"><input type=\"checkbox\" name=\"friend\" value=\"true\"{checked} \
         data-testid=\"friend\"> {account}{japanese}<span class=\"en\">{english}</span></label>"
    )
}

fn option_text(friendship: Friendship) -> (&'static str, &'static str) {
    match friendship {
        Friendship::Blocked => ("のブロックを解除", "Unblock"),
        Friendship::Stranger | Friendship::Friend => ("を友だち追加", "Add as a friend"),
    }
}

/// The separate screen of `bot_prompt=aggressive`.
pub(crate) fn friend(id: &str, account: &str, user: &User, friendship: Friendship) -> String {
    let name = escape(account);
    let (heading, buttons) = if friendship == Friendship::Friend {
        (
            format!("{name}は友だちに追加済みです<span class=\"en\">Already added</span>"),
            "<button class=\"go\" name=\"decision\" value=\"continue\" data-testid=\"continue\">次へ\
             <span class=\"en\">Continue</span></button>"
                .to_owned(),
        )
    } else {
        let (japanese, english) = option_text(friendship);
        (
            format!("{name}{japanese}<span class=\"en\">{english}, {}?</span>", escape(&user.name)),
            format!(
                "<button class=\"go\" name=\"decision\" value=\"allow\" data-testid=\"allow\">{}\
                 <span class=\"en\">{english}</span></button>\
                 <button class=\"quiet\" name=\"decision\" value=\"cancel\" data-testid=\"cancel\">今はしない\
                 <span class=\"en\">Not now</span></button>",
                if friendship == Friendship::Blocked { "ブロック解除" } else { "追加" }
            ),
        )
    };
    let body = format!(
        "<div class=\"screen\"><h1>{heading}</h1>\
         <form method=\"post\" action=\"/sim/authorize/{id}/friend\">{buttons}</form></div>"
    );
    phone("友だち追加", &body)
}
