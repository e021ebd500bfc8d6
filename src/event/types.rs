//! The types that are built in, with the properties that each is checked for. Whatever else an event says is kept too.

use serde_json::Value;

use crate::{attribute::is_date, time::UnixMillis, web::lines::Refused};

/// A type that is built in.
#[derive(Debug)]
pub struct Type {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// What it says more closely.
    pub properties: &'static [Property],
}

/// A property of a type.
#[derive(Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// Its form.
    pub form: Form,
    /// Whether every event of the type has it.
    pub is_needed: bool,
}

/// What a property may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text of 1 to 255 characters: an id of the shop's. A number would be another value.
    Id,
    /// Text of at most 1,000 characters.
    Text,
    /// A number.
    Number,
    /// A number that is not below 0.
    Amount,
    /// ISO 4217: three capital letters. JPY where it is not said.
    Currency,
    /// A day, `YYYY-MM-DD`, or a time in RFC 3339.
    When,
    /// At most 100 objects, each a product of `ITEM`.
    Items,
}

const fn needed(name: &'static str, form: Form) -> Property {
    Property { name, form, is_needed: true }
}

const fn known(name: &'static str, form: Form) -> Property {
    Property { name, form, is_needed: false }
}

/// All of them, in the order of a customer's way.
pub const BUILT_IN: &[Type] = &[
    Type {
        name: "product_viewed",
        about: "a product was looked at",
        properties: &[
            needed("product_id", Form::Id),
            known("name", Form::Text),
            known("category", Form::Text),
            known("price", Form::Amount),
            known("currency", Form::Currency),
            known("url", Form::Text),
        ],
    },
    Type {
        name: "cart_updated",
        about: "the cart holds these items now; none: it is empty",
        properties: &[
            needed("items", Form::Items),
            known("total", Form::Amount),
            known("currency", Form::Currency),
            known("url", Form::Text),
        ],
    },
    Type {
        name: "purchase",
        about: "an order was placed",
        properties: &[
            needed("order_id", Form::Id),
            needed("amount", Form::Amount),
            known("currency", Form::Currency),
            known("items", Form::Items),
        ],
    },
    Type {
        name: "refund",
        about: "an order was paid back, wholly or in part",
        properties: &[
            needed("order_id", Form::Id),
            needed("amount", Form::Amount),
            known("currency", Form::Currency),
            known("items", Form::Items),
        ],
    },
    Type {
        name: "shipped",
        about: "an order is on its way",
        properties: &[
            needed("order_id", Form::Id),
            known("carrier", Form::Text),
            known("tracking_number", Form::Text),
            known("url", Form::Text),
        ],
    },
    Type {
        name: "wishlist_added",
        about: "a product was put on the list of wishes",
        properties: &[
            needed("product_id", Form::Id),
            known("name", Form::Text),
            known("price", Form::Amount),
            known("currency", Form::Currency),
            known("url", Form::Text),
        ],
    },
    Type {
        name: "restocked",
        about: "a product that the member waits for is there again",
        properties: &[
            needed("product_id", Form::Id),
            known("name", Form::Text),
            known("price", Form::Amount),
            known("currency", Form::Currency),
            known("url", Form::Text),
        ],
    },
    Type {
        name: "price_changed",
        about: "a product that the member cares for has another price",
        properties: &[
            needed("product_id", Form::Id),
            needed("price", Form::Amount),
            known("old_price", Form::Amount),
            known("currency", Form::Currency),
            known("name", Form::Text),
            known("url", Form::Text),
        ],
    },
    Type {
        name: "points_changed",
        about: "points came, or went (below 0)",
        properties: &[
            needed("points", Form::Number),
            known("balance", Form::Number),
            known("reason", Form::Text),
        ],
    },
    Type {
        name: "points_expiring",
        about: "points will be lost unless they are spent",
        properties: &[needed("points", Form::Amount), needed("expires_at", Form::When)],
    },
    Type {
        name: "reservation",
        about: "something was reserved, or changed, or called off",
        properties: &[
            needed("reservation_id", Form::Id),
            known("state", Form::Text),
            known("starts_at", Form::When),
            known("store", Form::Text),
        ],
    },
    Type {
        name: "subscription",
        about: "a subscription began, goes on, or ended",
        properties: &[
            needed("subscription_id", Form::Id),
            known("state", Form::Text),
            known("product_id", Form::Id),
            known("amount", Form::Amount),
            known("currency", Form::Currency),
            known("next_at", Form::When),
        ],
    },
];

/// What each of `items` says.
pub const ITEM: &[Property] = &[
    needed("product_id", Form::Id),
    known("name", Form::Text),
    known("quantity", Form::Amount),
    known("price", Form::Amount),
];

/// Products of one event.
const MAX_ITEMS: usize = 100;

impl Form {
    /// Checks a value.
    pub(super) fn check(self, value: &Value) -> Result<(), Refused> {
        let says = |is_good: bool, says: &str| {
            if is_good { Ok(()) } else { Err(Refused::new("", says)) }
        };
        let text = value.as_str();
        let of_length = |least, most| text.is_some_and(|text| (least..=most).contains(&text.chars().count()));
        match self {
            Self::Id => {
                says(of_length(1, 255), "must be text of 1 to 255 characters; write a number as text")
            }
            Self::Text => says(of_length(0, 1_000), "must be text of at most 1000 characters"),
            Self::Number => says(value.is_number(), "must be a number"),
            Self::Amount => says(
                value.as_f64().is_some_and(|number| number >= 0.0),
                "must be a number that is not below 0",
            ),
            Self::Currency => says(
                text.is_some_and(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())),
                "must be three capital letters of ISO 4217, such as JPY",
            ),
            Self::When => says(
                text.is_some_and(|text| is_date(text) || UnixMillis::parse_rfc3339(text).is_some()),
                "must be a day (YYYY-MM-DD) or a time in RFC 3339",
            ),
            Self::Items => {
                let items = value.as_array().filter(|items| items.len() <= MAX_ITEMS);
                let items = items.ok_or_else(|| Refused::new("", "must be a list of at most 100 items"))?;
                items.iter().enumerate().try_for_each(|(at, item)| {
                    let item = item.as_object().ok_or_else(|| Refused::new("", "must be a JSON object"));
                    item.and_then(|item| super::properties::check_all(ITEM, item))
                        .map_err(|refused| refused.within(&format!("[{at}]")))
                })
            }
        }
    }
}
