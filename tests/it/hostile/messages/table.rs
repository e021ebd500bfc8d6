//! What each property of the good messages takes, and what does not fit together.

use serde_json::{Value, json};

use super::{
    bad::{Row, Takes as T},
    with,
};

const COUNT: i32 = 2_147_483_647;

/// The properties of a message, by its name among the good ones.
pub(super) fn of(name: &str) -> &'static [Row] {
    match name {
        "text" => TEXT,
        "textV2" => TEXT_V2,
        "sticker" => &[("/packageId", true, T::Digits), ("/stickerId", true, T::Digits)],
        "image" => &[("/originalContentUrl", true, T::Url), ("/previewImageUrl", true, T::Url)],
        "video" => &[
            ("/originalContentUrl", true, T::Url),
            ("/previewImageUrl", true, T::Url),
            ("/trackingId", false, T::Units(100)),
        ],
        "audio" => &[("/originalContentUrl", true, T::Url), ("/duration", true, T::Whole(1, COUNT))],
        "location" => &[
            ("/title", true, T::Units(100)),
            ("/address", true, T::Units(100)),
            ("/latitude", true, T::Number(-90, 90)),
            ("/longitude", true, T::Number(-180, 180)),
        ],
        "coupon" => &[("/couponId", true, T::Units(1_000)), ("/deliveryTag", false, T::Units(30))],
        "imagemap" => IMAGEMAP,
        "buttons" => BUTTONS,
        "confirm" => &[
            ("/altText", true, T::Units(1_500)),
            ("/template", true, T::Typed),
            ("/template/text", true, T::Clusters(240)),
            ("/template/actions", true, T::List(2, 2)),
            ("/template/actions/1/label", true, T::Clusters(20)),
        ],
        "carousel" => CAROUSEL,
        "image_carousel" => &[
            ("/template/columns", true, T::List(1, 10)),
            ("/template/columns/1/imageUrl", true, T::Url),
            ("/template/columns/1/action", true, T::Typed),
            ("/template/columns/1/action/label", false, T::Clusters(12)),
        ],
        "bubble" => BUBBLE,
        "film" => &[
            ("/contents/hero/url", true, T::Url),
            ("/contents/hero/previewUrl", true, T::Url),
            ("/contents/hero/altContent", true, T::Typed),
            ("/contents/hero/aspectRatio", false, T::Aspect),
            ("/contents/hero/action", false, T::Typed),
        ],
        "bubbles" => &[
            ("/contents/contents", true, T::List(1, 12)),
            ("/contents/contents/1", false, T::Typed),
            ("/contents/contents/2/body/contents/0", false, T::Typed),
        ],
        other => panic!("{other}"),
    }
}

const TEXT: &[Row] = &[
    ("/text", true, T::Units(5_000)),
    ("/emojis/1/index", true, T::Whole(0, 4_999)),
    ("/emojis/0/productId", true, T::Units(100)),
    ("/emojis/0/emojiId", true, T::Units(100)),
    ("/emojis", false, T::List(0, 20)),
    ("/sender", false, T::Object),
    ("/sender/name", false, T::Units(20)),
    ("/sender/iconUrl", false, T::Url),
    ("/quickReply", false, T::Object),
    ("/quickReply/items", true, T::List(1, 13)),
    ("/quickReply/items/0/type", true, T::Words),
    ("/quickReply/items/0/imageUrl", false, T::Url),
    ("/quickReply/items/0/action", true, T::Typed),
    ("/quickReply/items/0/action/label", true, T::Clusters(20)),
    ("/quickReply/items/0/action/text", true, T::Clusters(300)),
    ("/quickReply/items/1/action/uri", true, T::Address),
    ("/quickReply/items/1/action/altUri", false, T::Object),
    ("/quickReply/items/1/action/altUri/desktop", false, T::Address),
    ("/quickReply/items/2/action/data", true, T::Units(300)),
    ("/quickReply/items/2/action/displayText", false, T::Clusters(300)),
    ("/quickReply/items/2/action/fillInText", false, T::Clusters(300)),
    ("/quickReply/items/2/action/inputOption", false, T::Words),
    ("/quickReply/items/3/action/data", true, T::Units(300)),
    ("/quickReply/items/3/action/mode", true, T::Words),
    ("/quickReply/items/6/action/clipboardText", true, T::Units(1_000)),
    ("/quickReply/items/7/action/label", true, T::Clusters(20)),
];

const TEXT_V2: &[Row] = &[
    ("/text", true, T::Units(5_000)),
    ("/substitution/smile", false, T::Typed),
    ("/substitution/smile/productId", true, T::Units(100)),
    ("/substitution/smile/emojiId", true, T::Units(100)),
    ("/substitution/who/mentionee", true, T::Object),
    ("/substitution/who/mentionee/userId", true, T::Units(100)),
];

const IMAGEMAP: &[Row] = &[
    ("/baseUrl", true, T::Url),
    ("/altText", true, T::Units(1_500)),
    ("/baseSize", true, T::Object),
    ("/baseSize/width", true, T::Whole(1_040, 1_040)),
    ("/baseSize/height", true, T::Whole(1, COUNT)),
    ("/actions", true, T::List(0, 50)),
    ("/actions/0", false, T::Typed),
    ("/actions/0/linkUri", true, T::Address),
    ("/actions/0/area", true, T::Object),
    ("/actions/0/area/x", true, T::Whole(0, COUNT)),
    ("/actions/0/area/height", true, T::Whole(0, COUNT)),
    ("/actions/1/text", true, T::Units(400)),
    ("/actions/2/clipboardText", true, T::Units(1_000)),
    ("/video", false, T::Object),
    ("/video/originalContentUrl", true, T::Url),
    ("/video/previewImageUrl", true, T::Url),
    ("/video/area/width", true, T::Whole(0, COUNT)),
    ("/video/externalLink/linkUri", true, T::Address),
    ("/video/externalLink/label", true, T::Units(30)),
];

const BUTTONS: &[Row] = &[
    ("/altText", true, T::Units(1_500)),
    ("/template", true, T::Typed),
    ("/template/thumbnailImageUrl", false, T::Url),
    ("/template/imageAspectRatio", false, T::Words),
    ("/template/imageSize", false, T::Words),
    ("/template/imageBackgroundColor", false, T::Colour),
    ("/template/title", false, T::Clusters(40)),
    ("/template/text", true, T::Clusters(60)),
    ("/template/defaultAction", false, T::Typed),
    ("/template/actions", true, T::List(1, 4)),
    ("/template/actions/0/uri", true, T::Address),
    ("/template/actions/1/text", true, T::Clusters(300)),
    ("/template/actions/2/data", true, T::Units(300)),
    ("/template/actions/2/label", true, T::Clusters(20)),
];

const CAROUSEL: &[Row] = &[
    ("/template/columns", true, T::List(1, 10)),
    ("/template/columns/0", false, T::Object),
    ("/template/columns/1/thumbnailImageUrl", false, T::Url),
    ("/template/columns/1/imageBackgroundColor", false, T::Colour),
    ("/template/columns/1/title", false, T::Clusters(40)),
    ("/template/columns/1/text", true, T::Clusters(60)),
    ("/template/columns/1/actions", true, T::List(1, 3)),
    ("/template/columns/1/actions/0/label", true, T::Clusters(20)),
    ("/template/imageAspectRatio", false, T::Words),
    ("/template/imageSize", false, T::Words),
];

const BUBBLE: &[Row] = &[
    ("/altText", true, T::Units(1_500)),
    ("/contents", true, T::Typed),
    ("/contents/size", false, T::Words),
    ("/contents/direction", false, T::Words),
    ("/contents/header", false, T::Typed),
    ("/contents/header/layout", true, T::Words),
    ("/contents/hero", false, T::Typed),
    ("/contents/hero/url", true, T::Url),
    ("/contents/hero/aspectRatio", false, T::Aspect),
    ("/contents/hero/aspectMode", false, T::Words),
    ("/contents/hero/align", false, T::Words),
    ("/contents/hero/gravity", false, T::Words),
    ("/contents/hero/backgroundColor", false, T::Colour),
    ("/contents/hero/animated", false, T::Truth),
    ("/contents/hero/action/uri", true, T::Address),
    ("/contents/action", false, T::Typed),
    ("/contents/styles", false, T::Object),
    ("/contents/styles/header", false, T::Object),
    ("/contents/styles/header/backgroundColor", false, T::Colour),
    ("/contents/styles/header/separator", false, T::Truth),
    ("/contents/body/contents", true, T::List(0, usize::MAX)),
    ("/contents/body/flex", false, T::Whole(0, COUNT)),
    ("/contents/body/position", false, T::Words),
    ("/contents/body/backgroundColor", false, T::Colour),
    ("/contents/body/justifyContent", false, T::Words),
    ("/contents/body/alignItems", false, T::Words),
    ("/contents/body/background", false, T::Typed),
    ("/contents/body/background/startColor", true, T::Colour),
    ("/contents/body/contents/0", false, T::Typed),
    ("/contents/body/contents/0/size", false, T::Units(50)),
    ("/contents/body/contents/0/align", false, T::Words),
    ("/contents/body/contents/0/color", false, T::Colour),
    ("/contents/body/contents/0/weight", false, T::Words),
    ("/contents/body/contents/0/decoration", false, T::Words),
    ("/contents/body/contents/0/wrap", false, T::Truth),
    ("/contents/body/contents/0/maxLines", false, T::Whole(0, COUNT)),
    ("/contents/body/contents/0/contents/0", false, T::Typed),
    ("/contents/body/contents/0/contents/0/color", false, T::Colour),
    ("/contents/body/contents/1/contents/0/url", true, T::Url),
    ("/contents/body/contents/1/contents/0/aspectRatio", false, T::Aspect),
    ("/contents/body/contents/2/color", false, T::Colour),
    ("/contents/body/contents/3/flex", false, T::Whole(0, COUNT)),
    ("/contents/body/contents/4/action", true, T::Typed),
    ("/contents/body/contents/4/action/label", true, T::Clusters(40)),
    ("/contents/body/contents/4/style", false, T::Words),
    ("/contents/body/contents/4/height", false, T::Words),
    ("/contents/body/contents/4/adjustMode", false, T::Words),
];

/// A good message with one property changed, and the property that is to be named.
struct Changed {
    good: Vec<(&'static str, Value)>,
    all: Vec<(Value, String)>,
}

impl Changed {
    fn of(&self, name: &str) -> Value {
        self.good.iter().find(|(known, _)| *known == name).expect(name).1.clone()
    }

    fn add(&mut self, name: &str, pointer: &str, value: Value, named: &str) {
        self.all.push((with(&self.of(name), pointer, Some(value)), named.to_owned()));
    }
}

/// What does not fit together: the message, and the property that is to be named.
pub(super) fn special(good: Vec<(&'static str, Value)>) -> Vec<(Value, String)> {
    let mut changed = Changed { good, all: Vec::new() };
    texts(&mut changed);
    actions(&mut changed);
    braces(&mut changed);
    cards(&mut changed);
    flex(&mut changed);
    placeholders(&mut changed);
    changed.all
}

/// Emoji where no dollar stands.
fn texts(changed: &mut Changed) {
    for index in [1, 8, 9, 11, 12] {
        changed.add("text", "/emojis/1/index", json!(index), "/emojis/1/index");
    }
    // Names that LINE keeps for itself.
    for name in ["LINE", "Line", " line "] {
        changed.add("text", "/sender/name", json!(name), "/sender/name");
    }
    // Times of another mode's form, out of bounds, or in the wrong order.
    for (item, times) in [
        (3, ["2026-02-30", "1899-12-31", "2101-01-01", "09:00", "2026-1-1", "2026-06-01t09:00"]),
        (4, ["24:00", "9:00", "09:60", "2026-06-01", "09:00:00", ""]),
        (
            5,
            [
                "2026-06-01",
                "2026-06-01 09:00",
                "2026-06-01t24:00",
                "1899-12-31t00:00",
                "09:00",
                "2026-02-30T00:00",
            ],
        ),
    ] {
        for time in times {
            for name in ["initial", "min", "max"] {
                let there = format!("/quickReply/items/{item}/action/{name}");
                changed.add("text", &there, json!(time), &there);
            }
        }
    }
    changed.add(
        "text",
        "/quickReply/items/3/action/max",
        json!("2026-01-01"),
        "/quickReply/items/3/action/min",
    );
    changed.add("text", "/quickReply/items/4/action/min", json!("23:59"), "/quickReply/items/4/action/min");
}

/// Actions where LINE does not have them.
fn actions(changed: &mut Changed) {
    for kind in ["camera", "cameraRoll", "location", "richmenuswitch"] {
        for (name, pointer) in [
            ("buttons", "/template/actions/0/type"),
            ("bubble", "/contents/body/contents/4/action/type"),
            ("bubble", "/contents/action/type"),
        ] {
            changed.add(name, pointer, json!(kind), pointer);
        }
    }
    changed.add(
        "text",
        "/quickReply/items/0/action/type",
        json!("richmenuswitch"),
        "/quickReply/items/0/action/type",
    );
}

/// Braces of a textV2 that do not pair, keys that nothing stands for, names that are none.
fn braces(changed: &mut Changed) {
    for text in ["{", "}", "{who", "who}", "{{{{who}", "{who{}}", "{who}}", "{{}"] {
        changed.add("textV2", "/text", json!(text), "/text");
    }
    for text in ["{other}", "{}", "{who} {Who}", "{{{other}}}"] {
        changed.add("textV2", "/text", json!(text), "/substitution");
    }
    let emoji = json!({ "type": "emoji", "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001" });
    for name in ["", "a-b", "名", "aaaaaaaaaaaaaaaaaaaaa"] {
        changed.add(
            "textV2",
            "/substitution",
            json!({ name: emoji, "who": emoji, "smile": emoji }),
            "/substitution",
        );
    }
    for count in [21, 101] {
        let many: serde_json::Map<String, Value> =
            (0..count).map(|number| (format!("k{number}"), emoji.clone())).collect();
        changed.add("textV2", "/substitution", many.into(), "/substitution");
    }
}

/// Columns that differ.
fn cards(changed: &mut Changed) {
    for (name, card, most) in [("buttons", "/template", 160), ("carousel", "/template/columns/0", 120)] {
        let untitled = ["title", "thumbnailImageUrl"]
            .iter()
            .fold(changed.of(name), |message, gone| with(&message, &format!("{card}/{gone}"), None));
        let there = format!("{card}/text");
        changed.all.push((with(&untitled, &there, Some(json!("あ".repeat(most + 1)))), there));
    }
    let one = json!([{ "type": "message", "label": "a", "text": "a" }]);
    changed.add("carousel", "/template/columns/1/actions", one, "/template/columns/1/actions");
}

/// Flex: what may stand where, what must be equal, how large it may be.
fn flex(changed: &mut Changed) {
    let icon = json!({ "type": "icon", "url": "https://shop.example/a.png" });
    changed.add("bubble", "/contents/body/contents/3", icon.clone(), "/contents/body/contents/3/type");
    for (pointer, kinds) in [
        ("/contents/hero/type", ["text", "button", "icon", "separator"]),
        ("/contents/header/type", ["text", "image", "video", "bubble"]),
        ("/contents/body/contents/0/type", ["span", "video", "bubble", "carousel"]),
        ("/contents/body/contents/0/contents/0/type", ["text", "box", "icon", "image"]),
    ] {
        for kind in kinds {
            changed.add("bubble", pointer, json!(kind), pointer);
        }
    }
    changed.add(
        "bubble",
        "/contents/body/contents/0",
        json!({ "type": "text" }),
        "/contents/body/contents/0/text",
    );
    changed.add(
        "bubble",
        "/contents/body/contents/0",
        json!({ "type": "text", "text": "", "contents": [] }),
        "/contents/body/contents/0/text",
    );
    changed.add("film", "/contents/hero/altContent/type", json!("video"), "/contents/hero/altContent/type");
    for size in ["nano", "micro", "deca", "hecto"] {
        changed.add("film", "/contents/size", json!(size), "/contents/size");
    }
    changed.add("bubbles", "/contents/contents/1/size", json!("mega"), "/contents/contents/1/size");
    let film = changed.of("film");
    changed.add("bubbles", "/contents/contents", json!([film["contents"]]), "/contents/contents/0/hero");
    let long = json!({ "type": "text", "text": "あ".repeat(10_240) });
    changed.add("bubble", "/contents/body/contents/0", long.clone(), "/contents");
    let bubble = json!({ "type": "bubble", "body": { "type": "box", "layout": "vertical", "contents": [{ "type": "text", "text": "a".repeat(8_500) }] } });
    changed.add("bubbles", "/contents/contents", vec![bubble; 6].into(), "/contents");
}

/// Placeholders where none may stand, and such that are none.
fn placeholders(changed: &mut Changed) {
    for (name, pointer) in [
        ("sticker", "/packageId"),
        ("coupon", "/couponId"),
        ("text", "/emojis/0/productId"),
        ("text", "/quickReply/items/3/action/mode"),
        ("text", "/quickReply/items/3/action/initial"),
        ("bubble", "/contents/size"),
        ("bubble", "/contents/body/backgroundColor"),
        ("bubble", "/contents/body/contents/0/type"),
    ] {
        changed.add(name, pointer, json!("{{rank}}"), pointer);
    }
    for text in
        ["{{", "{{}}", "{{rank", "{{rank}", "{{|x}}", "{{{rank}}}", "{{rank|{{name}}}}", "a {{rank}} {{"]
    {
        changed.add("text", "/text", json!(text), "/text");
        changed.add(
            "bubble",
            "/contents/body/contents/0/text",
            json!(text),
            "/contents/body/contents/0/text",
        );
    }
    for address in [
        "{{rank}}",
        "https://{{rank}}",
        "https://{{rank}}.example/",
        "https://shop.example{{rank}}",
        "https://a@{{rank}}/",
        "{{rank}}:0312345678",
    ] {
        changed.add("buttons", "/template/actions/0/uri", json!(address), "/template/actions/0/uri");
        changed.add("image", "/originalContentUrl", json!(address), "/originalContentUrl");
    }
}
