//! Orders to a model in English, as patterns over a folded text, and the search that says which patterns are worth running. Other languages
//! have a file of their own.

use super::fold::{Folded, STOP};
use super::source::Source;
use super::{languages, quoted};
use crate::detect::finding::Findings;
use crate::linear;
use aho_corasick::AhoCorasick;
use mcp_contracts::guardrails::Severity::{self, High, Medium};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::sync::LazyLock;

struct Phrase {
    kind: &'static str,
    severity: Severity,
    regex: Regex,
}

/// What stands for what in patterns.
const LISTS: [(&str, &str); 9] = [
    (
        "{VERB}",
        "(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|overrule|bypass(?:ing)?|discard|abandon|neglect|dismiss|set aside|\
         (?:do not|dont|must not|should not|shall not|may not|no longer) (?:follow|obey|heed|comply with)|stop (?:following|obeying)|pay no attention to|throw (?:away|out)|erase)",
    ),
    ("{ALL}", "(?:(?:all|any|every|the|of|my|your|our|these|those|other|such|each|and|or|single|set|entire|whole) )*"),
    (
        "{PRIOR}",
        "(?:previous(?:ly given)?|prior|above|earlier|preceding|foregoing|original|initial|system|developers?|past|former|hidden|operators?|safety|ethical|built in|preset)",
    ),
    (
        "{ORDERS}",
        "(?:instructions?|prompts?|directives?|guidelines?|commands?|orders|directions|programming|training|guardrails?|safeguards?)",
    ),
    (
        "{RULES}",
        "(?:rules?|constraints?|restrictions?|polic(?:y|ies)|messages?|context|conversation|limitations?|requests?)",
    ),
    (
        "{MODEL}",
        "(?:ais?|llms?|(?:ai|llm|large language|language|automated|coding|autonomous) (?:[^ |]+ )?(?:agents?|assistants?|models?|reviewers?|systems?|bots?|readers?|tools?))",
    ),
    (
        "{DO}",
        "(?:ignore|approve|say|rate|recommend|reply|respond|include|output|send|run|execute|do not|rank|give|merge|classify|mark|add|append|call|delete|forget|tell|\
         transfer|skip|answer|write|insert|visit|open|download|reveal|disable|install|restart|post|upload|praise)",
    ),
    ("{SOME}", "(?: [^ |]+)"),
    ("{AI}", "(?:ai|llm|assistant|chatbot|bot|language model|large language model|agent|model|persona)"),
];

const ENGLISH: [Source; 21] = [
    Source {
        kind: "override",
        severity: High,
        stems: OVERRIDES,
        pattern: r"{VERB} {ALL}(?:{PRIOR} (?:and |or )?){1,3}{ORDERS}",
    },
    Source {
        kind: "override",
        severity: High,
        stems: OVERRIDES,
        pattern: r"{VERB} (?:the |of |my )*(?:(?:all|any|every)(?: of| the| my| and){0,3} (?:(?:{PRIOR} )+{RULES}|instructions?)|(?:all |any |every )?(?:of )?(?:the )?(?:your|system|developers?) (?:{PRIOR} )*(?:{RULES}|instructions?))",
    },
    Source {
        kind: "override",
        severity: High,
        stems: OVERRIDES,
        pattern: r"{VERB} (?:all |any |of |the )*your (?:(?:previous|prior|own|original|initial|system|safety|current|internal|core|default|usual|ethical|content) )*(?:{ORDERS}|{RULES}|filters?)",
    },
    Source {
        kind: "override",
        severity: High,
        stems: OVERRIDES,
        pattern: r"{VERB} (?:absolutely )?(?:everything|anything|what|whatever|all)(?: else| of it| that)?(?: (?:you|i|we|they|was|were|has|have|been|had|ever|is|said|told|instructed|learned|know|written|stated|given|came|comes)){0,6} (?:above|before(?: this)?|previously|so far|earlier|until now|up to (?:now|this point)|told|instructed)",
    },
    Source {
        kind: "override",
        severity: High,
        stems: OVERRIDES,
        pattern: r"{VERB} {ALL}(?:[^ |]+ )?{ORDERS} (?:that |which )?(?:you (?:were|are|have been|had been|got|received)|(?:were|was) given to you)(?: (?:given|told|sent|following|trained|earlier|before))*",
    },
    Source {
        kind: "override",
        severity: High,
        stems: &["bound", "restrict", "limited", "constrain", "govern", "subject"],
        pattern: r"(?:you are|youre) (?:no longer (?:bound|restricted|limited|constrained|governed|subject) (?:by|to)|not (?:bound|restricted|constrained|governed) by) (?:[^ |]+ ){0,3}?(?:{ORDERS}|{RULES}|filters?|openai|anthropic|developers?|creators?|ethics)",
    },
    Source {
        kind: "override",
        severity: High,
        stems: &["instruction", "directive", "prompt", "objective"],
        pattern: r"(?:new|updated|real|actual|true|revised) (?:system )?(?:instructions?|directives?|prompt|objectives?) (?:(?:from|by) (?:the |your )?(?:system|developers?|admin(?:istrator)?s?|operators?|openai|anthropic)|for (?:you|the (?:ai|assistant|model|agent)))|your (?:new|real|actual|true|only) (?:instructions?|directives?|prompt|task|goal|objective|role|purpose) (?:is|are)|(?:instead|only) (?:follow|obey) (?:these|my|the following|this) (?:new )?(?:instructions?|orders|commands?|rules)",
    },
    Source {
        kind: "override",
        severity: High,
        stems: &["from now on", "henceforth", "from this point"],
        pattern: r"(?:from now on|henceforth|from this point (?:on|forward|onward|onwards)) (?:you (?:obey|(?:must|shall|will|should) (?:act|respond|answer|obey|ignore|behave|pretend|only|always|never|speak|reply|say|output)|are (?:a|an|my|called|named|no longer|free|dan))|(?:answer|respond|reply|act|behave|ignore|obey) )",
    },
    Source {
        kind: "authority",
        severity: High,
        stems: &[
            "from the system",
            "from your",
            "from the dev",
            "from the admin",
            "from the op",
            "from openai",
            "from anthropic",
            "override",
        ],
        pattern: r"(?:this is|following is) (?:a |an |the )?(?:[^ |]+ )?(?:message|order|instruction|command|override|directive|update) from (?:the |your )?(?:system|developers?|administrators?|admin|openai|anthropic|operators?|creators?)|(?:system|admin|administrator|developer|emergency|security) override (?:code |is |has |active|engaged|accepted|in effect|you|ignore)",
    },
    Source {
        kind: "role_play",
        severity: High,
        stems: &["mode", "do anything now"],
        pattern: r"(?:you are|youre|act|respond|answer|reply|operate|behave)(?: now| currently| always| as if| as though| you are| running)* (?:in|with) (?:developer|god|dan|jailbreak|unrestricted|unfiltered|uncensored|debug override|admin override) mode|(?:god|dan|jailbreak|developer|unrestricted) mode (?:is |has been )?(?:now )?(?:enabled|activated|unlocked|engaged)|(?:enter|activate|switch to|unlock|enable) (?:your )?(?:god|dan|jailbreak|unrestricted|unfiltered|uncensored) mode|do anything now",
    },
    Source {
        kind: "role_play",
        severity: High,
        stems: &["dan", "unrestricted", "uncensored", "unfiltered", "jailbroken", "unaligned", "amoral", "evil"],
        pattern: r"(?:you are|youre|act|behave|respond|answer|pretend|roleplay|role play|imagine|simulate|become)(?: now| as| to be| that| you| are| if| like| being| were| going| an| a| the| my| called| named){0,6} (?:[^ |]+ ){0,2}?(?:dan|(?:unrestricted|uncensored|unfiltered|jailbroken|unaligned|amoral|evil) (?:[^ |]+ )?{AI})",
    },
    Source {
        kind: "role_play",
        severity: High,
        stems: &["restriction", "rules", "limitation", "filter", "guideline", "censor", "ethic", "moral", "safety"],
        pattern: r"(?:(?:act|behave|respond|answer|reply|pretend|roleplay|imagine|simulate){SOME}{0,8}|(?:you are|youre|{AI}){SOME}{0,3}) (?:without|with no|has no|have no|free of|free from)(?: any| all| the| your)* (?:ethical |moral |safety |content |usual )*(?:restrictions?|rules|limitations?|filters?|filtering|guidelines?|censorship|ethics|morals|safety (?:checks?|filters?))",
    },
    Source {
        kind: "exfiltration",
        severity: High,
        stems: &["prompt", "system", "instruction"],
        pattern: r"(?:reveal|print|show|repeat|output|display|tell|give|write|dump|disclose|share|leak|recite|expose|list|paste|summarize|translate|return|echo|quote|reproduce|state|provide|copy|what (?:is|are|was|were|does)){SOME}{0,4} your (?:(?:full|entire|complete|exact|original|initial|hidden|secret|internal|confidential|own|current|whole|very|first|underlying|starting) )*(?:system (?:prompt|message|instructions?)|(?:system )?prompt|(?:original|initial|hidden|secret|internal|confidential|starting) (?:instructions?|guidelines|rules|message|configuration)|instructions (?:verbatim|word for word|in full|above|exactly))",
    },
    Source {
        kind: "exfiltration",
        severity: High,
        stems: &["prompt", "instruction"],
        pattern: r"(?:reveal|print|show|repeat|output|display|tell|give|write|dump|disclose|share|leak|recite|expose|paste|echo|quote|reproduce|summari[sz]e|translate|describe){SOME}{0,4} the (?:(?:full|entire|complete|exact|system|whole) )*(?:(?:hidden|secret|confidential|original|initial) (?:system )?(?:prompt|instructions?|message)|(?:system )?(?:prompt|instructions?|message) (?:verbatim|word for word|in full|above|you (?:were|have|got|received)|that you (?:were|have)|exactly))|what (?:instructions|rules|prompt|orders) (?:were|was|have) (?:you|been) (?:been )?given",
    },
    Source {
        kind: "exfiltration",
        severity: High,
        stems: &["repeat", "copy", "print", "output", "recite"],
        pattern: r"(?:repeat|copy|print|output|recite)(?: back| out)? (?:everything|all|the (?:words|text|contents?|lines?|messages?)|all (?:of )?the (?:text|words))(?: that| is| was| written| text| stands)* (?:above|before this|preceding|you were given)|(?:starting|beginning) with (?:the (?:words|phrase) )?you are",
    },
    Source {
        kind: "exfiltration",
        severity: High,
        stems: &[
            "send",
            "post",
            "upload",
            "forward",
            "mail",
            "exfiltrate",
            "transmit",
            "append",
            "submit",
            "leak",
            "encode",
        ],
        pattern: r"(?:conversation|chat history|chat log|system prompt|(?:api|private|ssh) keys?|credentials|passwords|env file)(?: history)? and (?:send|post|upload|forward|email|mail|submit) (?:it|them|that|everything) (?:to|at)|(?:send|post|upload|forward|email|mail|exfiltrate|transmit|append|submit|leak|encode){SOME}{0,5} (?:env file|contents? of (?:the |your |any )?(?:env|ssh|aws|home|etc|file|users?)|conversation(?: history)?|chat history|chat log|system prompt|private keys?|ssh keys?|id rsa|(?:all|any|every|users|your)(?: the| of| your)* (?:[^ |]+ )?(?:api keys?|secrets?|credentials?|passwords?|tokens?|environment variables?)){SOME}{0,5} (?:to|at|in|into|as) (?:[^ |]+ ){0,3}?(?:https?|attacker|url|address|server|endpoint|webhook|query|image|following)",
    },
    Source {
        kind: "concealment",
        severity: High,
        stems: &["do not", "dont", "never", "without"],
        pattern: r"(?:do not|dont|never) (?:ever )?(?:tell|inform|mention|alert|reveal|disclose|show|say)(?: (?:this|it|that|these|any|of|anything|about|instructions?|step|message|action|to)){1,5} (?:the |your |any )?(?:user|human|operator|developer|reviewer)s?|(?:do not|dont|never) (?:tell|inform|alert|notify|warn) (?:the |your )?(?:user|human|operator|reviewer) (?:about|that|of) (?:this|these|it|you)|without (?:telling|informing|alerting) (?:the |your )?(?:user|human|operator)",
    },
    Source {
        kind: "addressed",
        severity: High,
        stems: ADDRESSED,
        pattern: r"if (?:you are|youre) (?:an? )?{MODEL}{SOME}{0,7} {DO}",
    },
    Source {
        kind: "addressed",
        severity: High,
        stems: ADDRESSED,
        pattern: r"(?:as an?|any|all|every|each|dear|attention|hey|notes? (?:to|for)|message (?:to|for)|for|to) (?:the |any |all |every )?{MODEL}{SOME}{0,7} (?:must|should|shall|have to|has to|please|are required to|is required to|are instructed to|is instructed to)(?: (?:also|always|now|first|immediately|then|instead|not))* {DO}",
    },
    Source {
        kind: "tool_order",
        severity: High,
        stems: &["before", "first"],
        pattern: r"before (?:using|calling|running|invoking|answering|responding|you (?:use|call|answer|respond|reply|run)|any other){SOME}{0,8} (?:read|send|cat|open|include|fetch|pass|upload|load|curl){SOME}{0,6} (?:ssh|env|id rsa|passwd|mcp json|private keys?|aws|api keys?|conversation|shadow)",
    },
    Source {
        kind: "authority",
        severity: Medium,
        stems: &["already approved", "pre approved", "preapproved", "authorized", "authorised"],
        pattern: r"(?:the )?(?:user|admin|administrator|security team|operator|owner) has (?:already )?(?:pre ?)?(?:approved|authori[sz]ed|consented to|agreed to) (?:all|any|every|everything|this|these|the following)(?: of| the)* (?:[^ |]+ )?(?:actions?|commands?|calls?|requests?|tools?|operations?|transfers?){SOME}{0,3} (?:so|no|without|skip|proceed|do not|dont|confirmation)",
    },
];

const ADDRESSED: &[&str] = &[
    "if you are a",
    "if youre a",
    " ai ",
    " ais ",
    " llm",
    "language model",
    " automated ",
    " coding ",
    " autonomous ",
];

const OVERRIDES: &[&str] = &[
    "ignor",
    "disregard",
    "forget",
    "overrid",
    "overrule",
    "bypass",
    "discard",
    "abandon",
    "neglect",
    "dismiss",
    "set aside",
    "not follow",
    "not obey",
    "not heed",
    "not comply",
    "dont follow",
    "dont obey",
    "dont heed",
    "dont comply",
    "stop following",
    "stop obeying",
    "no attention",
    "throw",
    "erase",
];

static PHRASES: LazyLock<Phrases> = LazyLock::new(Phrases::new);

struct Phrases {
    phrases: Vec<Phrase>,
    stems: AhoCorasick,
    /// By stem: its phrase.
    owners: Vec<usize>,
}

impl Phrases {
    fn new() -> Self {
        let sources: Vec<&Source> = ENGLISH.iter().chain(&languages::SOURCES).collect();
        let (mut stems, mut owners) = (Vec::<&str>::new(), Vec::new());
        for (number, source) in sources.iter().enumerate() {
            stems.extend(source.stems.iter().copied());
            owners.extend(source.stems.iter().map(|_| number));
        }
        let stems = AhoCorasick::new(stems).expect("the stems are few and fixed");
        let phrases = sources.into_iter().map(|source| Phrase {
            kind: source.kind,
            severity: source.severity,
            regex: regex(source.pattern),
        });
        Self { phrases: phrases.collect(), stems, owners }
    }
}

fn regex(pattern: &str) -> Regex {
    let pattern = LISTS.iter().fold(pattern.to_owned(), |pattern, (name, list)| pattern.replace(name, list));
    // A pattern in ASCII reads bytes, which compiles several times faster than characters do. Its bounds are beside ASCII letters, so that
    // it begins and ends between characters; scripts without blanks have no such bounds.
    let compiled = if pattern.is_ascii() {
        linear::bytes(&format!(r"\b(?:{pattern})\b"), syntax::Config::new())
    } else {
        linear::text(&pattern)
    };
    compiled.expect("the patterns are fixed, and a test builds them all")
}

/// Finds orders in a folded text and tells where they are in the text itself.
pub(super) fn find(text: &str, folded: &Folded, findings: &mut Findings) {
    for_each(&folded.text, |phrase, range| {
        let place = folded.place(text, range.start, range.end);
        if !conditional(&folded.text[range.end..]) && !quoted::is_warned_of(text, &place) {
            findings.add(phrase.kind, phrase.severity, place);
        }
        !findings.done()
    });
}

/// Whether a folded text holds an order.
pub(super) fn has_order(folded: &Folded) -> bool {
    let mut found = false;
    for_each(&folded.text, |_, _| {
        found = true;
        false
    });
    found
}

/// Runs each phrase on the sentences that hold one of its stems, once each, until `each` has enough.
fn for_each(folded: &str, mut each: impl FnMut(&Phrase, std::ops::Range<usize>) -> bool) {
    let phrases = &*PHRASES;
    let mut read_to = vec![0; phrases.phrases.len()];
    let mut sentence = 0..0;
    for stem in phrases.stems.find_overlapping_iter(folded) {
        if stem.end() > sentence.end {
            sentence = sentence_at(folded, sentence.end, stem.start());
        }
        let number = phrases.owners[stem.pattern().as_usize()];
        if read_to[number] >= sentence.end {
            continue;
        }
        read_to[number] = sentence.end;
        let phrase = &phrases.phrases[number];
        for found in phrase.regex.find_iter(&folded[sentence.clone()]) {
            if !each(phrase, sentence.start + found.start()..sentence.start + found.end()) {
                return;
            }
        }
    }
}

/// The sentence that a place is in; `from` is a place before it that is in no later one.
fn sentence_at(folded: &str, from: usize, place: usize) -> std::ops::Range<usize> {
    let start = folded[from..place].rfind(STOP).map_or(from, |stop| from + stop + STOP.len_utf8());
    let end = folded[place..].find(STOP).map_or(folded.len(), |stop| place + stop);
    start..end
}

/// Whether what follows makes an instruction of a manual of it: "ignore the above instructions if you use Windows".
fn conditional(rest: &str) -> bool {
    [" if you", " if your", " unless", " when you", " when using", " in case"].iter().any(|word| rest.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_can_be_built_and_has_stems() {
        assert_eq!(PHRASES.phrases.len(), ENGLISH.len() + languages::SOURCES.len());
        assert!(ENGLISH.iter().chain(&languages::SOURCES).all(|source| !source.stems.is_empty()));
    }
}
