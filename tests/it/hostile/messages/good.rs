//! Messages of every kind with nearly every property, all of which LINE takes.

use serde_json::{Value, json};

const URL: &str = "https://shop.example/a.jpg";

fn link(label: &str) -> Value {
    json!({ "type": "uri", "label": label, "uri": "https://shop.example/", "altUri": { "desktop": "https://shop.example/pc" } })
}

fn says(label: &str) -> Value {
    json!({ "type": "message", "label": label, "text": "はい" })
}

fn postback() -> Value {
    json!({ "type": "postback", "label": "押す", "data": "a=1", "displayText": "押した", "inputOption": "openKeyboard", "fillInText": "a" })
}

fn emoji(index: usize) -> Value {
    json!({ "index": index, "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001" })
}

/// A message, by a name for it.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("text", text()),
        ("textV2", text_v2()),
        ("sticker", json!({ "type": "sticker", "packageId": "446", "stickerId": "1988" })),
        ("image", json!({ "type": "image", "originalContentUrl": URL, "previewImageUrl": URL })),
        (
            "video",
            json!({ "type": "video", "originalContentUrl": URL, "previewImageUrl": URL, "trackingId": "t-1" }),
        ),
        ("audio", json!({ "type": "audio", "originalContentUrl": URL, "duration": 60_000 })),
        (
            "location",
            json!({ "type": "location", "title": "店", "address": "東京都", "latitude": 35.6, "longitude": 139.7 }),
        ),
        (
            "coupon",
            json!({ "type": "coupon", "couponId": "01JYNW8JMQVFBNWF1APF8Z3FS7", "deliveryTag": "autumn_1" }),
        ),
        ("imagemap", imagemap()),
        ("buttons", buttons()),
        ("confirm", confirm()),
        ("carousel", carousel()),
        ("image_carousel", image_carousel()),
        ("bubble", json!({ "type": "flex", "altText": "お知らせ", "contents": bubble() })),
        ("film", film()),
        ("bubbles", bubbles()),
    ]
}

fn text() -> Value {
    let items = json!([
        { "type": "action", "imageUrl": URL, "action": says("はい") },
        { "type": "action", "action": link("店") },
        { "type": "action", "action": postback() },
        { "type": "action", "action": { "type": "datetimepicker", "label": "日", "data": "d", "mode": "date", "initial": "2026-06-01", "min": "2026-01-01", "max": "2026-12-31" } },
        { "type": "action", "action": { "type": "datetimepicker", "label": "時", "data": "d", "mode": "time", "min": "09:00", "max": "23:59" } },
        { "type": "action", "action": { "type": "datetimepicker", "label": "日時", "data": "d", "mode": "datetime", "initial": "2026-06-01t09:00" } },
        { "type": "action", "action": { "type": "clipboard", "label": "写す", "clipboardText": "ABC" } },
        { "type": "action", "action": { "type": "camera", "label": "写真" } },
        { "type": "action", "action": { "type": "cameraRoll", "label": "選ぶ" } },
        { "type": "action", "action": { "type": "location", "label": "場所" } },
    ]);
    json!({
        "type": "text", "text": "$ こんにちは🍎 $", "emojis": [emoji(0), emoji(10)],
        "quickReply": { "items": items }, "sender": { "name": "店長", "iconUrl": URL },
    })
}

fn text_v2() -> Value {
    let substitution = json!({
        "smile": { "type": "emoji", "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001" },
        "who": { "type": "mention", "mentionee": { "type": "user", "userId": "U0123456789abcdef0123456789abcdef" } },
        "all": { "type": "mention", "mentionee": { "type": "all" } },
    });
    json!({ "type": "textV2", "text": "{who}さん {{}} {smile}", "substitution": substitution })
}

fn imagemap() -> Value {
    let area = json!({ "x": 0, "y": 0, "width": 520, "height": 520 });
    json!({
        "type": "imagemap", "baseUrl": "https://shop.example/map", "altText": "地図",
        "baseSize": { "width": 1040, "height": 1040 },
        "video": { "originalContentUrl": URL, "previewImageUrl": URL, "area": area, "externalLink": { "linkUri": "https://shop.example/", "label": "見る" } },
        "actions": [
            { "type": "uri", "linkUri": "https://shop.example/", "area": area },
            { "type": "message", "text": "はい", "area": area },
            { "type": "clipboard", "clipboardText": "ABC", "area": area },
        ],
    })
}

fn template(template: &Value) -> Value {
    json!({ "type": "template", "altText": "お知らせ", "template": template })
}

fn buttons() -> Value {
    template(&json!({
        "type": "buttons", "thumbnailImageUrl": URL, "imageAspectRatio": "square", "imageSize": "contain",
        "imageBackgroundColor": "#FFFFFF", "title": "秋", "text": "新茶", "defaultAction": link("見る"),
        "actions": [link("見る"), says("はい"), postback()],
    }))
}

fn confirm() -> Value {
    template(&json!({ "type": "confirm", "text": "いいですか", "actions": [says("はい"), says("いいえ")] }))
}

fn carousel() -> Value {
    let column = json!({
        "thumbnailImageUrl": URL, "imageBackgroundColor": "#000000", "title": "秋", "text": "新茶",
        "defaultAction": link("見る"), "actions": [link("見る"), says("はい")],
    });
    template(
        &json!({ "type": "carousel", "columns": [column, column], "imageAspectRatio": "rectangle", "imageSize": "cover" }),
    )
}

fn image_carousel() -> Value {
    let column = json!({ "imageUrl": URL, "action": link("見る") });
    template(&json!({ "type": "image_carousel", "columns": [column, column] }))
}

fn bubble() -> Value {
    let row = json!({
        "type": "box", "layout": "baseline", "contents": [
            { "type": "icon", "url": URL, "size": "md", "aspectRatio": "1:1", "margin": "sm", "position": "relative", "scaling": true },
            { "type": "text", "text": "4.0" },
        ],
    });
    let text = json!({
        "type": "text", "text": "新茶", "contents": [{ "type": "span", "text": "新", "size": "md", "color": "#111111", "weight": "bold", "style": "italic", "decoration": "underline" }],
        "flex": 1, "size": "sm", "align": "center", "gravity": "top", "color": "#11111180", "weight": "regular", "style": "normal",
        "decoration": "none", "wrap": true, "lineSpacing": "4px", "margin": "md", "position": "absolute", "maxLines": 2,
        "adjustMode": "shrink-to-fit", "scaling": false, "action": link("見る"),
    });
    let button = json!({
        "type": "button", "action": link("見る"), "flex": 0, "color": "#06C755", "style": "primary", "gravity": "center",
        "margin": "lg", "position": "relative", "height": "sm", "adjustMode": "shrink-to-fit", "scaling": true,
    });
    let body = json!({
        "type": "box", "layout": "vertical", "flex": 1, "spacing": "md", "margin": "sm", "position": "relative",
        "backgroundColor": "#FFFFFF", "borderColor": "#000000", "borderWidth": "light", "cornerRadius": "4px", "width": "100%",
        "height": "50px", "paddingAll": "none", "justifyContent": "center", "alignItems": "flex-start",
        "background": { "type": "linearGradient", "angle": "0deg", "startColor": "#000000", "endColor": "#FFFFFF", "centerColor": "#888888" },
        "action": link("見る"),
        "contents": [text, row, { "type": "separator", "margin": "md", "color": "#EEEEEE" }, { "type": "filler", "flex": 1 }, button],
    });
    json!({
        "type": "bubble", "size": "mega", "direction": "ltr", "action": link("見る"),
        "header": { "type": "box", "layout": "horizontal", "contents": [{ "type": "text", "text": "お知らせ" }] },
        "hero": { "type": "image", "url": URL, "flex": 1, "margin": "none", "position": "relative", "align": "start", "gravity": "bottom", "size": "full", "aspectRatio": "20:13", "aspectMode": "cover", "backgroundColor": "#FFFFFF", "animated": false, "action": link("見る") },
        "body": body,
        "footer": { "type": "box", "layout": "vertical", "contents": [] },
        "styles": { "header": { "backgroundColor": "#FFFFFF", "separator": true, "separatorColor": "#000000" } },
    })
}

fn film() -> Value {
    let alternative = json!({ "type": "image", "url": URL });
    let hero = json!({ "type": "video", "url": URL, "previewUrl": URL, "altContent": alternative, "aspectRatio": "16:9", "action": link("見る") });
    json!({ "type": "flex", "altText": "映像", "contents": { "type": "bubble", "size": "kilo", "hero": hero } })
}

fn bubbles() -> Value {
    let text = json!({ "type": "text", "text": "新茶" });
    let bubble = json!({ "type": "bubble", "size": "micro", "body": { "type": "box", "layout": "vertical", "contents": [text] } });
    json!({ "type": "flex", "altText": "三つ", "contents": { "type": "carousel", "contents": [bubble, bubble, bubble] } })
}
