//! The consent page of a link that a member asked for in the shop: names what is tied together and why, and asks. The link
//! itself is made only when the shop redeems the code, so that whoever is lured here ties nothing.

use http::StatusCode;

use super::{
    CONSENT_PATH,
    finish::{self, Failure, Finish, Standing},
};
use crate::{
    config::Site,
    oauth::authorization::{AuthorizationError, LinkIntent},
    platform::{Context, Platform, PlatformError},
    store::pushed,
    web::{
        Reply, Request,
        page::{Choice, Page, PageForm, Text},
    },
};

/// The version of the page's words, recorded with the link: to be raised whenever they change.
pub(super) const TEXT_VERSION: &str = "2026-11-22";

/// The page.
pub(super) fn page(
    finish: &Finish<'_>,
    request: &Request,
    state: &str,
    link: &LinkIntent,
    standing: &Standing,
) -> Reply {
    let (shop, member) = (&finish.site.account.name, link.name());
    let line_name = standing.name.as_deref().unwrap_or("LINE");
    let what_ja = format!("{shop}の会員「{member}」と、LINEアカウント「{line_name}」を連携します。");
    let what_en = format!("This ties the member “{member}” of {shop} to the LINE account “{line_name}”.");
    let why_ja = format!(
        "連携すると、LINEで{shop}にログインでき、お買い物に応じたお知らせをLINEで受け取れるようになります。連携はいつでも解除できます。"
    );
    let why_en = format!(
        "You can then log in to {shop} with LINE and receive messages about your purchases on LINE. You can undo this at any time."
    );
    let warning = Text {
        ja: "この会員がご自身でない場合は、連携しないでください。",
        en: "If this member is not you, do not go on.",
    };
    let form = PageForm {
        action: CONSENT_PATH,
        hidden: vec![("state", state)],
        field: None,
        choices: vec![
            Choice { value: "allow", label: Text { ja: "連携する", en: "Tie them together" } },
            Choice { value: "deny", label: Text { ja: "連携しない", en: "Do not" } },
        ],
    };
    let paragraphs = vec![Text { ja: &what_ja, en: &what_en }, Text { ja: &why_ja, en: &why_en }, warning];
    let title = Text { ja: "LINEアカウントの連携", en: "Tie your LINE account" };
    let page = Page::new(StatusCode::OK, title, paragraphs).form(form);
    page.into_reply(finish.attempt.language(request))
}

/// `POST /line/consent`: (1) a no spends the request; (2) a yes makes the code that carries the link.
pub async fn consent<P: Platform>(
    cx: Context<'_, P>,
    site: &Site,
    request: &Request,
) -> Result<Reply, PlatformError> {
    finish::posted(cx, site, request, async |attempt, state, form| {
        // (1)
        if form.value("choice") != Some("allow") {
            if let Some(pushed) = &attempt.request.pushed {
                let decline = pushed::decline(&site.account.id, &pushed.digest);
                cx.platform.one(&site.account.database, decline).await?;
            }
            return Err(Failure::Client(attempt, AuthorizationError::AccessDenied, "link_declined"));
        }
        // (2)
        let finish = Finish::new(cx, site, &attempt).agreed(cx.platform.now());
        let statements = finish.statements(cx.platform.now());
        let outcomes = cx.platform.batch(&site.account.database, statements).await?;
        finish.leave(cx, request, state, &outcomes).await
    })
    .await
}
