//! Closed lists of words: enums whose variants each have the one word that messages, rows, files and events show.

/// Makes such an enum: with `ALL`, `as_str`, `parse`, `Display`, and serde by the word.
macro_rules! words {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident { $($(#[$of_variant:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[schemars(transform = crate::domain::listed)]
        $visibility enum $name {
            $($(#[$of_variant])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one, in the order of the list.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word; upper and lower case matter.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

/// Makes the schema of a list of words short: the words alone, since the documents say what each means.
pub(crate) fn listed(schema: &mut schemars::Schema) {
    let Some(fields) = schema.as_object_mut() else { return };
    let Some(serde_json::Value::Array(each)) = fields.remove("oneOf") else { return };
    let words = each.iter().flat_map(|one| match &one["enum"] {
        serde_json::Value::Array(words) => words.clone(),
        _ => vec![one["const"].clone()],
    });
    let words: Vec<serde_json::Value> = words.collect();
    fields.insert("type".into(), "string".into());
    fields.insert("enum".into(), words.into());
}
