//! An event, as rules compare it and as targets get it.

use serde_json::{Value, json};

use crate::World;

/// Something that has happened in an account.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) source: String,
    pub(crate) detail_type: String,
    /// The ARNs of what it is about.
    pub(crate) resources: Vec<String>,
    pub(crate) detail: Value,
}

impl Event {
    /// The form that it has everywhere. It keeps it, and its id, on whatever bus it gets.
    pub(super) fn envelope(self, world: &mut World) -> Value {
        let Self { account, region, source, detail_type, resources, detail } = self;
        json!({
            "version": "0",
            "id": world.random_uuid(),
            "detail-type": detail_type,
            "source": source,
            "account": account,
            "time": world.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": region,
            "resources": resources,
            "detail": detail,
        })
    }
}
