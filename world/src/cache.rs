//! KV: what was written is seen up to 60 s later by whoever has looked before, and "absent" is an answer like any other.
//!
//! Limits and manners are those of KV's documentation ("How KV works", "Limits").

use std::collections::HashMap;

use enishi::time::SECOND;

use crate::World;

/// How long a reader may see the past, in milliseconds.
pub const STALENESS: i64 = 60 * SECOND;

/// The longest key, in bytes.
const MAX_KEY: usize = 512;

/// The largest value, in bytes.
const MAX_VALUE: usize = 25 * 1024 * 1024;

/// The shortest life that KV grants a value, in seconds.
const MIN_SECONDS: u32 = 60;

/// Values and what readers remember of them.
#[derive(Debug)]
pub(crate) struct Cache {
    values: HashMap<String, Value>,
    seen: HashMap<String, Seen>,
    staleness: i64,
}

#[derive(Debug, Clone)]
struct Value {
    text: String,
    expires_at: i64,
}

#[derive(Debug)]
struct Seen {
    value: Option<Value>,
    at: i64,
}

impl Default for Cache {
    fn default() -> Self {
        Self { values: HashMap::new(), seen: HashMap::new(), staleness: STALENESS }
    }
}

impl Cache {
    pub(crate) fn read(&mut self, key: &str, now: i64) -> Option<String> {
        let remembered = self.seen.get(key).filter(|seen| now - seen.at < self.staleness);
        let value = if let Some(seen) = remembered {
            seen.value.clone()
        } else {
            let value = self.values.get(key).cloned();
            self.seen.insert(key.to_owned(), Seen { value: value.clone(), at: now });
            value
        };
        value.filter(|value| now < value.expires_at).map(|value| value.text)
    }

    pub(crate) fn write(&mut self, key: &str, text: &str, seconds: u32, now: i64) -> Result<(), String> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(format!("a key of {} bytes", key.len()));
        }
        if text.len() > MAX_VALUE {
            return Err(format!("a value of {} bytes", text.len()));
        }
        if seconds < MIN_SECONDS {
            return Err(format!("a value for {seconds} s"));
        }
        let expires_at = now + i64::from(seconds) * SECOND;
        self.values.insert(key.to_owned(), Value { text: text.to_owned(), expires_at });
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }
}

impl World {
    /// Sets how long readers of KV see the past, in milliseconds; [`STALENESS`] at first.
    pub fn set_cache_staleness(&self, millis: i64) {
        self.cache.borrow_mut().staleness = millis;
    }

    /// Everything in KV now, for tests that look for what must not be there.
    #[must_use]
    pub fn cached_values(&self) -> Vec<(String, String)> {
        let cache = self.cache.borrow();
        cache.values.iter().map(|(key, value)| (key.clone(), value.text.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_the_past_for_a_minute_absence_included() {
        let mut cache = Cache::default();
        assert_eq!(cache.read("k", 0), None);
        cache.write("k", "v", 600, 1).unwrap();
        assert_eq!(cache.read("k", 59_999), None);
        assert_eq!(cache.read("k", 60_000).as_deref(), Some("v"));
        cache.remove("k");
        assert_eq!(cache.read("k", 119_999).as_deref(), Some("v"));
        assert_eq!(cache.read("k", 120_000), None);
    }

    #[test]
    fn a_value_ends_at_its_time() {
        let mut cache = Cache::default();
        cache.write("k", "v", 60, 0).unwrap();
        assert_eq!(cache.read("k", 59_999).as_deref(), Some("v"));
        assert_eq!(cache.read("k", 60_000), None);
        assert!(cache.write("k", "v", 59, 0).is_err());
    }
}
