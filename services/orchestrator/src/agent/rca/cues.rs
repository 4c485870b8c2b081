//! The words by which statements of incidents are understood. What follows from them is decided elsewhere.

use super::report::Category;
use crate::agent::lexicon::Cues;
use std::sync::LazyLock;

macro_rules! cues {
    ($($(#[$doc:meta])* $name:ident = $($part:literal),+;)+) => {
        $($(#[$doc])* pub(super) static $name: LazyLock<Cues> = LazyLock::new(|| Cues::new(concat!($($part),+)));)+
    };
}

cues! {
    /// It is over.
    RESOLVED = r"resolved|recovered|recovery (?:complete|done)|back to normal|all (?:clear|green|good)|(?:is|are|was|were|went|looks?|all) green|fully restored|",
        r"(?:service|traffic) restored|incident closed|closed the incident|healthy again|stable again|no (?:more|further|new) errors|",
        r"(?:errors?|error rate|latency|p9\d|queue|backlog)[^.;]{0,24}(?:back to|back at|at zero|to zero|to baseline|to normal|normal again|drained)|",
        r"back up\b|behoben|wieder (?:normal|grün|gruen|erreichbar|stabil|da)|resuelto|recuperad|restablecid|r[eé]solu|r[eé]tabli|normali[sz]ed";
    /// Something was done about it.
    MITIGATED = r"roll(?:ed|ing)?[ -]?back|reverted|reverting|fail(?:ed|ing) over|failover (?:done|complete|finished|to)|restarted|bounced|scaled (?:up|out|to|down|back|[\w-]+ (?:up|out|back|to))|",
        r"disabled|turned off|switched (?:off|to|back|over)|drained|killed (?:the|all|\d)|hotfix|mitigated|mitigation|",
        r"(?:increased|raised|doubled|bumped) (?:the )?[\w -]{0,24}(?:pool|limit|timeout|memory|replicas|quota)|renewed|rotated back|re-?routed|",
        r"zurückgerollt|zurückgesetzt|neu gestartet|neugestartet|rückgängig|reinici|revertid|red[eé]marr|retour arri[eè]re";
    /// Somebody or something noticed.
    DETECTED = r"alert(?:s|ed|ing|manager)?(?:[^(\w]|$)|alarm|paged|pager|opsgenie|noticed|detected|reported|(?:opened a |first |support )ticket|tickets? (?:came|from|opened)|complain|tweet|(?:customers?|users?|merchants?) (?:write|wrote|report|say|said|call)|",
        r"support (?:says?|said|reports?|tells|got|sees)|synthetic|gemeldet|meldung|meldet|bemerkt|alerta|avis[oó]|report[oó]|signal[eé]|prévenu";
    /// A customer noticed.
    CUSTOMER = r"customer|users? (?:report|write|wrote|complain|say)|merchant|support|ticket|complain|twitter|social media|kunde|cliente|utilisateur|client";
    /// A machine noticed.
    ALERT = r"alert|alarm|paged|pager|opsgenie|monitor|synthetic|healthcheck|health check";
    /// Something was changed.
    CHANGE = r"deploy|releas(?:e|ed|ing)\b|roll(?:ed|ing)?[ -]?out|rollout|shipped|merged|migrat|upgrad|(?:config|schema|index)[\w ]{0,12} change|changed|",
        r"feature flag|flag [\w.-]{0,40} ?(?:on|enabled|flipped)|enabled|flipped|terraform (?:apply|run)|helm upgrade|applied|rotated|cut ?over|maintenance|went live|",
        r"ausgerollt|auslieferung|eingespielt|umgestellt|desplieg|despleg|actualiz|mise en prod|mis en prod|déploi|bascul";
    /// Something fails.
    SYMPTOM = r"error|fail|timeout|timed out|timing out|times? out|(?:reaches|reached|hit) (?:its |the )?(?:limit|\d+ of)|cannot|can['’]?t|50[0-9]s?\b|5xx|latency|slow|down\b|outage|unavailable|crash|oom|out of memory|refused|panic|exception|fatal|",
        r"degrad|spik|exhaust|disk full|no space|reject|backlog|piling|stuck|hang(?:s|ing)|hung|unreachable|not (?:working|loading|responding)|broken|lost|missing|",
        r"duplicate|deadlock|throttl|expired|red\b|fehler|ausfall|langsam|gestört|abbruch|abgest|caíd|caid|lent[oa]?\b|fallo|panne|erreur|indisponible|plant";
    /// Somebody acts or looks.
    RESPONSE = r"ack\b|acked|acknowledged|on it\b|looking|investigat|joined|war ?room|bridge|incident (?:channel|declared|commander|opened)|escalat|status ?page|",
        r"calling|called|checking|checked|suspect|found|confirmed|identified|declared|schau|prüf|mirando|regarde";
    /// Somebody acts, whatever else the words may say.
    ACTING = r"ack(?:ed|nowledged)?\b|declared|war ?room|incident (?:channel|commander)|status ?page|escalat|joined the";
    /// The first line is a title.
    TITLE = r"incident|postmortem|post-mortem|störung|outage|what happened|notes|rca\b|root cause analysis|incidente|panne|#inc";
    /// What others run.
    OUTSIDE = r"provider|vendor|third[- ]party|external|partner|cloudflare|aws\b|gcp\b|azure|stripe|paypal|twilio|drittanbieter|anbieter|proveedor|fournisseur";
    /// The text names the beginning.
    ONSET = r"start(?:ed|s|ing)? (?:failing|seeing|to |at|around|throwing|returning)|(?:impact|outage|incident|errors?|timeouts?) (?:started|began|begins?)|began|first (?:error|failure|5xx|timeout|failed|bad)|onset|beginn|empez|comenz|début";
    /// The text names a cause.
    CAUSE = r"root cause|caused by|because|due to|triggered by|as a result of|resulted in|led to|turned out|traced (?:it )?(?:back )?to|the reason|",
        r"which (?:caused|meant|made)|weil\b|wegen|ursache|grund war|ausgelöst|debido a|porque|la causa|parce que|à cause|cause\s?:";
    /// What was good about the way it went.
    WELL = r"went well|worked well|worked as|(?:runbook|playbook|failover|rollback|alert|canary|backup)s? (?:worked|helped|caught|was quick|took only)|",
        r"thanks to|(?:good|great) (?:call|job|work|communication)|kudos|no data (?:was )?lost|no data loss|lief gut|gut funktioniert|salió bien|bien passé";
    /// Somebody says what to do afterwards.
    TO_DO = r"action(?: item)?s?\s?:|ai\s?:|to-?do\b|follow[- ]?ups?\b|next steps?\b|we (?:should|need to|must|have to|will)|(?:needs?|has) to be|wir (?:sollten|müssen)|hay que|debemos|il faut";
    /// Who was hit.
    SCOPE = r"customers?|users?|people|tenants?|merchants?|clients?|orders?|payments?|checkouts?|requests?|regions?|eu-|us-|ap-|everyone|all of|nobody could|data loss|lost|",
        r"kunden|nutzer|bestellung|usuarios|clientes|pedidos|utilisateurs|commandes";
    /// It was noticed late, or not by us.
    UNDETECTED = r"(?:no|without(?: an?| any)?|missing|lack of|never got(?: an?)?) (?:alert|alarm|monitor|page|dashboard|metric)|alerts? (?:did not|didn['’]t|never|only|was|were|had been|is) ?(?:fire|fired|page|trigger|mut|silenc|snooz|disabl|too|late|after)|",
        r"(?:not|nobody|no one|noone) (?:noticed|monitored|paged|alerted|saw|watch)|muted|silenced|snoozed|customers? (?:noticed|told|reported|wrote)[^.]{0,30}(?:first|before)|",
        r"(?:first|only) (?:noticed|heard|learned|found out)|blind spot|alert fatigue|noisy alert|not on (?:the|any) dashboard|kein(?:en)? alarm|niemand (?:hat )?(?:es )?(?:bemerkt|gesehen)|ninguna alerta|sin alerta|aucune alerte";
}

/// The words of a kind of factor.
pub(super) fn of(category: Category) -> &'static Cues {
    cues! {
        CAPACITY = r"oom|out of memory|(?:pool|connections?|threads?|file descriptors?|memory|heap|disk|cpu|quota|ip addresses)[^.;]{0,30}(?:exhaust|full|limit|maxed|saturat|100 ?%|ran out|used up)|",
            r"exhausted|no space left|disk full|too many (?:connections|clients|requests|open files)|throttl|saturat|overload|queue (?:is |was )?full|autoscal|max_connections|traffic (?:spike|surge|peak)|",
            r"rate.?limited|peak load|remaining connection slots|könnte nicht skalieren|überlast|speicher voll|sobrecarga|saturé|surcharge";
        DEPENDENCY = r"upstream|third[- ]party|vendor|provider|external|partner|dns|\bs3\b|stripe|paypal|twilio|cloudflare|cdn\b|aws\b|gcp\b|azure|kafka|rabbitmq|redis|connection refused|",
            r"(?:503|502|504|timeouts?|errors?) (?:from|calling|to) |dependency|dependencies|replica lag|drittanbieter|zahlungsanbieter|proveedor|fournisseur|retry storm";
        CONFIGURATION = r"config|env(?:ironment)? var|misconfig|settings?\b|yaml|helm|terraform|feature flag|flag\b|certificate|cert\b|\btls\b|expired|secret|credential|permission|\biam\b|firewall|security group|",
            r"dns record|timeout (?:was |is )?(?:set|of|to)|ulimit|max_connections|pool size|pool_size|konfig|einstellung|zertifikat|configuraci|certificad|certificat|paramètre";
        DATA = r"corrupt|schema|null\b|nil\b|duplicate|bad data|malformed|encoding|missing (?:rows?|records?|index|column)|column|backfill|stale|cache poison|poison|unexpected value|constraint|deadlock|full table scan|missing an index|index missing|seq scan|",
            r"migration|inconsisten|daten|datensatz|datos|données";
        PROCESS = r"manual(?:ly)?\b|by hand|(?:no|missing|wrong|outdated|without an?) (?:runbook|playbook)|(?:without|no|missing) approv|not (?:approved|reviewed)|(?:in|during|without|no) (?:code )?review\b|nobody reviewed|skipped|handover|wrong (?:environment|cluster|region|branch|file|tenant|host)|typo|mistake|by accident|accidentally|forgot|forgotten|nobody (?:owned|knew)|",
            r"unclear (?:owner|who)|ownership|copy.?past|untested|not tested|without (?:a )?(?:test|review|canary)|no (?:staging|canary|test|review|runbook|owner)|friday|on[- ]call (?:was|did|had)|not documented|undocumented|",
            r"vergessen|versehentlich|von hand|ohne (?:test|review)|por error|olvid|sin (?:prueba|revisión)|oubli|par erreur";
    }
    match category {
        Category::Change => &CHANGE,
        Category::Capacity => &CAPACITY,
        Category::Dependency => &DEPENDENCY,
        Category::Configuration => &CONFIGURATION,
        Category::Data => &DATA,
        Category::Process => &PROCESS,
        Category::Detection => &UNDETECTED,
    }
}
