//! Style, script and icon: parts of the program, each under a name made of what it holds, so that a browser keeps it for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use sha2::{Digest, Sha256};

/// A file that every view needs.
pub(super) struct Asset {
    name: String,
    media: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, media: &'static str, text: &'static str) -> Self {
        let digest: String = Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{stem}-{digest}.{ending}"), media, text }
    }

    /// Its address.
    pub fn path(&self) -> String {
        format!("/ui/{}", self.name)
    }
}

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("style.css")));
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("live", "js", "text/javascript; charset=utf-8", include_str!("live.js")));
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("icon.svg")));

/// One of them. They say nothing of jobs, so the form of a login has its style.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let Some(asset) = [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kept = "public, max-age=31536000, immutable";
    ([(CONTENT_TYPE, asset.media), (CACHE_CONTROL, kept), (X_CONTENT_TYPE_OPTIONS, "nosniff")], asset.text)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_nothing_is_from_elsewhere() {
        assert!(SCRIPT.text.len() < 4096, "{} bytes", SCRIPT.text.len());
        for asset in [&*STYLE, &*SCRIPT] {
            for word in ["http:", "https:", "@import", "url(", "innerHTML =", "eval("] {
                assert!(!asset.text.contains(word), "{} has {word}", asset.name);
            }
        }
        assert_eq!(STYLE.path().len(), "/ui/style-000000000000.css".len());
    }
}
