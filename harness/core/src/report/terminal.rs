//! The summary of a run for a terminal: plain lines that fit its width. The command line adds colour.

use super::summary::{OperationFigures, Summary};
use super::words::{duration, percent, thousands};

/// Width of the first column.
const NAME: usize = 18;

/// A column of the table. On a narrow terminal, the columns with the highest ranks remain.
struct Column {
    title: &'static str,
    width: usize,
    rank: u8,
    say: fn(&OperationFigures) -> String,
}

const COLUMNS: [Column; 7] = [
    Column { title: "calls", width: 10, rank: 4, say: |figures| thousands(figures.calls) },
    Column { title: "per s", width: 8, rank: 2, say: |figures| thousands(figures.per_second.round() as u64) },
    Column { title: "not ok", width: 8, rank: 6, say: |figures| percent(figures.error_rate) },
    Column { title: "p50", width: 9, rank: 5, say: |figures| duration(figures.latency_us.p50 as f64) },
    Column { title: "p95", width: 9, rank: 3, say: |figures| duration(figures.latency_us.p95 as f64) },
    Column { title: "p99", width: 9, rank: 7, say: |figures| duration(figures.latency_us.p99 as f64) },
    Column { title: "p99.9", width: 9, rank: 1, say: |figures| duration(figures.latency_us.p99_9 as f64) },
];

/// Returns the table of operations and the resources of each part, as lines of at most `width` characters. Columns that do not fit are omitted.
pub fn lines(summary: &Summary, width: usize) -> Vec<String> {
    let columns = fitting(width);
    let heads = columns.iter().map(|column| format!(" {:>1$}", column.title, column.width));
    let mut lines = vec![format!("{:<NAME$}{}", "operation", heads.collect::<String>())];
    lines.extend(summary.operations.iter().map(|(name, operation)| row(name, operation, &columns)));
    lines.push(row("all", &summary.total, &columns));
    for (kind, count) in &summary.total.errors {
        lines.push(format!("  {} x {kind}", thousands(*count)));
    }
    lines.push(String::new());
    for (name, part) in &summary.parts {
        let used = [
            format!("{:.2} cores", part.cores),
            format!("at most {:.0} MB", part.rss_peak_bytes as f64 / 1e6),
            format!("{} CPU per 1,000 calls", duration(part.cpu_us_per_1000_calls)),
        ];
        let mut line = format!("{name:<NAME$}");
        for (at, what) in used.iter().enumerate() {
            let comma = if at == 0 { " " } else { ", " };
            if line.len() + comma.len() + what.len() <= width {
                line.push_str(comma);
                line.push_str(what);
            }
        }
        lines.push(line);
    }
    lines
}

/// Returns the columns that fit, in the order of the table. Columns with a higher rank are chosen first.
fn fitting(width: usize) -> Vec<&'static Column> {
    let mut by_rank: Vec<&Column> = COLUMNS.iter().collect();
    by_rank.sort_by_key(|column| std::cmp::Reverse(column.rank));
    let mut left = width.saturating_sub(NAME);
    let taken = by_rank.into_iter().take_while(|column| {
        let fits = column.width < left;
        left = left.saturating_sub(column.width + 1);
        fits
    });
    let ranks: Vec<u8> = taken.map(|column| column.rank).collect();
    COLUMNS.iter().filter(|column| ranks.contains(&column.rank)).collect()
}

fn row(name: &str, operation: &OperationFigures, columns: &[&Column]) -> String {
    let cells = columns.iter().map(|column| format!(" {:>1$}", (column.say)(operation), column.width));
    format!("{name:<NAME$}{}", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, NAME, fitting};

    fn titles(width: usize) -> Vec<&'static str> {
        fitting(width).into_iter().map(|column| column.title).collect()
    }

    #[test]
    fn a_narrow_terminal_keeps_the_most_important_columns() {
        assert_eq!(titles(40), ["not ok", "p99"]);
        assert_eq!(titles(50), ["not ok", "p50", "p99"]);
        assert_eq!(titles(200).len(), COLUMNS.len());
        for width in NAME..200 {
            let used: usize = fitting(width).iter().map(|column| column.width + 1).sum();
            assert!(NAME + used <= width, "{width}");
        }
    }
}
