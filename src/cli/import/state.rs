//! A Terraform state as Terraform writes it: a state file of format 4, or the output of `terraform show -json`.
//!
//! A state holds secrets in plain text. So only the attributes that name grants and attachments are read, and no error
//! repeats a value of the file.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;

/// The largest state that is read. States of whole companies have some ten MB.
pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// How the state was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateFormat {
    /// A state file of format 4, as it lies in a backend and as `terraform state pull` prints it.
    File,
    /// The output of `terraform show -json`.
    Shown,
}

impl fmt::Display for StateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "state file of format 4",
            Self::Shown => "output of `terraform show -json`",
        })
    }
}

/// A state.
#[derive(Debug)]
pub(super) struct State {
    pub format: StateFormat,
    /// Each instance of each resource, in the order of the file.
    pub objects: Vec<StateObject>,
}

/// An instance of a resource or of a data source.
#[derive(Debug)]
pub(super) struct StateObject {
    /// As `terraform state list` shows it.
    pub address: String,
    /// The address without the keys of instances, as a `removed` block names it.
    pub block: String,
    /// Such as `alicloud_cen_instance_grant`.
    pub kind: String,
    /// Whether it is a resource; else it is a data source.
    pub managed: bool,
    /// The provider with its alias, which only a state file tells: objects with the same one belong to the same account.
    pub provider: Option<String>,
    /// What the next apply does with it, whatever the configuration says.
    pub fate: Option<Fate>,
    pub attributes: Attributes,
}

/// Why Terraform destroys an object at its next apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// To be destroyed and created again.
    Tainted,
    /// Left over from a replacement, to be destroyed.
    Deposed,
}

/// The attributes that name grants, attachments and accounts. All others are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    pub id: Option<Value>,
    pub account_id: Option<Value>,
    pub cen_id: Option<Value>,
    pub cen_owner_id: Option<Value>,
    pub cen_uid: Option<Value>,
    pub instance_id: Option<Value>,
    pub child_instance_id: Option<Value>,
    pub child_instance_owner_id: Option<Value>,
    pub child_instance_region_id: Option<Value>,
    pub ccn_id: Option<Value>,
    pub vpc_id: Option<Value>,
    pub vpc_owner_id: Option<Value>,
    pub vbr_id: Option<Value>,
    pub vbr_owner_id: Option<Value>,
    pub vpn_id: Option<Value>,
    pub vpn_owner_id: Option<Value>,
    pub ecr_id: Option<Value>,
    pub ecr_owner_id: Option<Value>,
    pub region_id: Option<Value>,
    pub order_type: Option<Value>,
    pub transit_router_id: Option<Value>,
    pub transit_router_attachment_id: Option<Value>,
}

/// What tells the formats apart.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    version: Option<Value>,
    format_version: Option<Value>,
    backend: Option<IgnoredAny>,
    encrypted_data: Option<IgnoredAny>,
    planned_values: Option<IgnoredAny>,
    resource_changes: Option<IgnoredAny>,
}

/// Reads a state.
///
/// # Errors
/// What is wrong with it, and what to give instead.
pub(super) fn read(bytes: &[u8]) -> Result<State, String> {
    const PULL: &str = "`terraform state pull` prints the state";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16, as PowerShell's > writes it; write UTF-8".into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(format!("it is empty; {PULL}"));
    }
    let head: Head = parsed(text)?;
    if head.encrypted_data.is_some() {
        return Err("it is encrypted; `tofu state pull` decrypts it where the key is configured".into());
    }
    if head.backend.is_some() {
        return Err(format!("it only says where the state is (.terraform/terraform.tfstate); {PULL}"));
    }
    if head.planned_values.is_some() || head.resource_changes.is_some() {
        return Err("it is a plan; give the state: `terraform show -json` without a file".into());
    }
    match (head.version, head.format_version) {
        (Some(version), _) => match version.as_u64() {
            Some(4) => Ok(State { format: StateFormat::File, objects: parsed::<StateFile>(text)?.objects() }),
            Some(1..=3) => Err("its format is that of Terraform before 0.12; `terraform state pull` of a newer \
                                Terraform prints it in format 4"
                .into()),
            _ => Err("its format is not 4; give the output of `terraform show -json`".into()),
        },
        (None, Some(version)) => match version.as_str().and_then(|version| version.split('.').next()) {
            Some("0" | "1") => Ok(State { format: StateFormat::Shown, objects: parsed::<Shown>(text)?.objects() }),
            _ => Err("the format of its JSON is not 1; give the state file".into()),
        },
        (None, None) => Err(format!("it is no Terraform state: it has neither `version` nor `format_version`; {PULL}")),
    }
}

/// The message of a wrong type repeats the value, so it is not shown.
fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        let at = format!("line {} column {}", error.line(), error.column());
        match error.classify() {
            Category::Data => format!("it has not the shape of a Terraform state at {at}"),
            _ if !text.starts_with('{') => "it is not JSON; `terraform show` needs -json".into(),
            _ => format!("it is not valid JSON at {at}"),
        }
    })
}

#[derive(Deserialize)]
struct StateFile {
    #[serde(default)]
    resources: Vec<FileResource>,
}

#[derive(Deserialize)]
struct FileResource {
    #[serde(default)]
    module: Option<String>,
    mode: String,
    r#type: String,
    name: String,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    instances: Vec<FileInstance>,
}

#[derive(Deserialize)]
struct FileInstance {
    #[serde(default)]
    index_key: Option<Value>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    deposed: Option<String>,
    #[serde(default)]
    attributes: Option<Attributes>,
    /// Of a resource that no Terraform since 0.12 has changed.
    #[serde(default)]
    attributes_flat: Option<Attributes>,
}

impl StateFile {
    fn objects(self) -> Vec<StateObject> {
        self.resources.into_iter().flat_map(FileResource::objects).collect()
    }
}

impl FileResource {
    fn objects(self) -> impl Iterator<Item = StateObject> {
        let Self { module, mode, r#type: kind, name, provider, instances } = self;
        let managed = mode == "managed";
        let base = format!("{}{kind}.{name}", if managed { "" } else { "data." });
        let base = module.map_or(base.clone(), |module| format!("{module}.{base}"));
        instances.into_iter().map(move |instance| {
            let key = instance.index_key.as_ref().and_then(key).unwrap_or_default();
            let tainted = instance.status.as_deref() == Some("tainted");
            StateObject {
                address: format!("{base}{key}"),
                block: without_keys(&base),
                kind: kind.clone(),
                managed,
                provider: provider.clone(),
                fate: fate(tainted, instance.deposed.as_deref()),
                attributes: instance.attributes.or(instance.attributes_flat).unwrap_or_default(),
            }
        })
    }
}

#[derive(Deserialize)]
struct Shown {
    /// Absent in an empty state.
    #[serde(default)]
    values: Option<ShownValues>,
}

#[derive(Deserialize)]
struct ShownValues {
    #[serde(default)]
    root_module: ShownModule,
}

/// As deep as the JSON parser goes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ShownModule {
    resources: Vec<ShownResource>,
    child_modules: Vec<ShownModule>,
}

#[derive(Deserialize)]
struct ShownResource {
    address: String,
    mode: String,
    r#type: String,
    #[serde(default)]
    tainted: bool,
    #[serde(default)]
    deposed_key: Option<String>,
    #[serde(default)]
    values: Option<Attributes>,
}

impl Shown {
    fn objects(self) -> Vec<StateObject> {
        let mut objects = Vec::new();
        let mut modules: Vec<ShownModule> = self.values.into_iter().map(|values| values.root_module).collect();
        while let Some(ShownModule { resources, child_modules }) = modules.pop() {
            objects.extend(resources.into_iter().map(ShownResource::object));
            modules.extend(child_modules.into_iter().rev());
        }
        objects
    }
}

impl ShownResource {
    fn object(self) -> StateObject {
        StateObject {
            block: without_keys(&self.address),
            address: self.address,
            kind: self.r#type,
            managed: self.mode == "managed",
            provider: None,
            fate: fate(self.tainted, self.deposed_key.as_deref()),
            attributes: self.values.unwrap_or_default(),
        }
    }
}

fn fate(tainted: bool, deposed: Option<&str>) -> Option<Fate> {
    match deposed.filter(|key| !key.is_empty()) {
        Some(_) => Some(Fate::Deposed),
        None => tainted.then_some(Fate::Tainted),
    }
}

/// The key of an instance as an address shows it: a number, or a quoted text of the configuration language.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(format!("[{number}]")),
        Value::String(text) => {
            let quoted = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
            let quoted = quoted.replace('\t', "\\t").replace("${", "$${").replace("%{", "%%{");
            Some(format!("[\"{quoted}\"]"))
        }
        _ => None,
    }
}

/// An address without the keys of its instances.
fn without_keys(address: &str) -> String {
    let (mut kept, mut quoted, mut within, mut escaped) = (String::new(), false, false, false);
    for c in address.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if within => quoted = !quoted,
            '[' if !quoted => within = true,
            ']' if !quoted => within = false,
            c if !within => kept.push(c),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = include_bytes!("../../../tests/data/terraform/state.json");
    const SHOWN: &[u8] = include_bytes!("../../../tests/data/terraform/shown.json");

    fn addresses(state: &State) -> Vec<&str> {
        state.objects.iter().map(|object| object.address.as_str()).collect()
    }

    #[test]
    fn both_formats_of_a_state_name_the_same_objects() {
        let (file, shown) = (read(FILE).unwrap(), read(SHOWN).unwrap());
        assert_eq!((file.format, shown.format), (StateFormat::File, StateFormat::Shown));
        assert_eq!(addresses(&file), addresses(&shown));
        let facts = |state: &State| -> Vec<_> {
            let facts = state.objects.iter().map(|object| {
                (object.block.clone(), object.kind.clone(), object.managed, object.fate, object.attributes.id.clone())
            });
            facts.collect()
        };
        assert_eq!(facts(&file), facts(&shown));
    }

    /// Terraform 1.11 takes each of these addresses in `state rm`, and each block in `removed`.
    #[test]
    fn addresses_are_those_that_terraform_takes() {
        let key = |text: &str| key(&Value::from(text)).unwrap();
        assert_eq!(key("prod \"a\" ${x} %{y} 'q' \\"), r#"["prod \"a\" $${x} %%{y} 'q' \\"]"#);
        for (address, block) in [
            ("a.b", "a.b"),
            ("a.b[0]", "a.b"),
            (r#"module.net["cn]\".x"].module.y[0].a.b["z"]"#, "module.net.module.y.a.b"),
        ] {
            assert_eq!(without_keys(address), block, "{address}");
        }
    }

    #[test]
    fn what_is_no_state_of_these_formats_says_what_to_give_instead() {
        for (text, says) in [
            ("", "it is empty"),
            ("  \n", "it is empty"),
            ("# alicloud_vpc.a:\nresource", "needs -json"),
            ("{\"version\": 4, ", "not valid JSON at line 1"),
            ("{\"version\": 4, \"resources\": 7}", "has not the shape of a Terraform state at line 1"),
            ("[7]", "its format is not 4"),
            ("\"text\"", "has not the shape"),
            ("{}", "neither `version` nor `format_version`"),
            ("{\"version\": 3, \"modules\": []}", "before 0.12"),
            ("{\"version\": 5, \"resources\": {\"new\": 1}}", "its format is not 4"),
            ("{\"version\": \"4\"}", "its format is not 4"),
            ("{\"version\": 3, \"backend\": {\"type\": \"oss\"}}", "terraform state pull"),
            ("{\"serial\": 1, \"encrypted_data\": \"YWJj\", \"encryption_version\": \"v0\"}", "tofu state pull"),
            ("{\"format_version\": \"1.2\", \"planned_values\": {}}", "it is a plan"),
            ("{\"format_version\": \"2.0\"}", "is not 1"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(read(&[0xff, 0xfe, b'{', 0]).unwrap_err().contains("UTF-16"));
        assert!(read(b"{\"version\": 4, \"x\": \"\xff\"}").unwrap_err().contains("UTF-8"));
        assert!(read("\u{feff}{\"format_version\": \"1.0\"}".as_bytes()).unwrap().objects.is_empty());
    }

    #[test]
    fn no_error_repeats_a_value() {
        for text in [
            r#"{"version": 4, "resources": "s3cr3t"}"#,
            r#"{"version": 4, "resources": [{"mode": "managed", "type": {"s3cr3t": 1}, "name": "a"}]}"#,
            r#"{"version": 4, "resources": [{"mode": "managed", "type": "a", "name": "a",
                "instances": [{"attributes": "s3cr3t"}]}]}"#,
            r#"{"format_version": "1.0", "values": {"root_module": {"resources": "s3cr3t"}}}"#,
            r#"{"version": "s3cr3t"}"#,
            r#"{"format_version": "s3cr3t"}"#,
            "s3cr3t",
            r#"{"version": 4, s3cr3t"#,
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn modules_deeper_than_the_parser_goes_are_refused() {
        let (open, close) = (r#"{"child_modules":["#, "]}");
        let deep = |depth: usize| {
            let modules = format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
            format!(r#"{{"format_version":"1.0","values":{{"root_module":{modules}}}}}"#)
        };
        assert!(read(deep(20).as_bytes()).is_ok());
        assert!(read(deep(100_000).as_bytes()).unwrap_err().contains("not valid JSON"));
        let skipped = format!(r#"{{"version":4,"outputs":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(skipped.as_bytes()).unwrap().objects.is_empty(), "what is not read may be as deep as it likes");
    }
}
