//! Orders to a model in languages other than English, as patterns over a folded text, so without accents.

use super::source::Source;
use mcp_contracts::guardrails::Severity::High;

const fn order(stems: &'static [&'static str], pattern: &'static str) -> Source {
    Source { kind: "override", severity: High, stems, pattern }
}

const fn leak(stems: &'static [&'static str], pattern: &'static str) -> Source {
    Source { kind: "exfiltration", severity: High, stems, pattern }
}

const fn role(stems: &'static [&'static str], pattern: &'static str) -> Source {
    Source { kind: "role_play", severity: High, stems, pattern }
}

/// The patterns.
pub(super) const SOURCES: [Source; 30] = [
    // German
    order(
        &["ignorier", "vergiss", "vergessen sie", "missacht", "uberschreib", "umgeh", "beachte"],
        r"(?:ignorier\w*|vergiss|vergessen sie|missachte\w*|uberschreib\w*|umgeh\w*|beachte\w* nicht) (?:[^ |]+ ){0,4}(?:vorherigen?|vorigen?|bisherigen?|vorangegangenen?|vorangehenden?|obigen?|fruheren?|ursprunglichen?|deine[rn]?|ihre[rn]?)(?: [^ |]+){0,2} (?:anweisungen|instruktionen|befehle|regeln|vorgaben|richtlinien|anordnungen|prompts?|systemanweisungen)",
    ),
    leak(
        &["system"],
        r"(?:zeig\w*|nenn\w*|gib|geben|verrat\w*|wiederhol\w*|druck\w*|schreib\w*|was steht in)(?: [^ |]+){0,5} (?:systemprompt\w*|system prompt\w*|systemanweisung\w*|systemnachricht\w*)",
    ),
    role(
        &["du bist", "sie sind", "verhalte dich", "tu so"],
        r"(?:du bist|sie sind|verhalte dich|tu so)(?: [^ |]+){0,8} (?:ohne (?:jede |jegliche |alle )?(?:einschrankung\w*|regeln|filter|beschrankung\w*)|entwicklermodus|uneingeschrankte[rns]? (?:ki|assistent\w*))",
    ),
    // French
    order(
        &["ignor", "oubli", "neglig", "compte", "outrepass"],
        r"(?:ignore[zr]?|oublie[zr]?|neglige[zr]?|ne (?:tiens|tenez) (?:pas|plus) compte|outrepasse[zr]?) (?:[^ |]+ ){0,4}(?:instructions?|consignes?|directives?|regles|ordres)(?: [^ |]+){0,3} (?:precedentes?|precedents?|anterieures?|anterieurs?|dessus|dorigine|initiales?|systeme|recues?|donnees)",
    ),
    order(
        &["ignor", "oubli"],
        r"(?:ignore[zr]?|oublie[zr]?) (?:[^ |]+ ){0,2}(?:precedentes|precedents|anterieures) (?:instructions|consignes|directives|regles|ordres)",
    ),
    order(
        &["ignor", "oubli"],
        r"(?:ignore[zr]?|oublie[zr]?) (?:toutes? )?(?:tes|vos) (?:propres )?(?:instructions?|consignes?|directives?|regles|ordres)",
    ),
    leak(
        &["systeme"],
        r"(?:affiche|montre|revele|repete|donne|ecris|ecrive|imprime)[zr]?(?: [^ |]+){0,5} (?:prompt|instructions?|invite|message|consignes?)(?: du| de)? systeme",
    ),
    role(
        &["tu es", "vous etes", "agis comme"],
        r"(?:tu es|vous etes|agis comme|agissez comme)(?: [^ |]+){0,7} (?:sans (?:aucune |aucun )?(?:restriction|limite|regle|filtre)s?|mode developpeur)",
    ),
    // Spanish
    order(
        &["ignor", "olvid", "descart", "desobedec", "omit"],
        r"(?:ignor(?:a|e|ar|en)|olvid(?:a|e|ar|en|ate)|descart(?:a|e|ar)|omit[ea]|desobedece) (?:[^ |]+ ){0,4}(?:instrucciones|indicaciones|ordenes|reglas|directrices)(?: [^ |]+){0,3} (?:anteriores|previas|previos|arriba|originales|sistema|iniciales)",
    ),
    leak(
        &["sistema", "system prompt"],
        r"(?:muestr|revel|imprim|repit|escrib|dime|ensen|mostr|revele|diga|mostre|imprima|repita|exiba|mostra|rivel|stamp|ripet|scriv)\w*(?: [^ |]+){0,5} (?:(?:prompt|instrucciones|mensaje|indicaciones|instrucoes|mensagem|istruzioni|messaggio)(?: del| de| do| di)? sistema|system prompt)",
    ),
    role(
        &["eres", "actua", "voce e", "aja como", "sei ora", "comportati"],
        r"(?:ahora eres|eres ahora|a partir de ahora eres|actua como|agora voce e|voce e agora|aja como|ora sei|sei ora|comportati come)(?: [^ |]+){0,7} (?:(?:sin|sem|senza) (?:ninguna |ningun |nenhuma |nenhum |alcuna |alcun )?(?:restric|limit|regl|regra|regol|filtr|restriz)\w*|modo desarrollador|modo desenvolvedor|modalita sviluppatore)",
    ),
    // Italian
    order(
        &["ignor", "dimentic", "trascur", "scord"],
        r"(?:ignora|dimentica|trascura|scorda)(?:te|re)? (?:[^ |]+ ){0,4}(?:istruzioni|indicazioni|regole|direttive|ordini)(?: [^ |]+){0,2} (?:precedenti|sopra|originali|sistema|iniziali)",
    ),
    order(
        &["ignor", "dimentic"],
        r"(?:ignora|dimentica)(?:te|re)? (?:[^ |]+ ){0,2}precedenti (?:istruzioni|indicazioni|regole|direttive|ordini)",
    ),
    // Portuguese
    order(
        &["ignor", "esquec", "desconsider"],
        r"(?:ignor(?:e|a|ar|em)|esquec(?:a|e|er|am)|desconsider(?:e|a|ar)) (?:[^ |]+ ){0,4}(?:instrucoes|orientacoes|regras|ordens|diretrizes)(?: [^ |]+){0,3} (?:anteriores|previas|acima|originais|sistema|iniciais)",
    ),
    // Dutch
    order(
        &["negeer", "vergeet"],
        r"(?:negeer|vergeet) (?:[^ |]+ ){0,3}(?:vorige|eerdere|bovenstaande|voorgaande|oorspronkelijke) (?:[^ |]+ )?(?:instructies|opdrachten|regels|aanwijzingen|richtlijnen)",
    ),
    leak(
        &["systeem"],
        r"(?:toon|laat|geef|herhaal|onthul)(?: [^ |]+){0,5} (?:systeemprompt|systeem prompt|systeeminstructies)",
    ),
    // Polish
    order(
        &["ignoruj", "zapomnij", "pomin"],
        r"(?:z?ignoruj|zapomnij|pomin)\w*(?: [^ |]+){0,4} (?:poprzedni\w*|wczesniejsz\w*|powyzsz\w*)(?: [^ |]+){0,1} (?:instrukcj\w*|polece\w*|zasad\w*)",
    ),
    order(
        &["ignoruj", "zapomnij"],
        r"(?:z?ignoruj|zapomnij)\w*(?: [^ |]+){0,3} (?:instrukcj\w*|polece\w*|zasad\w*) (?:powyzej|wczesniej)",
    ),
    // Turkish
    order(
        &["talimat", "komut", "kural"],
        r"(?:onceki|yukaridaki|tum|butun)(?: [^ |]+){0,3} (?:talimat\w*|komut\w*|kural\w*)(?: [^ |]+){0,2} (?:yok say\w*|gormezden gel\w*|unut\w*|dikkate alma\w*)",
    ),
    // Russian
    order(
        &["игнорир", "забудь", "отбрось", "не обращай"],
        r"(?:про)?(?:игнорируй(?:те)?|забудь(?:те)?|отбрось(?:те)?|не обращай внимания)(?: [^ |]+){0,3} (?:предыдущ\w*|прежн\w*|вышеуказанн\w*|вышеизложенн\w*|все|всех|свои|твои|ранее)(?: [^ |]+){0,3} (?:инструкци\w*|указани\w*|правил\w*|команд\w*)",
    ),
    leak(
        &["системн"],
        r"(?:покажи|выведи|раскрой|повтори|напечатай|скажи)(?:те)?(?: [^ |]+){0,4} системн\w* (?:промпт|промт|запрос|инструкци|сообщени|подсказк)\w*",
    ),
    role(
        &["ты теперь", "теперь ты", "представь"],
        r"(?:ты теперь|теперь ты|представь)(?: [^ |]+){0,7} без (?:[^ |]+ )?(?:ограничени\w*|правил|фильтр\w*)",
    ),
    // Ukrainian
    order(
        &["ігнор", "забудь"],
        r"(?:про)?(?:ігноруй(?:те)?|забудь(?:те)?)(?: [^ |]+){0,3} (?:попередн\w*|усі|всі)(?: [^ |]+){0,3} (?:інструкці\w*|вказівк\w*|правил\w*)",
    ),
    // Chinese
    order(
        &["忽略", "无视", "忘记", "忘掉", "不要遵守", "忽視", "無視", "跳过"],
        r"(?:忽略|无视|忘记|忘掉|不要遵守|跳过|忽視|無視)[^|]{0,8}(?:之前|以前|先前|以上|上面|前面|上述|所有|全部|一切)[^|]{0,8}(?:指令|指示|提示|规则|规定|说明|命令|要求)",
    ),
    leak(
        &["系统提示", "系统指令", "系統提示"],
        r"(?:显示|输出|告诉我|打印|泄露|重复|透露|给我|顯示|輸出)[^|]{0,10}(?:系统提示|系统指令|系統提示)",
    ),
    role(
        &["你现在是", "假装", "扮演"],
        r"(?:你现在是|假装|扮演)[^|]{0,16}(?:没有(?:任何)?限制|不受(?:任何)?限制|无限制|开发者模式)",
    ),
    // Japanese
    order(
        &["無視", "忘れ", "破棄"],
        r"(?:これまで|以前|上記|今まで|前|すべて|全て)[^|]{0,10}(?:指示|命令|ルール|プロンプト|指令)[^|]{0,6}(?:無視|忘れ|破棄)",
    ),
    leak(&["システムプロンプト"], r"システムプロンプト[^|]{0,8}(?:表示|出力|教え|公開|見せ)"),
    // Korean
    order(&["무시", "잊"], r"(?:이전|위의|앞의|모든|지금까지)[^|]{0,14}(?:지시|명령|규칙|지침)[^|]{0,8}(?:무시|잊)"),
    leak(&["시스템 프롬프트"], r"시스템 프롬프트[^|]{0,10}(?:보여|출력|알려|공개)"),
];
