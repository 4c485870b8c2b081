//! Any profile: a workload that survives its record in a plan, or problems with lines of the file.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new("profiles", &["loadtests/src/profile/parser.rs"]).with_words(&[
    "users = 10\n",
    "model = \"open\"\n",
    "rate = 50\n",
    "stages = \"10s:100,20s:100-1000\"\n",
    "duration = \"30s\"\n",
    "think_time = \"0ms\"\n",
    "[mix]\n",
    "get_memory = 0\n",
    "[thresholds]\n",
    "all = [\"p99<1s\"]\n",
    "nan",
    "inf",
    "-1",
]);

#[test]
fn a_workload_survives_its_record_and_problems_have_lines() {
    TARGET.run_text(|text| {
        let lines = text.lines().count() + 1;
        let problems = match parse("x", "x.toml", text) {
            Ok((workload, problems)) if problems.is_empty() => {
                let record = serde_json::to_string(&workload).expect("a workload is plain data");
                let again: Workload = serde_json::from_str(&record).expect("the record of a workload is read again");
                assert_eq!(again, workload);
                return;
            }
            Ok((_, problems)) | Err(problems) => problems,
        };
        assert!(!problems.is_empty(), "refused without a problem");
        for problem in problems {
            let line = problem.place.strip_prefix("x.toml").expect("the place begins with the file");
            let number = line.strip_prefix(':').map_or(Ok(1), str::parse::<usize>);
            assert!(number.is_ok_and(|number| (1..=lines).contains(&number)), "{} of {lines}", problem.place);
        }
    });
}
