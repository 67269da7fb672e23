//! What each reason and code means: the pages of `explain`, each with an address.

use http::StatusCode;
use maud::{Markup, html};

use super::asked::{Asked, segment};
use super::mark::said;
use super::now::capital;
use super::trouble::Trouble;
use super::view::View;
use crate::cli::{WordPage, word_pages};
use crate::domain::did_you_mean;

/// Every word, under what it is.
pub(super) async fn list(_: &Asked) -> Result<View, Trouble> {
    let mut parts: Vec<(&str, Vec<WordPage>)> = Vec::new();
    for page in word_pages() {
        match parts.last_mut().filter(|(part, _)| *part == page.part) {
            Some((_, pages)) => pages.push(page),
            None => parts.push((page.part, vec![page])),
        }
    }
    let content = html! {
        h1 { "Codes" }
        p.lead { "Every word that a job, an event, the log, a check or a command can say, with what it means and what to do." }
        @for (part, pages) in parts {
            section {
                h2 { (part) }
                ul.words { @for page in pages { li { (link(page.word)) } } }
            }
        }
    };
    Ok(View::of("Codes", content))
}

/// What one word means.
pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let word = asked.named("word").to_ascii_lowercase();
    let pages: Vec<WordPage> = word_pages().filter(|page| page.word == word).collect();
    let entries = asked.page.parts().engine.catalog.classes.explain(asked.named("word"));
    let of_the_cloud: Vec<_> = entries.iter().filter(|entry| !entry.codes.is_empty()).collect();
    if pages.is_empty() && of_the_cloud.is_empty() {
        let hint = did_you_mean(&word, word_pages().map(|page| page.word), "");
        return Err(Trouble::new(
            StatusCode::NOT_FOUND,
            "unknown-word",
            format!("\"{word}\" is not a known word{hint}"),
        ));
    }
    let content = html! {
        p.crumb { a href="/codes" { "Codes" } }
        h1 { (said(asked.named("word"))) }
        @for page in &pages {
            section {
                h2 { (capital(page.kind())) }
                @let (meaning, advice) = page.meaning_and_advice();
                p { (words(&meaning)) }
                h3 { "What to do" }
                p { (words(&advice)) }
            }
        }
        @for entry in of_the_cloud {
            section {
                h2 { "Error code of the cloud" }
                p { (words(&entry.meaning)) }
                h3 { "What to do" }
                p { (words(&entry.advice)) }
                p.hint { "Class " (link(entry.class.as_str())) }
            }
        }
    };
    Ok(View::of(asked.named("word"), content))
}

fn link(word: &str) -> Markup {
    html! { a.code href=(format!("/codes/{}", segment(word))) { (word) } }
}

/// A text of the documents, with what stands between backticks set apart.
fn words(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (said(part)) } } @else { (said(part)) }
        }
    }
}
