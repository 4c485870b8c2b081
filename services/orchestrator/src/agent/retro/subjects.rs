//! What teams talk about: the words of each subject, open questions without blame, and an action with its measure. A table; what
//! is chosen from it is decided elsewhere.

use crate::agent::lexicon::Cues;
use std::sync::LazyLock;

/// A subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Subject {
    Review,
    Quality,
    Delivery,
    Planning,
    Meetings,
    Waiting,
    Operations,
    Debt,
    Workload,
    Knowledge,
    Together,
    Product,
}

/// What is known about a subject.
pub(super) struct Knowledge {
    pub(super) title: &'static str,
    pub(super) questions: [&'static str; 2],
    pub(super) action: &'static str,
    pub(super) owner: &'static str,
    pub(super) measure: &'static str,
}

impl Subject {
    pub(super) const ALL: [Self; 12] = [
        Self::Review,
        Self::Quality,
        Self::Delivery,
        Self::Planning,
        Self::Meetings,
        Self::Waiting,
        Self::Operations,
        Self::Debt,
        Self::Workload,
        Self::Knowledge,
        Self::Together,
        Self::Product,
    ];

    /// Whether a note may be about it.
    pub(super) fn cues(self) -> &'static Cues {
        macro_rules! cues {
            ($words:literal) => {{
                static CUES: LazyLock<Cues> = LazyLock::new(|| Cues::new($words));
                &CUES
            }};
        }
        match self {
            Self::Review => {
                cues!(r"(?:code )?reviews?\b|reviewer|pull requests?|prs?\b|merge requests?|mrs?\b|approvals?")
            }
            Self::Quality => {
                cues!(r"flak|tests?\b|testing|bugs?\b|qa\b|regress|quality|coverage|defect|hotfix|e2e|prueba")
            }
            Self::Delivery => cues!(
                r"deploy|releas|ci\b|ci/cd|pipelines?|builds?\b|rollout|environment|main branch|merge conflict|feature flag|bereitstellung|despliegue|livraison"
            ),
            Self::Planning => cues!(
                r"scope|estimat|stor(?:y|ies)\b|sprint goal|refine|groom|priorit|unplanned|carry ?over|carried over|spill|commit(?:ted|ment)|velocity|wip\b|backlog|planning|roadmap|deadline|mid-sprint|planung|schätz|planific|prioridad|too many (?:things|topics|tickets)"
            ),
            Self::Meetings => cues!(
                r"meetings?|stand-?ups?|dail(?:y|ies)\b|calendar|focus|interrupt|context switch|ceremon|slack|notification|besprechung|reuni[oó]n|réunion"
            ),
            Self::Waiting => cues!(
                r"(?:other|platform|external|another|infra|security|design|data) teams?|dependenc|waiting (?:for|on)|waited (?:for|on)|vendor|third.?part|blocked (?:by|on)|handoff|warten auf|esperando|attend(?:re|ons)"
            ),
            Self::Operations => cues!(
                r"on-?call|incident|alert|outage|pager|support|downtime|runbook|monitor|bereitschaft|ausfall|guardia|astreinte"
            ),
            Self::Debt => cues!(
                r"legacy|tech(?:nical)? debt|refactor|hack|workaround|old code|dependency upgrade|outdated|altlast|deuda técnica|dette"
            ),
            Self::Workload => cues!(
                r"overtime|stress|tired|exhaust|burn|weekend|late nights|overload|workload|pace|vacation|sick|crunch|pressure|mood|energy|überstunden|müde|urlaub|cansad|carga|fatigu|charge"
            ),
            Self::Knowledge => cues!(
                r"document|docs\b|onboard|silo|bus factor|knowledge|pair(?:ing|ed)?\b|mob(?:bing)?\b|wiki|only (?:one|\w+) knows|learn|wissen|doku|conocimiento|connaissance"
            ),
            Self::Together => cues!(
                r"communicat|conflict|tension|tense|trust|feedback|team ?spirit|collaborat|blam|listen|respect|tone\b|remote|time ?zones?|together|help(?:ed|ful|ing)|support each|teamwork|argu(?:e|ed|ing|ments?)\b|talk(?:ed|ing)? over|private (?:chats?|channels?)|same (?:two|three|few)|insult|rude\b|stimmung|kommunikation|equipo|ambiente|équipe|ambiance"
            ),
            Self::Product => cues!(
                r"customers?|requirement|acceptance criteria|unclear (?:what|why|tickets?|goal)|product owner|po\b|stakeholder|design|specs?\b|user research|demo|anforderung|kunde|requisito|cliente|besoin"
            ),
        }
    }

    pub(super) const fn knowledge(self) -> &'static Knowledge {
        match self {
            Self::Review => &REVIEW,
            Self::Quality => &QUALITY,
            Self::Delivery => &DELIVERY,
            Self::Planning => &PLANNING,
            Self::Meetings => &MEETINGS,
            Self::Waiting => &WAITING,
            Self::Operations => &OPERATIONS,
            Self::Debt => &DEBT,
            Self::Workload => &WORKLOAD,
            Self::Knowledge => &KNOWLEDGE,
            Self::Together => &TOGETHER,
            Self::Product => &PRODUCT,
        }
    }
}

const REVIEW: Knowledge = Knowledge {
    title: "Reviews and merging",
    questions: [
        "On the days when a review was quick, what was different: size, time of day, who knew of it?",
        "What would we have to agree on so that a waiting review is seen by somebody within half a day?",
    ],
    action: "Agree on one working rule for reviews (first answer within 4 working hours, changes under 300 lines) and look at the oldest open one in every stand-up",
    owner: "Reviewer of the week",
    measure: "Median time from opened to first answer under 4 working hours, read from the repository",
};

const QUALITY: Knowledge = Knowledge {
    title: "Tests and quality",
    questions: [
        "Which failure cost us most, and at which earlier point could it have shown itself?",
        "Which tests do we trust, and what do they have that the others lack?",
    ],
    action: "List the tests that failed without a cause, and fix or remove the worst five",
    owner: "Developer with a tester",
    measure: "Fewer than 2 % of runs fail without a change in the code, counted over the last week",
};

const DELIVERY: Knowledge = Knowledge {
    title: "Builds and releases",
    questions: [
        "Where does a finished change wait the longest on its way to users?",
        "What made the last smooth release smooth, and can it be the normal case?",
    ],
    action: "Measure the way from merged to live step by step, and take one step out or make it twice as fast",
    owner: "Release engineer",
    measure: "Time from merged to live, median of the sprint, is halved",
};

const PLANNING: Knowledge = Knowledge {
    title: "Planning and focus",
    questions: [
        "What came in after the planning, who asked for it, and what did it push out?",
        "When did we first sense that the goal was at risk, and what could we have said then?",
    ],
    action: "Plan to the lower of the last three results, keep a fifth of the time free, and make every later addition swap something out in the open",
    owner: "Product owner",
    measure: "At least 85 % of what was planned is done, and every unplanned item is on the board with its swap",
};

const MEETINGS: Knowledge = Knowledge {
    title: "Meetings and interruptions",
    questions: [
        "Which meeting would nobody miss if it were a written note?",
        "When in the week did each of us get two hours without interruption, and what made them possible?",
    ],
    action: "Keep two mornings a week free of meetings, and drop or shorten one recurring meeting",
    owner: "Team lead",
    measure: "Everyone reports at least two undisturbed blocks of two hours a week",
};

const WAITING: Knowledge = Knowledge {
    title: "Waiting for others",
    questions: [
        "For what did we wait the longest, and when did we first know that we would need it?",
        "What does the other side need from us to answer sooner?",
    ],
    action: "Name one contact on each side, and ask for what the next sprint needs before it is planned",
    owner: "Product owner",
    measure: "No item waits for others longer than two working days, read from the board",
};

const OPERATIONS: Knowledge = Knowledge {
    title: "Incidents and support",
    questions: [
        "Which alert or request came more than once, and what would make it the last time?",
        "What did whoever was on call need and not have?",
    ],
    action: "Remove the cause of the most frequent alert or request, and write its runbook page",
    owner: "On-call engineer",
    measure: "Pages and unplanned requests a week are down by a third",
};

const DEBT: Knowledge = Knowledge {
    title: "Old code and shortcuts",
    questions: [
        "Which part of the code slowed us down most, in which task?",
        "What is the smallest clean-up that the next planned work would already profit from?",
    ],
    action: "Choose the one old part that the next sprint touches, and clean it up first, in at most two days",
    owner: "Developer who works there next",
    measure: "The next change in that part takes no longer than planned",
};

const WORKLOAD: Knowledge = Knowledge {
    title: "Workload and energy",
    questions: [
        "What took energy, what gave it, and what of it can we influence ourselves?",
        "What did we say yes to that we would say no to today?",
    ],
    action: "Take one commitment out of the next sprint, in writing and with those who asked for it",
    owner: "Team lead",
    measure: "No work outside agreed hours, and the mood of the team is at least half a point up at the next check-in",
};

const KNOWLEDGE: Knowledge = Knowledge {
    title: "Knowledge and onboarding",
    questions: [
        "Which task could only one of us have done, and who would like to learn it?",
        "What did the last person who joined search for in vain?",
    ],
    action: "Pair on the next task of the area that only one person knows, and write a page of notes on it",
    owner: "Whoever knows it, with one who wants to",
    measure: "A second person has finished a task there alone",
};

const TOGETHER: Knowledge = Knowledge {
    title: "Working together",
    questions: [
        "When did working together feel easy, and what was in place then?",
        "What would each of us like to see more of from the team as a whole?",
    ],
    action: "Write down three working agreements in the team's own words, and check them at the end of each week",
    owner: "Facilitator",
    measure: "At the next retrospective everyone rates the agreements at least 4 of 5",
};

const PRODUCT: Knowledge = Knowledge {
    title: "Goals and requirements",
    questions: [
        "Which item did we understand differently from those who asked for it, and when did it show?",
        "What do we know now about users that we did not know before?",
    ],
    action: "Start no item without an example of what it does for a user, agreed with the product owner",
    owner: "Product owner",
    measure: "No item comes back from the demo because it was meant differently",
};
