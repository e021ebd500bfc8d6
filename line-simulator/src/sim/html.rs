//! The frame of every page: escaping, the style sheet, the phone.
//!
//! In: a title and a body that is already HTML. Out: a whole document without anything from outside.

/// Text as it may stand in HTML and in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            symbol => safe.push(symbol),
        }
    }
    safe
}

/// A document of this body.
pub(crate) fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"ja\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style>{head}</head><body>{body}</body></html>",
        escape(title)
    )
}

/// A document that is one phone with a screen of LINE.
pub(crate) fn phone(title: &str, screen: &str) -> String {
    let body = format!(
        "<main class=\"alone\"><div class=\"phone\"><header class=\"bar\">{}</header>{screen}</div>\
         <p class=\"note\">LINE Platform の代役です<span class=\"en\">A stand-in, not LINE</span></p></main>",
        escape(title)
    );
    document(title, "", &body)
}

const STYLE: &str = "
:root{--line:#06C755;--line-deep:#05a647;--ink:#1f2328;--quiet:#6b7280;--edge:#e3e6ea;--sky:#8cabd9;--paper:#f5f6f8}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.5;
 font-family:-apple-system,BlinkMacSystemFont,'Hiragino Sans','Noto Sans JP','Yu Gothic UI',sans-serif;font-size:15px}
.en{display:block;font-size:.72em;font-weight:400;color:var(--quiet);letter-spacing:.01em}
button .en{color:inherit;opacity:.8}
a{color:#0b63ce}
button{font:inherit;cursor:pointer}
button:focus-visible,a:focus-visible,input:focus-visible{outline:3px solid #0b63ce55;outline-offset:2px}
.alone{display:flex;flex-direction:column;align-items:center;padding:24px 12px;gap:10px}
.note{color:var(--quiet);font-size:.8em;text-align:center;margin:0}
.phone{width:100%;max-width:390px;min-height:700px;background:#fff;border:10px solid #16181c;border-radius:42px;
 overflow:hidden;display:flex;flex-direction:column;box-shadow:0 18px 50px #0f172a33}
.bar{background:var(--line);color:#fff;font-weight:700;padding:16px 20px;display:flex;align-items:center;gap:8px}
.bar .en{color:#fff;opacity:.9}
.screen{padding:26px 22px;display:flex;flex-direction:column;gap:16px;flex:1}
.screen h1{font-size:1.25em;margin:0 0 6px}
.screen form{display:flex;flex-direction:column;gap:10px}
.row{display:flex;align-items:center;gap:12px;padding:10px 12px;background:#fff;border:1px solid var(--edge);
 border-radius:14px;text-align:left}
.row:hover{border-color:var(--line)}
.face{flex:none;width:36px;height:36px;border-radius:50%;background:#dff6e8;color:#067a37;display:grid;
 place-items:center;font-weight:700}
.go{background:var(--line);color:#fff;border:0;border-radius:12px;padding:13px;font-weight:700}
.go:hover{background:var(--line-deep)}
.quiet{background:#fff;color:var(--ink);border:1px solid var(--edge);border-radius:12px;padding:12px}
.new{border-top:1px solid var(--edge);padding-top:16px}
input:not([type=checkbox]),select{font:inherit;width:100%;padding:11px 12px;border:1px solid var(--edge);border-radius:12px;
 background:#fff;margin-top:4px}
.permissions{list-style:none;margin:0;padding:0;border:1px solid var(--edge);border-radius:14px}
.permissions li{padding:12px 14px}.permissions li+li{border-top:1px solid var(--edge)}
.friend{background:#eefbf3;border-radius:14px;padding:14px;margin:0}
.friend input,.permissions input{width:18px;height:18px;accent-color:var(--line);vertical-align:-3px}
.desk{display:grid;grid-template-columns:300px minmax(320px,430px) minmax(260px,1fr);gap:24px;padding:24px;
 max-width:1240px;margin:0 auto;align-items:start}
@media (max-width:980px){.desk{grid-template-columns:1fr;padding:14px}.desk .phone{margin:0 auto}}
.desk h1{font-size:1.05em;margin:0 0 10px}
.panel{background:#fff;border:1px solid var(--edge);border-radius:18px;padding:16px}
.panel+.panel{margin-top:16px}
.people{list-style:none;margin:0;padding:0;display:flex;flex-direction:column;gap:4px;max-height:460px;overflow:auto}
.people a{display:flex;align-items:center;gap:10px;padding:8px;border-radius:12px;color:inherit;text-decoration:none}
.people a:hover{background:var(--paper)}.people a.chosen{background:#dff6e8}
.tag{margin-left:auto;font-size:.72em;padding:2px 8px;border-radius:99px;background:#eef0f3;color:var(--quiet);white-space:nowrap}
.tag.friend-yes{background:#dff6e8;color:#067a37}.tag.blocked{background:#fde8e8;color:#b42318}
.talk{background:var(--sky);flex:1;padding:16px 12px;display:flex;flex-direction:column;gap:10px;min-height:420px;
 max-height:520px;overflow:auto}
.bubble{max-width:82%;padding:10px 14px;border-radius:18px;background:#fff;overflow-wrap:anywhere;white-space:pre-wrap;
 align-self:flex-start;border-top-left-radius:6px}
.bubble.mine{align-self:flex-end;background:#8de055;border-top-left-radius:18px;border-top-right-radius:6px}
.bubble img{display:block;max-width:100%;border-radius:10px}
.bubble .acts{display:flex;flex-direction:column;gap:6px;margin-top:8px;white-space:normal}
.acts a,.acts button{display:block;width:100%;text-align:center;padding:9px;border-radius:10px;border:0;
 background:#f0f2f5;color:#0b63ce;text-decoration:none;font-weight:600}
.time{font-size:.68em;color:#ffffffd9;align-self:flex-start;margin-top:-6px}.time.mine{align-self:flex-end}
.menu{display:grid;grid-template-columns:repeat(3,1fr);gap:1px;background:var(--edge);border-top:1px solid var(--edge)}
.menu a{background:#fff;padding:18px 6px;text-align:center;text-decoration:none;color:var(--ink);font-weight:600}
.menu a:hover{background:#eefbf3}
.say{display:flex;gap:8px;padding:10px;border-top:1px solid var(--edge)}.say input{margin:0}.say .go{white-space:nowrap;padding:10px 16px}
.deeds{display:flex;flex-wrap:wrap;gap:8px}.deeds form{display:contents}
.deeds button{padding:9px 14px;border-radius:10px;border:1px solid var(--edge);background:#fff}
.deeds button.on{background:var(--line);border-color:var(--line);color:#fff}
.empty{color:#fff;text-align:center;margin:auto}
table{border-collapse:collapse;width:100%;font-size:.82em}td{padding:5px 6px;border-top:1px solid var(--edge);overflow-wrap:anywhere}
code{font-size:.85em;overflow-wrap:anywhere}
.bad{color:#b42318}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
