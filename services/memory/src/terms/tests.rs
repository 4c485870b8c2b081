use super::*;
use proptest::prelude::*;

fn terms(text: &str) -> Vec<String> {
    of(text).entries.into_iter().map(|entry| entry.term).collect()
}

fn concepts(text: &str) -> Vec<String> {
    of_query(text).concepts.into_iter().map(|concept| concept.term).collect()
}

#[track_caller]
fn assert_finds(query: &str, text: &str) {
    let (concepts, terms) = (concepts(query), terms(text));
    assert!(concepts.iter().any(|concept| terms.contains(concept)), "{query}: {concepts:?}, {text}: {terms:?}");
}

#[test]
fn a_word_and_its_other_forms_are_one_concept() {
    assert_eq!(
        of("retries retry; RETRY").entries,
        [Entry { term: "retri".into(), frequency: 3, forms: of("retries retry").entries[0].forms.clone() }]
    );
    assert_eq!(of("retries retry; RETRY").words, 3);
    assert_finds("deployed", "deploys the service");
    assert_finds("база", "в базе данных");
    assert_finds("بيانات", "قاعدة البيانات");
    assert_eq!(concepts("Müller muller"), ["muller"]);
    assert_finds("GROSSE", "Größe");
    assert_finds("cafe\u{301}", "café");
    assert_finds("cafe", "ＣＡＦÉ");
    assert_finds("istanbul", "İstanbul");
    assert_finds("οδος", "ΟΔΟΣ");
    assert_finds("हिन्दी", "यह हिन्दी है");
    assert_ne!(form("café"), form("cafe"));
    assert_eq!(terms(&"x".repeat(100))[0].len(), MAX_TERM_BYTES);
    assert_eq!(terms(" \"* ( "), Vec::<String>::new());
}

#[test]
fn names_of_code_are_found_whole_and_by_their_parts() {
    let parts = [
        ("HTTPServer2", "http server 2 httpserver"),
        ("iPhone15", "iphone 15"),
        ("UserDAO2Impl", "user dao 2 impl userdao"),
        ("getURLForID", "get url id"),
        ("snake_CASE", "snake case"),
        ("a/b/config.rs", "config rs"),
        ("v1.2.3", "v1 2 3"),
        ("std::fs::read_to_string", "std fs read string"),
        ("C:\\Users\\ann", "users ann"),
        ("XMLHttpRequest2", "xml http request 2"),
        ("ops@example.com", "ops example com"),
    ];
    for (name, words) in parts {
        for word in words.split(' ') {
            assert_finds(word, &format!("see {name} here"));
        }
        // Also in one case.
        let whole = concepts(&name.to_lowercase());
        assert!(terms(name).contains(whole.last().unwrap()), "{name} {whole:?}");
    }
    let last = |query: &str| concepts(query).pop();
    assert_eq!(last("max_retry_count"), last("max-retry-count"));
    assert_finds("maxRetryCount", "max_retry_count");
    assert_finds("email", "an e-mail");
    assert_finds("1234567", "order 1,234,567");
    for sign in ["C++", "C#", ".NET"] {
        assert!(terms(&format!("the {sign} parser")).contains(&sign.to_lowercase()), "{sign}");
        assert!(concepts(sign).contains(&sign.to_lowercase()), "{sign}");
    }
    assert_eq!(of("d41d8cd98f00b204e9800998ecf8427e").entries.len(), 1, "a hash has no parts");
    assert_eq!(of("getUserProfile before a/b").words, 4, "parts and whole names do not make a text longer");
}

#[test]
fn scripts_without_spaces_are_found_by_character_pairs() {
    assert_finds("部署", "用户服务器部署在腾讯云");
    assert_finds("云", "部署在腾讯云");
    assert_finds("ｻﾝﾄﾞ", "サンドボックス");
    assert_finds("itgc", "重跑gen-itgc后");
    assert_eq!(concepts("数据库"), ["数据", "据库"]);
    assert_eq!(of("数据库 ok").words, 3);
}

#[test]
fn stop_words_leave_the_query_alone_unless_nothing_else_is_left() {
    assert_eq!(concepts("What did Ann's dog do in the park?"), ["ann", "dog", "park"]);
    assert_eq!(concepts("to be or not to be"), ["to", "be", "or", "not"]);
    assert_eq!(concepts("who will die in the war"), ["die", "war"]);
    assert_eq!(concepts("Warum ist die Datenbank nicht erreichbar?"), ["datenbank", "erreichbar"]);
    assert_eq!(concepts("pourquoi la base est en panne"), ["base", "pann"]);
    assert_eq!(concepts("son war"), ["son", "war"]);
    assert!(terms("to be").contains(&"be".to_owned()));
    assert_eq!(concepts("don't use agents"), ["use", "agent"]);
    assert_finds("don't", "don't use agents");
}

#[test]
fn stop_words_are_in_the_form_in_which_they_are_compared() {
    let text = include_str!("../../../../fixtures/lexicon/stop-words.toml");
    for list in text.split("\"\"\"").skip(1).step_by(2) {
        for word in list.split_whitespace() {
            assert_eq!(fold::without_accents(&fold::case(word)), word);
        }
    }
}

proptest! {
    #[test]
    fn every_text_has_the_terms_of_a_query_for_it(text in "\\PC{1,40}") {
        let found = terms(&text);
        for concept in concepts(&text) {
            prop_assert!(found.contains(&concept), "{concept} of {text}: {found:?}");
        }
    }
}
