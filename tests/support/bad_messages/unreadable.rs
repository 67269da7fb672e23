//! Bodies that are no JSON object, or one that two readers may read differently.

use serde_json::Value;

use super::{Bad, good};

pub fn unreadable() -> Vec<Bad> {
    let text = good().to_string();
    let inside = |more: &str| text.replacen('{', &format!("{{{more},"), 1);
    let cut = |bytes: usize| text.as_bytes()[..bytes].to_vec();
    let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    vec![
        Bad::raw("empty", ""),
        Bad::raw("only space", " \r\n\t"),
        Bad::raw("cut after a byte", cut(1)),
        Bad::raw("cut in the middle", cut(text.len() / 2)),
        Bad::raw("cut before the last byte", cut(text.len() - 1)),
        Bad::raw("cut within a character", [&cut(text.len() - 1)[..], br#","labels":{"a":""#, &[0xe4, 0xbd]].concat()),
        Bad::raw("no JSON at all", "please grant vpc-bp1h8vbrbcgohcju50003"),
        Bad::raw("XML", "<job><id>NET-4312/1</id></job>"),
        Bad::raw("a form", "id=NET-4312%2F1&kind=grant"),
        Bad::raw("YAML", "id: NET-4312/1\nkind: grant\n"),
        Bad::raw("single quotes", text.replace('"', "'")),
        Bad::raw("a trailing comma", text.replacen("\"kind\":\"grant\"", "\"kind\":\"grant\",", 1) + ","),
        Bad::raw("a comment", format!("// urgent\n{text}")),
        Bad::raw("two byte order marks", [b"\xef\xbb\xbf\xef\xbb\xbf", text.as_bytes()].concat()),
        Bad::raw("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        Bad::raw("Latin-1", inside("\"labels\":{\"who\":\"J\u{fc}rgen\"}").replace('\u{fc}', "\x01").into_bytes())
            .latin_1(),
        Bad::raw("overlong UTF-8", [&cut(text.len() - 1)[..], b",\"labels\":{\"a\":\"\xc0\xaf\"}}"].concat()),
        Bad::raw("half a surrogate pair", inside(r#""labels":{"a":"\ud83d"}"#)),
        Bad::raw("a bare control character", inside("\"labels\":{\"a\":\"x\u{1}y\"}")),
        Bad::raw("two jobs", format!("{text}{text}")),
        Bad::raw("two jobs in lines", format!("{text}\n{text}\n")),
        Bad::raw("an array of jobs", format!("[{text}]")),
        Bad::raw("null", "null"),
        Bad::raw("true", "true"),
        Bad::raw("a number", "4312"),
        Bad::raw("a string", "\"NET-4312/1\""),
        Bad::raw("a job in a string", Value::String(text.clone()).to_string()),
        Bad::raw("not a number", inside(r#""priority":NaN"#)),
        Bad::raw("a number beyond all bounds", inside(r#""priority":1e999"#)),
        Bad::raw("a leading zero", inside(r#""priority":007"#)),
        Bad::raw("deep arrays", "[".repeat(30_000)),
        Bad::raw("deep objects", nested(5_000)),
        Bad::raw("deep labels", inside(&format!(r#""labels":{}"#, nested(200)))),
        Bad::raw("one byte too large", padded(64 * 1024 + 1)),
        Bad::raw("a mebibyte", padded(1 << 20)),
        Bad::raw("a mebibyte of brackets", "[".repeat(1 << 20)),
        Bad::raw("a key twice", inside(r#""kind":"revoke""#)),
        Bad::raw("an order type twice", inside(r#""order_type":"PayByCenOwner","order_type":"PayByResourceOwner""#)),
        Bad::raw("an escaped key twice", inside(r#""\u006bind":"revoke""#)),
        Bad::raw("an owner twice", text.replacen(r#""cen":{"#, r#""cen":{"owner":"1688000000000001","#, 1)),
        Bad::raw("a long key twice", inside(&format!("\"{0}\":1,\"{0}\":2", "\u{7f}".repeat(30_000)))),
        Bad::raw("a label twice", inside(r#""labels":{"ticket":"NET-1","ticket":"NET-2"}"#)),
    ]
}

impl Bad {
    /// Every `\x01` becomes a byte that is a letter in Latin-1 and nothing in UTF-8.
    fn latin_1(mut self) -> Self {
        self.body.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0xfc);
        self
    }
}
