//! Any experiment: one that survives its record in a plan, or problems with lines of the file.

use super::*;
use fuzzing::Target;

const TARGET: Target = Target::new(
    "experiments",
    &[
        "harness/core/src/drive/experiment/parser.rs",
        "harness/core/src/plan/data_file.rs",
        "harness/core/src/plan/data_file/text.rs",
        "harness/core/src/plan/data_file/form/walk.rs",
        "harness/core/src/plan/data_file/form/scalar.rs",
    ],
)
.with_words(&[
    "[[fault]]\n",
    "kind = \"kill\"\n",
    "kind = \"latency\"\n",
    "part = \"redis\"\n",
    "lasts = \"2s\"\n",
    "times = 3\n",
    "every = \"4s\"\n",
    "stack = \"full\"\n",
    "[load]\nrate = 50\n",
    "mix = { get_memory = 1 }\n",
    "[expect]\n",
    "growth = \">= 1\"",
    "[settings]\n",
    "\"1e3s\"",
    "nan",
    "inf",
    "1979-05-27",
    "'''",
    "\"\"\"",
]);

#[test]
fn an_experiment_survives_its_record_and_problems_have_lines() {
    TARGET.run_text(|text| {
        let lines = text.lines().count() + 1;
        match read("x", "x.toml", text) {
            Ok(experiment) => {
                let record = serde_json::to_string(&experiment).expect("an experiment is plain data");
                let again: Experiment =
                    serde_json::from_str(&record).expect("the record of an experiment is read again");
                assert_eq!(again, experiment);
                assert!(experiment.steady + experiment.fault_length() + experiment.recovery <= LONGEST);
            }
            Err(problems) => {
                assert!(!problems.is_empty(), "refused without a problem");
                for problem in problems {
                    let line = problem.place.strip_prefix("x.toml").expect("the place begins with the file");
                    let number = line.strip_prefix(':').map_or(Ok(1), str::parse::<usize>);
                    assert!(number.is_ok_and(|number| (1..=lines).contains(&number)), "{} of {lines}", problem.place);
                    assert!(!problem.what.is_empty() && !problem.to_string().is_empty());
                }
            }
        }
    });
}
